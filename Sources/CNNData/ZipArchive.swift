import CNNSupport
import CZlib
import Glibc

/// Reads the files in a zip archive (PKWARE's APPNOTE 6.3), stored or deflated, as `numpy.savez` and
/// `numpy.savez_compressed` write them. No archives of several parts, none encrypted, none over 4 GB.
final class ZipArchive {
  struct Entry {
    var name: String
    var method, crc: UInt32
    var compressedSize, size, offset: Int
  }

  let path: String
  private(set) var entries: [Entry] = []
  private let file: Int32
  private let fileSize: Int

  init(path: String) throws(CNNError) {
    self.path = path
    file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      fileSize = 0
      throw .system("cannot be opened", at: path)
    }
    var status = stat()
    fileSize = fstat(file, &status) == 0 ? Int(status.st_size) : 0
    entries = try readDirectory()
  }

  deinit { if file >= 0 { close(file) } }

  // MARK: The directory

  /// The record at the end, behind which there may be a comment of up to 65,535 bytes.
  private func readDirectory() throws(CNNError) -> [Entry] {
    let recordBytes = 22
    let tailStart = max(0, fileSize - recordBytes - 65_535)
    let tail = try bytes(at: tailStart, fileSize - tailStart)
    let starts = stride(from: tail.count - recordBytes, through: 0, by: -1)
    guard let at = starts.first(where: { number(tail, $0, 4) == 0x0605_4B50 }) else {
      throw CNNError("not a zip archive, or cut short", at: path, advice: "fetch the file again")
    }
    let (count, size, offset) = (number(tail, at + 10, 2), number(tail, at + 12, 4), number(tail, at + 16, 4))
    guard offset != 0xFFFF_FFFF, count != 0xFFFF else {
      throw CNNError("is larger than 4 GB", at: path, advice: "save each array as .npy, all in one folder")
    }
    guard offset + size <= tailStart + at else { throw damaged("its directory") }
    return try entries(in: try bytes(at: offset, size), count: count)
  }

  private func entries(in directory: [UInt8], count: Int) throws(CNNError) -> [Entry] {
    var entries: [Entry] = []
    var at = 0
    for _ in 0..<count {
      guard at + 46 <= directory.count, number(directory, at, 4) == 0x0201_4B50 else { throw damaged("its directory") }
      let (nameBytes, extraBytes) = (number(directory, at + 28, 2), number(directory, at + 30, 2))
      let end = at + 46 + nameBytes + extraBytes + number(directory, at + 32, 2)
      guard end <= directory.count else { throw damaged("its directory") }
      let name = String(decoding: directory[at + 46..<at + 46 + nameBytes], as: UTF8.self)
      guard number(directory, at + 8, 2) & 1 == 0 else { throw CNNError("is encrypted", at: place(name)) }
      let entry = Entry(
        name: name, method: UInt32(number(directory, at + 10, 2)), crc: UInt32(number(directory, at + 16, 4)),
        compressedSize: number(directory, at + 20, 4), size: number(directory, at + 24, 4),
        offset: number(directory, at + 42, 4))
      guard ![entry.compressedSize, entry.size, entry.offset].contains(0xFFFF_FFFF) else {
        throw CNNError("is larger than 4 GB", at: place(name), advice: "save it as .npy")
      }
      entries.append(entry)
      at = end
    }
    return entries
  }

  func place(_ name: String) -> String { "\(path), \(name)" }

  private func damaged(_ what: String) -> CNNError {
    CNNError("\(what) is damaged", at: path, advice: "fetch the file again")
  }

  private func number(_ bytes: [UInt8], _ at: Int, _ count: Int) -> Int {
    bytes[at..<at + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// - Throws: `CNNError` if they are not all there.
  fileprivate func bytes(at offset: Int, _ count: Int) throws(CNNError) -> [UInt8] {
    var read = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while read < count {
        let got = pread(file, buffer.baseAddress! + read, count - read, off_t(offset + read))
        if got < 0 && errno == EINTR { continue }
        if got <= 0 { break }
        read += got
      }
      initialized = read
    }
    guard read == count else { throw damaged("it is cut short, or") }
    return bytes
  }

  // MARK: Files

  /// Calls `body` with a function that gives an entry's next bytes, as many as are asked for or fewer at the end. What
  /// `body` does not ask for is not read, but what it reads to the end is checked.
  func read<Result>(
    _ entry: Entry, _ body: ((_ count: Int) throws(CNNError) -> [UInt8]) throws(CNNError) -> Result
  ) throws(CNNError) -> Result {
    guard entry.method == 0 || entry.method == 8 else {
      throw CNNError(
        "is packed by method \(entry.method); stored and deflated ones are read", at: place(entry.name),
        advice: "save it with numpy.savez_compressed")
    }
    guard entry.offset + 30 <= fileSize else { throw damaged("its directory") }
    let header = try bytes(at: entry.offset, 30)
    guard number(header, 0, 4) == 0x0403_4B50 else { throw damaged("its directory") }
    let start = entry.offset + 30 + number(header, 26, 2) + number(header, 28, 2)
    guard start + entry.compressedSize <= fileSize else { throw damaged("its directory") }
    let stream = ZipStream(self, entry, start: start)
    return try body(stream.read)
  }
}

