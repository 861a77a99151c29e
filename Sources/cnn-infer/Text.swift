import CSystem

/// Text under construction: bytes, because Embedded Swift's `String` would bring Unicode tables to the board.
struct Text {
  private(set) var bytes: [UInt8] = []

  init() {}
  init(_ text: StaticString) { append(text) }
  init(cString: UnsafePointer<CChar>) { append(cString: cString) }
  init<Characters>(characters: Characters) { append(characters: characters) }

  mutating func append(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ text: Text) { bytes.append(contentsOf: text.bytes) }

  mutating func append(byte: UInt8) { bytes.append(byte) }

  mutating func append(cString: UnsafePointer<CChar>) {
    var next = cString
    while next.pointee != 0 {
      bytes.append(UInt8(bitPattern: next.pointee))
      next += 1
    }
  }

  /// The message of an error struct: a C array of characters, NUL-terminated.
  mutating func append<Characters>(characters: Characters) {
    withUnsafeBytes(of: characters) { characters in
      for byte in characters {
        if byte == 0 { break }
        bytes.append(byte)
      }
    }
  }

  mutating func append(_ value: Int) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    let digits = bytes.count
    var rest = value.magnitude
    repeat {
      bytes.insert(UInt8(ascii: "0") + UInt8(rest % 10), at: digits)
      rest /= 10
    } while rest > 0
  }

  /// With `digits` places after the point, at least `width` characters; without `digits`, exactly.
  mutating func append(_ value: Double, digits: Int32 = -1, width: Int = 0) {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 48) { text in
      let count = system_format(text.baseAddress, text.count, value, digits)
      for _ in 0..<max(0, width - count) { bytes.append(UInt8(ascii: " ")) }
      for index in 0..<count { bytes.append(UInt8(bitPattern: text[index])) }
    }
  }

  /// Writes the text to standard output or standard error; false if that failed.
  @discardableResult
  func write(to descriptor: Descriptor) -> Bool {
    bytes.withUnsafeBytes { system_write(descriptor.rawValue, $0.baseAddress, $0.count) == 0 }
  }
}

enum Descriptor: Int32 {
  case output = 1
  case error = 2
}

/// Something that this program tells its user on standard error, ending in exit code 1.
struct Failure: Error {
  var text: Text

  init(_ text: Text) { self.text = text }
  init(_ text: StaticString) { self.text = Text(text) }
}

func equal(_ text: UnsafePointer<CChar>, _ other: StaticString) -> Bool {
  for index in 0..<other.utf8CodeUnitCount
  where UInt8(bitPattern: text[index]) != other.utf8Start[index] { return false }
  return text[other.utf8CodeUnitCount] == 0
}
