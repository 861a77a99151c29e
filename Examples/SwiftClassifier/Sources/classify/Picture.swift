import Foundation

/// 8-bit pixels, rows from top to bottom.
struct Picture {
  var width: Int
  var height: Int
  /// 1 grey, 3 RGB.
  var channels: Int
  var pixels: [UInt8]

  struct Unreadable: Error, CustomStringConvertible {
    var description: String
  }

  /// A binary PGM or PPM.
  init(path: String) throws(Unreadable) {
    guard let file = FileManager.default.contents(atPath: path) else { throw Unreadable(description: "cannot be read") }
    var rest = file[...]
    guard rest.popFirst() == UInt8(ascii: "P"), let kind = rest.popFirst(),
      kind == UInt8(ascii: "5") || kind == UInt8(ascii: "6"),
      let width = Self.number(&rest), let height = Self.number(&rest), Self.number(&rest) == 255
    else { throw Unreadable(description: "is not a binary PGM or PPM with 8 bits") }
    channels = kind == UInt8(ascii: "5") ? 1 : 3
    let count = width * height * channels
    guard count > 0, rest.count >= count else { throw Unreadable(description: "ends early") }
    self.width = width
    self.height = height
    pixels = [UInt8](rest.prefix(count))
  }

  /// The next number of the header, after spaces and comments, with the space that ends it; 0 … 65535.
  private static func number(_ rest: inout Data.SubSequence) -> Int? {
    func isSpace(_ byte: UInt8) -> Bool { [9, 10, 13, 32].contains(byte) }
    while let byte = rest.first, isSpace(byte) || byte == UInt8(ascii: "#") {
      if byte == UInt8(ascii: "#") { rest = rest.drop { $0 != 10 } } else { rest = rest.dropFirst() }
    }
    let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    rest = rest.dropFirst(digits.count)
    guard let end = rest.popFirst(), isSpace(end), let number = Int(String(decoding: digits, as: UTF8.self)) else {
      return nil
    }
    return number <= 65535 ? number : nil
  }
}