/// The bytes of one file in an archive, from its beginning.
private final class ZipStream {
  private let archive: ZipArchive
  private let entry: ZipArchive.Entry
  private var next: Int
  private let end: Int
  /// In a place of its own: zlib keeps a pointer to it.
  private let inflater: UnsafeMutablePointer<z_stream>
  private var input: [UInt8] = []
  private var isDone = false
  private var crc: UInt32 = 0
  private var count = 0

  init(_ archive: ZipArchive, _ entry: ZipArchive.Entry, start: Int) {
    (self.archive, self.entry, next, end) = (archive, entry, start, start + entry.compressedSize)
    inflater = .allocate(capacity: 1)
    inflater.initialize(to: z_stream())
    // Without zlib's own header: negative bits.
    inflateInit2_(inflater, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
  }

  deinit {
    inflateEnd(inflater)
    inflater.deallocate()
  }

  /// Memory grows with what the file really holds.
  func read(_ count: Int) throws(CNNError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count && !isDone {
      let chunk =
        try entry.method == 8 ? inflate(min(count - bytes.count, 1 << 22)) : copy(min(count - bytes.count, 1 << 22))
      crc = UInt32(chunk.withUnsafeBytes { crc32_z(uLong(crc), $0.baseAddress, $0.count) })
      self.count += chunk.count
      bytes += chunk
      if isDone { try check() }
    }
    return bytes
  }

  private func check() throws(CNNError) {
    guard count == entry.size, crc == entry.crc else {
      throw damaged("its checksum is not that of the archive's directory")
    }
  }

  private func damaged(_ what: String) -> CNNError {
    CNNError("is damaged: \(what)", at: archive.place(entry.name), advice: "fetch the file again")
  }

  private func copy(_ most: Int) throws(CNNError) -> [UInt8] {
    let bytes = try archive.bytes(at: next, min(most, end - next))
    next += bytes.count
    isDone = bytes.isEmpty
    return bytes
  }

  private func inflate(_ most: Int) throws(CNNError) -> [UInt8] {
    var status = Z_OK
    if inflater.pointee.avail_in == 0 && next < end {
      input = try archive.bytes(at: next, min(1 << 17, end - next))
      next += input.count
      inflater.pointee.avail_in = UInt32(input.count)
    }
    let consumed = input.count - Int(inflater.pointee.avail_in)
    let bytes = [UInt8](unsafeUninitializedCapacity: most) { buffer, initialized in
      input.withUnsafeMutableBufferPointer { input in
        inflater.pointee.next_in = input.baseAddress.map { $0 + consumed }
        inflater.pointee.next_out = buffer.baseAddress
        inflater.pointee.avail_out = UInt32(most)
        status = CZlib.inflate(inflater, Z_NO_FLUSH)
      }
      initialized = most - Int(inflater.pointee.avail_out)
    }
    switch status {
    case Z_OK where bytes.isEmpty && next == end && inflater.pointee.avail_in == 0, Z_BUF_ERROR where next == end:
      throw damaged("the data end too early")
    case Z_OK, Z_BUF_ERROR: break
    case Z_STREAM_END: isDone = true
    default: throw damaged(inflater.pointee.msg.map { String(cString: $0) } ?? "zlib error \(status)")
    }
    return bytes
  }
}
