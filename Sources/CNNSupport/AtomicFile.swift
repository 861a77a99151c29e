import Glibc

/// Files that are there whole or not at all: a reader, or the program after a crash, sees the old bytes or the new.
public enum AtomicFile {
  /// Writes beside `path`, syncs the bytes to the disk, renames over `path`, and syncs the directory, so that the new
  /// name survives a power cut too. A path that is not a regular file (/dev/stdout, a pipe) is written straight
  /// through.
  /// - Throws: `CNNError` with the path and the system's words; `path` is then as it was.
  public static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws(CNNError) {
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists && status.st_mode & S_IFMT == S_IFDIR {
      throw CNNError("is a directory, not a file", at: path, advice: "give the name of a file")
    }
    if exists && status.st_mode & S_IFMT != S_IFREG { return try writeThrough(bytes, to: path) }
    // A symbolic link stays one: what it points at is replaced.
    let target = exists ? resolved(path) : path
    try replace(target, with: bytes, mode: exists ? status.st_mode & 0o777 : nil)
  }

  public static func write(_ bytes: [UInt8], to path: String) throws(CNNError) {
    let result: Result<Void, CNNError> = bytes.withUnsafeBytes { bytes in
      Result { () throws(CNNError) in try write(bytes, to: path) }
    }
    try result.get()
  }

  public static func write(_ text: String, to path: String) throws(CNNError) {
    try write(Array(text.utf8), to: path)
  }

  private static func replace(_ path: String, with bytes: UnsafeRawBufferPointer, mode: mode_t?) throws(CNNError) {
    let (directory, name) = split(path)
    let (file, temporary) = try create(beside: name, in: directory, path: path)
    do throws(CNNError) {
      defer { close(file) }
      if let mode, fchmod(file, mode) != 0 { throw .system("cannot set the mode", at: path) }
      try writeAll(bytes, to: file, path: path)
      guard fsync(file) == 0 else { throw .system("cannot sync the file", at: path) }
      guard rename(temporary, path) == 0 else { throw .system("cannot replace the file", at: path) }
    } catch {
      unlink(temporary)
      throw error
    }
    try syncDirectory(directory)
  }

  /// A new file whose name nobody else uses.
  private static func create(
    beside name: String, in directory: String, path: String
  ) throws(CNNError) -> (file: Int32, path: String) {
    var attempt = 0
    while true {
      let temporary = "\(directory)/.\(name).\(getpid())-\(attempt)"
      let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if file >= 0 { return (file, temporary) }
      guard errno == EEXIST else { throw .system("cannot make a file in the directory \(directory)", at: path) }
      attempt += 1
    }
  }

  private static func writeThrough(_ bytes: UnsafeRawBufferPointer, to path: String) throws(CNNError) {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { throw .system("cannot open for writing", at: path) }
    defer { close(file) }
    try writeAll(bytes, to: file, path: path)
  }

  private static func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32, path: String) throws(CNNError) {
    var done = 0
    while done < bytes.count {
      let count = Glibc.write(file, bytes.baseAddress! + done, bytes.count - done)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw .system("cannot write", at: path) }
      done += count
    }
  }

  private static func syncDirectory(_ path: String) throws(CNNError) {
    let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw .system("cannot open the directory to sync it", at: path) }
    defer { close(directory) }
    // EINVAL: a file system that cannot sync directories.
    guard fsync(directory) == 0 || errno == EINVAL else { throw .system("cannot sync the directory", at: path) }
  }

  private static func split(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let directory = String(path[..<slash])
    return (directory.isEmpty ? "/" : directory, String(path[path.index(after: slash)...]))
  }

  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }
}

/// Reads a whole file.
/// - Throws: `CNNError` with the path and the system's words.
public func readFile(_ path: String) throws(CNNError) -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { throw .system("cannot open the file", at: path) }
  defer { close(file) }
  var bytes: [UInt8] = []
  var status = stat()
  if fstat(file, &status) == 0 && status.st_mode & S_IFMT == S_IFREG { bytes.reserveCapacity(Int(status.st_size)) }
  while true {
    let chunk = 1 << 20
    var failed = false
    let part = [UInt8](unsafeUninitializedCapacity: chunk) { buffer, count in
      let got = read(file, buffer.baseAddress!, chunk)
      failed = got < 0
      count = max(got, 0)
    }
    if failed && errno == EINTR { continue }
    guard !failed else { throw .system("cannot read the file", at: path) }
    if part.isEmpty { return bytes }
    bytes += part
  }
}
