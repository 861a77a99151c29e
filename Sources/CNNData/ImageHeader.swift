import Glibc

/// What the beginning of a PNG or JPEG file says: enough to choose a size before anything is decoded.
struct ImageHeader: Equatable {
  var height, width: Int
  var hasColour: Bool

  /// nil if it cannot be found; decoding the file will say why.
  init?(path: String) {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    let start = Self.read(26, from: file)
    if start.count == 26, start.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self.init(png: start)
    } else if start.starts(with: [0xFF, 0xD8]) {
      self.init(jpeg: file)
    } else {
      return nil
    }
  }

  /// IHDR comes first; bit 1 of its colour type stands for colour.
  private init(png: [UInt8]) {
    (width, height) = (Self.number(png[16..<20]), Self.number(png[20..<24]))
    hasColour = png[25] & 2 != 0
  }

  /// Goes from marker to marker, until the frame's.
  private init?(jpeg file: UnsafeMutablePointer<FILE>) {
    fseek(file, 2, SEEK_SET)
    while true {
      let marker = Self.read(4, from: file)
      guard marker.count == 4, marker[0] == 0xFF else { return nil }
      if marker[1] == 0xFF {  // padding
        fseek(file, -3, SEEK_CUR)
        continue
      }
      if 0xC0...0xCF ~= marker[1], ![0xC4, 0xC8, 0xCC].contains(marker[1]) { break }
      guard fseek(file, max(Self.number(marker[2...]) - 2, 0), SEEK_CUR) == 0 else { return nil }
    }
    let frame = Self.read(6, from: file)
    guard frame.count == 6 else { return nil }
    (height, width) = (Self.number(frame[1..<3]), Self.number(frame[3..<5]))
    hasColour = frame[5] > 1
  }

  private static func read(_ count: Int, from file: UnsafeMutablePointer<FILE>) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, read in read = fread(buffer.baseAddress, 1, count, file) }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }
}
