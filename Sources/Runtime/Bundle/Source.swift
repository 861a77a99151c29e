import CCNNRT
import CPlatform

/// The bytes of a bundle and who owns them.
public struct Source {
  public private(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  /// At most one of these; neither: the bytes are the caller's. (An enum would bring hashing and random numbers with it.)
  private var isMapped = false
  private var isAllocated = false

  public init() {}

  public var mappedBytes: Int { isMapped ? bytes.count : 0 }
  public var allocatedBytes: Int { isAllocated ? bytes.count : 0 }

  public mutating func open(path: UnsafePointer<CChar>, copy: Bool, limit: Int) throws(Failure) {
    var fd: Int32 = -1
    let code = cp_open(path, &fd)
    guard code == 0 else {
      throw Source.failure(code, "the file cannot be opened. Check the path and its permissions.")
    }
    defer { cp_close(fd) }
    try open(fd: fd, copy: copy, limit: limit)
  }

  public mutating func open(fd: Int32, copy: Bool, limit: Int) throws(Failure) {
    var size: Int64 = 0
    var code = cp_file_size(fd, &size)
    guard code == 0 else { throw Source.failure(code, "the file's size cannot be read. Check the descriptor.") }
    guard size >= 0 else { throw Source.failure(0, "not a regular file. Give the path of a bundle (.cnn).") }
    guard size > 0 else { throw .format("the file is empty") }
    let count = Int(size)
    if copy {
      let memory = try allocate(count, limit: limit)
      code = cp_read(fd, memory, count)
      guard code == 0 else { throw Source.failure(max(code, 0), "the file cannot be read to its end. Try again.") }
    } else {
      var start: UnsafeRawPointer?
      code = cp_map(fd, count, &start)
      guard code == 0 else {
        throw Source.failure(code, "the file cannot be mapped. Open it with CNNRT_MODEL_COPY.")
      }
      isMapped = true
      bytes = UnsafeRawBufferPointer(start: start, count: count)
    }
  }

  public mutating func open(memory: UnsafeRawBufferPointer, copy: Bool, limit: Int) throws(Failure) {
    guard copy, let start = memory.baseAddress else {
      bytes = memory
      return
    }
    try allocate(memory.count, limit: limit).copyMemory(from: start, byteCount: memory.count)
  }

  private mutating func allocate(_ count: Int, limit: Int) throws(Failure) -> UnsafeMutableRawPointer {
    let memory = try allocateMemory(count, limit: limit)
    isAllocated = true
    bytes = UnsafeRawBufferPointer(start: memory, count: count)
    return memory
  }

  public mutating func close() {
    if isMapped { cp_unmap(bytes.baseAddress, bytes.count) }
    if isAllocated { cp_free(UnsafeMutableRawPointer(mutating: bytes.baseAddress)) }
    self = Source()
  }

  private static func failure(_ code: Int32, _ message: StaticString) -> Failure {
    var failure = Failure(CNNRT_ERROR_IO, message)
    failure.systemError = code
    return failure
  }
}

/// Memory aligned to 64 bytes, at most `limit` of it.
public func allocateMemory(_ bytes: Int, limit: Int) throws(Failure) -> UnsafeMutableRawPointer {
  guard bytes <= limit else {
    throw Failure(
      CNNRT_ERROR_LIMIT, "% bytes of memory are needed and max_memory allows %. Raise it if you trust the bundle.",
      bytes, limit)
  }
  guard let memory = cp_allocate(bytes) else {
    throw Failure(CNNRT_ERROR_OUT_OF_MEMORY, "% bytes of memory cannot be had. Close other models or programs.", bytes)
  }
  return memory
}
