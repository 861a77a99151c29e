import CNNSupport
import CZlib
import Glibc

/// A file that is read from its beginning, inflated on the way if it is gzipped.
struct CompressedFile: ~Copyable {
  let path: String
  private let file: gzFile

  init(path: String) throws(CNNError) {
    // gzip or plain: zlib looks at the first bytes and passes plain ones through.
    errno = ENOMEM
    guard let file = gzopen(path, "rb") else { throw .system("cannot be opened", at: path) }
    self.path = path
    self.file = file
    gzbuffer(file, 1 << 17)
  }

  deinit { gzclose(file) }

  /// The next bytes, `count` of them or as many as there are. Memory grows with what the file really holds, so that a
  /// header's lie about its size costs nothing.
  func read(upTo count: Int) throws(CNNError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let chunk = try readChunk(min(count - bytes.count, 1 << 22))
      if chunk.isEmpty { break }
      bytes.append(contentsOf: chunk)
    }
    return bytes
  }

  private func readChunk(_ count: Int) throws(CNNError) -> [UInt8] {
    let chunk = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = max(0, Int(gzread(file, buffer.baseAddress, UInt32(count))))
    }
    var status: Int32 = Z_OK
    let message = gzerror(file, &status).map { String(cString: $0) } ?? ""
    switch status {
    case Z_OK, Z_STREAM_END: return chunk
    case Z_ERRNO: throw .system("cannot be read", at: path)
    case Z_BUF_ERROR: throw CNNError("the gzip stream ends too early", at: path, advice: "fetch the file again")
    default: throw CNNError("the gzip stream is damaged (\(message))", at: path, advice: "fetch the file again")
    }
  }
}
