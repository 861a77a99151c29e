import CImages
import Foundation

/// 8-bit pixels, interleaved: what a decoder makes of a file.
struct DecodedImage: Equatable {
  var width: Int, height: Int, channels: Int
  var bytes: [UInt8]

  subscript(x: Int, y: Int, channel: Int) -> Int { Int(bytes[(y * width + x) * channels + channel]) }

  init(width: Int, height: Int, channels: Int, _ value: (Int, Int, Int) -> Int) {
    (self.width, self.height, self.channels) = (width, height, channels)
    bytes = []
    bytes.reserveCapacity(width * height * channels)
    for y in 0..<height {
      for x in 0..<width { for channel in 0..<channels { bytes.append(UInt8(value(x, y, channel))) } }
    }
  }

  /// What is wrong with a file, in CImages' words.
  struct Failure: Error { var message: String }

  init(_ data: Data, maxPixels: UInt64 = 1_000_000) throws {
    var pixels = images_pixels()
    var error = images_error()
    let failed = data.withUnsafeBytes {
      images_decode($0.bindMemory(to: UInt8.self).baseAddress, $0.count, maxPixels, &pixels, &error)
    }
    if failed != 0 {
      precondition(pixels.bytes == nil, "pixels beside an error")
      throw Failure(
        message: withUnsafeBytes(of: error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    defer { images_free(&pixels) }
    (width, height, channels) = (Int(pixels.width), Int(pixels.height), Int(pixels.channels))
    bytes = Array(UnsafeBufferPointer(start: pixels.bytes, count: width * height * channels))
  }

  /// The largest difference of any byte; nil if the shapes differ.
  func difference(from other: DecodedImage) -> Int? {
    guard (width, height, channels) == (other.width, other.height, other.channels) else { return nil }
    return zip(bytes, other.bytes).map { abs(Int($0) - Int($1)) }.max()
  }
}

/// Files of Tests/Samples.
enum Samples {
  static func folder(_ name: String) -> URL { Tool.projectRoot.appending(path: "Tests/Samples").appending(path: name) }

  static func data(_ folder: String, _ name: String) throws -> Data {
    try Data(contentsOf: self.folder(folder).appending(path: name))
  }

  /// The names of a folder's files that end in `suffix`, sorted. Never none: a test over them would pass without testing.
  static func names(_ folder: String, _ suffix: String = "") -> [String] {
    let names = try! FileManager.default.contentsOfDirectory(atPath: self.folder(folder).path).sorted()
    let found = names.filter { $0.hasSuffix(suffix) }
    precondition(!found.isEmpty, "no \(suffix) in \(folder)")
    return found
  }
}

// MARK: PNG

/// A PNG as its chunks: written without libpng and without compression, or taken apart to be damaged.
struct PNGFile {
  struct Chunk {
    var type: String
    var bytes: [UInt8]
    /// Xored with the right checksum.
    var wrongCRC: UInt32 = 0

    var data: Data {
      let body = Array(type.utf8) + bytes
      return Data(bigEndian(UInt32(bytes.count)) + body + bigEndian(crc32(body) ^ wrongCRC))
    }
  }

  enum ColourType: Int, CaseIterable {
    case grey = 0, rgb = 2, palette = 3, greyAlpha = 4, rgba = 6

    var samples: Int { [.grey: 1, .rgb: 3, .palette: 1, .greyAlpha: 2, .rgba: 4][self]! }
    var depths: [Int] { [.grey: [1, 2, 4, 8, 16], .palette: [1, 2, 4, 8]][self] ?? [8, 16] }
  }

  static let signature = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])

  var chunks: [Chunk]
  var data: Data { chunks.reduce(Self.signature) { $0 + $1.data } }

  /// Takes a file apart.
  init(_ data: Data) {
    chunks = []
    var rest = Array(data.dropFirst(8))
    while rest.count >= 12 {
      let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      chunks.append(
        Chunk(type: String(decoding: rest[4..<8], as: UTF8.self), bytes: Array(rest[8..<(8 + count)])))
      rest.removeFirst(12 + count)
    }
  }

  /// - Parameters:
  ///   - between: chunks between IHDR and IDAT: PLTE, tRNS
  ///   - sample: the value at x, y, channel, below 2^depth
  init(
    width: Int, height: Int, depth: Int, colourType: ColourType, interlaced: Bool = false, between: [Chunk] = [],
    sample: (Int, Int, Int) -> Int
  ) {
    var rows: [UInt8] = []
    for pass in interlaced ? Self.adam7 : [(0, 0, 1, 1)] {
      let columns = Array(stride(from: pass.x, to: width, by: pass.dx))
      if columns.isEmpty { continue }
      for y in stride(from: pass.y, to: height, by: pass.dy) {
        rows.append(0)  // not filtered
        let samples = columns.flatMap { x in (0..<colourType.samples).map { sample(x, y, $0) } }
        rows += Self.packed(samples, depth: depth)
      }
    }
    chunks =
      [Self.header(width: width, height: height, depth: depth, colourType: colourType, interlaced: interlaced)]
      + between + [Chunk(type: "IDAT", bytes: Self.stored(rows)), Chunk(type: "IEND", bytes: [])]
  }

  /// 8-bit grey, grey and alpha, RGB or RGBA.
  init(_ image: DecodedImage) {
    let type = [1: ColourType.grey, 2: .greyAlpha, 3: .rgb, 4: .rgba][image.channels]!
    self.init(width: image.width, height: image.height, depth: 8, colourType: type) { image[$0, $1, $2] }
  }

  static func header(
    width: Int, height: Int, depth: Int = 8, colourType: ColourType = .grey, interlaced: Bool = false
  ) -> Chunk {
    let sizes = bigEndian(UInt32(width)) + bigEndian(UInt32(height))
    return Chunk(type: "IHDR", bytes: sizes + [UInt8(depth), UInt8(colourType.rawValue), 0, 0, interlaced ? 1 : 0])
  }

  /// Where the seven passes begin, and their steps (PNG specification, 8.2).
  private static let adam7: [(x: Int, y: Int, dx: Int, dy: Int)] = [
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
  ]

  /// Samples of `depth` bits, the leftmost in the highest bits, to whole bytes.
  private static func packed(_ samples: [Int], depth: Int) -> [UInt8] {
    if depth == 16 { return samples.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } }
    let perByte = 8 / depth
    return stride(from: 0, to: samples.count, by: perByte).map { first in
      (0..<perByte).reduce(0) { byte, index in
        let sample = first + index < samples.count ? samples[first + index] : 0
        return byte << depth | UInt8(sample)
      }
    }
  }

