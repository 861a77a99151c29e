import CCNNRT

/// A network from a bundle, ready for sessions. It is immutable, so any number of threads may use one at the same time; it
/// is closed when the last session and the last reference to it are gone. Everything in a bundle is checked when it is
/// opened: any bytes at all are safe to open and to run.
public final class Model: @unchecked Sendable {
  package let handle: OpaquePointer

  /// How a bundle is opened.
  public struct Options: Sendable {
    /// Instruction set ("avx2", "neon", …), or nil for the processor's best. int8 results are the same on each.
    public var isa: String?
    /// Checks the weights' checksums on opening; reads the whole file.
    public var verify = false
    /// Reads the whole file into memory rather than map it.
    public var copy = false
    /// Bytes that the model, and each of its sessions, may allocate; 0: 2 GiB.
    public var maxMemory: UInt64 = 0
    /// Operations (multiply-adds, elements) of a run per image; 0: 10¹², some seconds.
    public var maxWork: UInt64 = 0

    /// The processor's best instruction set, mapped, within the usual limits, unless told otherwise.
    public init(
      isa: String? = nil, verify: Bool = false, copy: Bool = false, maxMemory: UInt64 = 0, maxWork: UInt64 = 0
    ) {
      self.isa = isa
      self.verify = verify
      self.copy = copy
      self.maxMemory = maxMemory
      self.maxWork = maxWork
    }

    func withC<R>(copy: Bool, _ body: (UnsafePointer<cnnrt_model_options>) -> R) -> R {
      var options = cnnrt_model_options()
      options.size = MemoryLayout<cnnrt_model_options>.size
      options.flags = (copy ? UInt32(CNNRT_MODEL_COPY) : 0) | (verify ? UInt32(CNNRT_MODEL_VERIFY) : 0)
      options.max_memory = maxMemory
      options.max_work = maxWork
      guard let isa else { return body(&options) }
      return isa.withCString { name in
        options.isa = name
        return body(&options)
      }
    }
  }

  /// Opens a bundle. Stored weights are mapped and used in place, so the file must not be changed while the model is
  /// open (replacing it is fine), unless `options.copy`.
  /// - Throws: `.io`, `.format`, `.unsupported`, `.outOfMemory`, `.limit`, `.invalidArgument`; so do the others.
  public init(path: String, options: Options = Options()) throws(CNNRTError) {
    handle = try Model.open { out, error in
      options.withC(copy: options.copy) { cnnrt_model_open(path, $0, out, error) }
    }
  }

  /// Opens a bundle from an open file, read from its beginning; the descriptor stays the caller's and may be closed at once.
  public init(fileDescriptor: Int32, options: Options = Options()) throws(CNNRTError) {
    handle = try Model.open { out, error in
      options.withC(copy: options.copy) { cnnrt_model_open_fd(fileDescriptor, $0, out, error) }
    }
  }

  /// Opens a bundle in memory; the model keeps a copy of its own.
  public init(bytes: [UInt8], options: Options = Options()) throws(CNNRTError) {
    handle = try Model.open { out, error in
      options.withC(copy: true) { cnnrt_model_open_memory(bytes, bytes.count, $0, out, error) }
    }
  }

  /// Opens a bundle in memory that the model uses in place.
  /// - Parameters:
  ///   - bytes: unchanged and valid as long as the model, and aligned to 64 (weights are copied where they are not).
  ///   - options: `copy` lets the caller free the bytes at once.
  public init(unownedBytes bytes: UnsafeRawBufferPointer, options: Options = Options()) throws(CNNRTError) {
    handle = try Model.open { out, error in
      options.withC(copy: options.copy) { cnnrt_model_open_memory(bytes.baseAddress, bytes.count, $0, out, error) }
    }
  }

  deinit { cnnrt_model_close(handle) }

  private static func open(
    _ call: (UnsafeMutablePointer<OpaquePointer?>, UnsafeMutablePointer<cnnrt_error>) -> cnnrt_status
  ) throws(CNNRTError) -> OpaquePointer {
    var handle: OpaquePointer?
    try check { call(&handle, $0) }
    return handle!
  }

  /// Checks the checksum of every section, the weights' stored sums included; reads the whole file.
  /// - Throws: `.format`
  public func verify() throws(CNNRTError) { try check { cnnrt_model_verify(handle, $0) } }
}
