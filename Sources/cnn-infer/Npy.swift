import CSystem

/// A float32 array from a NumPy file (format versions 1 to 3, little-endian, C order).
/// The format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
struct NpyArray: ~Copyable {
  let shape: [Int]
  private let file: system_file
  private let dataOffset: Int

  private static var maxBytes: Int { 1 << 30 }

  init(path: UnsafePointer<CChar>) throws(Failure) {
    var file = system_file()
    var error = system_error()
    let failed =
      isStandardInput(path)
      ? system_read_stream(0, Self.maxBytes, &file, &error) : system_read_file(path, Self.maxBytes, &file, &error)
    if failed != 0 { throw Failure(Text(characters: error.message)) }
    do throws(Failure) {
      (shape, dataOffset) = try NpyHeader.read(UnsafeRawBufferPointer(start: file.bytes, count: file.count))
    } catch {
      system_free(file.bytes)
      throw error
    }
    self.file = file
  }

  deinit { system_free(file.bytes) }

  /// Copies `count` values from the `first` on: in the file they may not be aligned.
  func copy(from first: Int, count: Int, to values: UnsafeMutablePointer<Float>) {
    let source = UnsafeRawPointer(file.bytes!) + dataOffset + first * 4
    UnsafeMutableRawPointer(values).copyMemory(from: source, byteCount: count * 4)
  }

  /// Writes a file of version 1 with its data at a multiple of 64 bytes, as NumPy does.
  static func write(
    _ values: UnsafePointer<Float>, shape: [Int], to path: UnsafePointer<CChar>
  ) throws(Failure) {
    var dictionary = Text("{'descr': '<f4', 'fortran_order': False, 'shape': (")
    var count = 1
    for size in shape {
      dictionary.append(size)
      dictionary.append(shape.count == 1 ? "," : ", ")
      count *= size
    }
    dictionary.append("), }")
    while (10 + dictionary.bytes.count + 1) % 64 != 0 { dictionary.append(" ") }
    dictionary.append("\n")

    var head = Text()
    for byte in NpyHeader.magic { head.append(byte: byte) }
    head.append(byte: 1)
    head.append(byte: 0)
    head.append(byte: UInt8(dictionary.bytes.count & 255))
    head.append(byte: UInt8(dictionary.bytes.count >> 8))
    head.append(dictionary)

    var error = system_error()
    let failed = head.bytes.withUnsafeBytes {
      system_write_file(path, $0.baseAddress, $0.count, values, count * 4, &error)
    }
    if failed != 0 {
      var text = Text(cString: path)
      text.append(": ")
      text.append(characters: error.message)
      throw Failure(text)
    }
  }
}

/// Reads a header: a Python dictionary with 'descr', 'fortran_order' and 'shape' in any order.
private struct NpyHeader {
  /// "\x93NUMPY"
  static var magic: [UInt8] { [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59] }

  private let bytes: UnsafeRawBufferPointer
  private var position: Int

  /// The shape and where the data begins. The data is exactly as large as the shape says.
  static func read(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> (shape: [Int], dataOffset: Int) {
    guard bytes.count >= 12 else { throw Failure("is not a .npy file") }
    for (index, byte) in magic.enumerated() where bytes[index] != byte { throw Failure("is not a .npy file") }
    guard (1...3).contains(bytes[6]) else { throw Failure("is a .npy file of an unknown version") }
    var start = 10
    var headerBytes = Int(bytes[8]) | Int(bytes[9]) << 8
    if bytes[6] > 1 {
      start = 12
      guard bytes[11] == 0 else { throw Failure("is a .npy file with a damaged header") }
      headerBytes |= Int(bytes[10]) << 16
    }
    guard headerBytes <= bytes.count - start else { throw Failure("is a .npy file that ends early") }
    let end = start + headerBytes
    var header = NpyHeader(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<end]), position: start)
    let shape = try header.dictionary()
    try check(shape, dataBytes: bytes.count - end)
    return (shape, end)
  }

  private static func check(_ shape: [Int], dataBytes: Int) throws(Failure) {
    var needed = 4
    for size in shape {
      let (product, overflow) = needed.multipliedReportingOverflow(by: size)
      if overflow { throw Failure("is a .npy file with a shape too large for any machine") }
      needed = product
    }
    if needed > dataBytes { throw Failure("is a .npy file that ends early: it has less data than its shape says") }
    if needed < dataBytes { throw Failure("is a .npy file with more data than its shape says") }
  }

  private mutating func dictionary() throws(Failure) -> [Int] {
    var shape: [Int]?
    var isFloat = false
    var isRowMajor = false
    try expect("{")
    while !accept("}") {
      let key = try word()
      try expect(":")
      if key.is("descr") {
        isFloat = try word().is("<f4")
        if !isFloat { throw Failure("is not of type float32, little-endian: save it with .astype('<f4')") }
      } else if key.is("fortran_order") {
        isRowMajor = try word().is("False")
        if !isRowMajor { throw Failure("is not in C order: save it with numpy.ascontiguousarray") }
      } else if key.is("shape") {
        shape = try tuple()
      } else {
        throw damaged
      }
      if !accept(",") {
        try expect("}")
        break
      }
    }
    guard let shape, isFloat, isRowMajor else { throw damaged }
    return shape
  }

  /// `(1, 28)`, `(3,)`, `()`
  private mutating func tuple() throws(Failure) -> [Int] {
    var numbers: [Int] = []
    try expect("(")
    while !accept(")") {
      numbers.append(try number())
      if !accept(",") {
        try expect(")")
        break
      }
    }
    return numbers
  }

  private mutating func number() throws(Failure) -> Int {
    skipSpaces()
    let start = position
    var value = 0
    while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
      guard value < 1 << 24 else { throw Failure("is a .npy file with a shape too large for any network") }
      value = value * 10 + Int(bytes[position] - UInt8(ascii: "0"))
      position += 1
    }
    if position == start { throw damaged }
    return value
  }

  /// The inside of a quoted string, or a bare word such as False.
  private mutating func word() throws(Failure) -> Word {
    skipSpaces()
    guard position < bytes.count else { throw damaged }
    let quote = bytes[position]
    if quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") {
      let start = position + 1
      position = start
      while position < bytes.count && bytes[position] != quote { position += 1 }
      guard position < bytes.count else { throw damaged }
      position += 1
      return Word(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<(position - 1)]))
    }
    let start = position
    while position < bytes.count, isLetter(bytes[position]) { position += 1 }
    return Word(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
  }

  private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  private mutating func skipSpaces() {
    while position < bytes.count, bytes[position] == UInt8(ascii: " ") || bytes[position] == UInt8(ascii: "\n") {
      position += 1
    }
  }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpaces()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    if !accept(character) { throw damaged }
  }

  private var damaged: Failure { Failure("is a .npy file with a damaged header") }
}

private struct Word {
  let bytes: UnsafeRawBufferPointer

  func `is`(_ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<bytes.count where bytes[index] != text.utf8Start[index] { return false }
    return true
  }
}