  /// A zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4).
  static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var stream: [UInt8] = [0x78, 0x01]
    for start in stride(from: 0, to: max(1, bytes.count), by: 65535) {
      let block = bytes[start..<min(start + 65535, bytes.count)]
      let (low, high) = (UInt8(block.count & 255), UInt8(block.count >> 8))
      stream += [start + block.count == bytes.count ? 1 : 0, low, high, ~low, ~high] + block
    }
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    return stream + bigEndian(b << 16 | a)
  }
}

func bigEndian(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

/// The checksum of PNG (ISO 3309), a bit at a time.
func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc: UInt32 = 0xFFFF_FFFF
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
  }
  return ~crc
}

// MARK: JPEG

/// A JPEG as its segments before the first scan, and all the rest.
struct JPEGFile {
  struct Segment {
    var marker: UInt8
    var bytes: [UInt8]
  }

  static let exifMarker: UInt8 = 0xE1

  var segments: [Segment] = []
  /// From the first SOS marker on.
  var scans: [UInt8]

  init(_ data: Data) {
    let bytes = Array(data)
    var position = 2
    while bytes[position + 1] != 0xDA {
      let count = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      segments.append(
        Segment(marker: bytes[position + 1], bytes: Array(bytes[(position + 4)..<(position + 2 + count)])))
      position += 2 + count
    }
    scans = Array(bytes[position...])
  }

  var data: Data {
    segments.reduce(Data([0xFF, 0xD8])) { data, segment in
      let count = segment.bytes.count + 2
      return data + [0xFF, segment.marker, UInt8(count >> 8), UInt8(count & 255)] + segment.bytes
    } + scans
  }

  /// With the segment behind the SOI marker, before all others.
  func with(_ marker: UInt8, _ bytes: [UInt8]) -> JPEGFile {
    var file = self
    file.segments.insert(Segment(marker: marker, bytes: bytes), at: 0)
    return file
  }

  /// Baseline, extended or progressive.
  var frame: Int { segments.firstIndex { (0xC0...0xC2).contains($0.marker) }! }

  mutating func setSize(width: Int, height: Int) {
    segments[frame].bytes.replaceSubrange(
      1..<5, with: [UInt8(height >> 8), UInt8(height & 255), UInt8(width >> 8), UInt8(width & 255)])
  }
}

/// What a camera writes into the APP1 segment; or nearly.
struct Exif {
  var orientation = 1
  var bigEndian = false
  /// 3: SHORT.
  var type = 3
  var count = 1
  /// Entries with other tags before this one.
  var entriesBefore = 0
  var directory = 8
  /// What the directory says it holds, beyond what it does.
  var entriesMissing = 0

  var bytes: [UInt8] {
    func number(_ value: Int, _ count: Int) -> [UInt8] {
      let little = (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      return bigEndian ? little.reversed() : little
    }
    var bytes = Array("Exif\0\0".utf8) + Array(bigEndian ? "MM\0*".utf8 : "II*\0".utf8) + number(directory, 4)
    bytes += [UInt8](repeating: 0x12, count: directory - 8) + number(entriesBefore + 1 + entriesMissing, 2)
    for tag in 0..<entriesBefore { bytes += number(0x100 + tag, 2) + number(4, 2) + number(1, 4) + number(7, 4) }
    bytes += number(0x0112, 2) + number(type, 2) + number(count, 4)
    bytes += type == 4 ? number(orientation, 4) : number(orientation, 2) + [0, 0]
    return bytes + number(0, 4)
  }
}

extension DecodedImage {
  /// Upright, from what a camera held in the way `orientation` stored: TIFF 6.0 says where its first row and first column are seen.
  func turned(_ orientation: Int) -> DecodedImage {
    let swaps = orientation > 4
    return DecodedImage(width: swaps ? height : width, height: swaps ? width : height, channels: channels) { x, y, c in
      let (right, bottom) = (width - 1, height - 1)
      return switch orientation {
      case 2: self[right - x, y, c]  // row at the top, column at the right
      case 3: self[right - x, bottom - y, c]  // bottom, right
      case 4: self[x, bottom - y, c]  // bottom, left
      case 5: self[y, x, c]  // left, top
      case 6: self[y, bottom - x, c]  // right, top
      case 7: self[right - y, bottom - x, c]  // right, bottom
      case 8: self[right - y, x, c]  // left, bottom
      default: self[x, y, c]
      }
    }
  }
}
