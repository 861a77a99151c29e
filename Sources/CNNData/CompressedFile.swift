import CZlib
import Glibc

/// A file that is read from its beginning, inflated on the way if it is gzipped.
struct CompressedFile: ~Copyable {
  let path: String
  private let file: gzFile

  init(path: String) throws(DataError) {
    // gzip or plain: zlib looks at the first bytes and passes plain ones through.
    errno = 0
    guard let file = gzopen(path, "rb") else {
      throw DataError("\(path): cannot be opened: \(errno == 0 ? "out of memory" : String(cString: strerror(errno)))")
    }
    self.path = path
    self.file = file
    gzbuffer(file, 1 << 17)
  }

  deinit { gzclose(file) }

  /// The next bytes, `count` of them or as many as there are. Memory grows with what the file really holds, so that a
  /// header's lie about its size costs nothing.
  func read(upTo count: Int) throws(DataError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let chunk = try readChunk(min(count - bytes.count, 1 << 22))
      if chunk.isEmpty { break }
      bytes.append(contentsOf: chunk)
    }
    return bytes
  }

  private func readChunk(_ count: Int) throws(DataError) -> [UInt8] {
    var result: Int32 = 0
    let chunk = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      result = gzread(file, buffer.baseAddress, UInt32(count))
      initialized = max(0, Int(result))
    }
    var status: Int32 = Z_OK
    let message = gzerror(file, &status)
    switch status {
    case Z_OK, Z_STREAM_END: return chunk
    case Z_BUF_ERROR: throw DataError("\(path): the gzip stream ends too early: the file is cut short, fetch it again")
    case Z_ERRNO: throw DataError("\(path): cannot be read: \(String(cString: strerror(errno)))")
    default:
      throw DataError(
        "\(path): the gzip stream is damaged (\(message.map { String(cString: $0) } ?? "")): fetch it again")
    }
  }
}
