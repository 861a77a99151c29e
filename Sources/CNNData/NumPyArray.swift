import CNNSupport

/// An array in NumPy's format (numpy.lib.format, versions 1 to 3): a magic, the version, the length of the header, the
/// header as a Python dictionary, then the elements.
struct NumPyArray {
  enum Element: String, CaseIterable {
    case uint8 = "|u1"
    case int8 = "|i1"
    case uint16 = "<u2"
    case int16 = "<i2"
    case uint32 = "<u4"
    case int32 = "<i4"
    case uint64 = "<u8"
    case int64 = "<i8"
    case float32 = "<f4"
    case float64 = "<f8"

    var size: Int { rawValue.utf8.last.map { Int($0) - 48 }! }
  }

  let shape: [Int]
  let element: Element
  /// Row-major, little-endian.
  let bytes: [UInt8]

  /// - Parameters:
  ///   - place: for errors.
  ///   - limit: the most bytes of elements that are accepted.
  ///   - read: gives the next bytes, as many as are asked for or fewer at the end.
  init(
    place: String, limit: Int = IDXFile.defaultLimit, read: (_ count: Int) throws(CNNError) -> [UInt8]
  ) throws(CNNError) {
    let header = try NumPyHeader(place: place, read: read)
    (shape, element) = (header.shape, header.element)
    let count = try Self.byteCount(header, limit, place)
    bytes = try read(count)
    guard bytes.count == count else {
      throw CNNError("cut short: the header promises \(count) bytes, \(bytes.count) are there", at: place)
    }
    guard try read(1).isEmpty else {
      throw CNNError("longer than the \(count) bytes that its header promises", at: place)
    }
  }

  private static func byteCount(_ header: NumPyHeader, _ limit: Int, _ place: String) throws(CNNError) -> Int {
    var count = header.element.size
    for size in header.shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= limit else {
        let sizes = header.shape.map(String.init).joined(separator: "×")
        throw CNNError(
          "declares \(sizes) elements of \(header.element.size) bytes, more than the limit of \(limit) bytes", at: place
        )
      }
      count = product
    }
    return count
  }

  var count: Int { bytes.count / element.size }

  /// The elements as they are in memory.
  func elements<T: BitwiseCopyable>(_: T.Type) -> [T] {
    [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      UnsafeMutableRawBufferPointer(buffer).copyBytes(from: bytes)
      initialized = count
    }
  }
}

/// The dictionary before the elements: {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
private struct NumPyHeader {
  let shape: [Int]
  let element: NumPyArray.Element

  /// NumPy itself refuses more than 10,000 unless told otherwise.
  private static let mostBytes = 1 << 16

  init(place: String, read: (_ count: Int) throws(CNNError) -> [UInt8]) throws(CNNError) {
    let start = try read(8)
    guard start.count == 8, start.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw CNNError("not a NumPy array: it does not begin with \\x93NUMPY", at: place)
    }
    guard 1...3 ~= start[6] else {
      throw CNNError("has version \(start[6]).\(start[7]) of NumPy's format; 1 to 3 are read", at: place)
    }
    let lengthBytes = try read(start[6] == 1 ? 2 : 4)
    let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= Self.mostBytes else { throw CNNError("has a header of \(length) bytes", at: place) }
    let text = try read(length)
    guard lengthBytes.count == (start[6] == 1 ? 2 : 4), text.count == length else {
      throw CNNError("cut short inside its header", at: place)
    }
    do { try self.init(text: String(decoding: text, as: UTF8.self)) } catch {
      throw CNNError(error.what, at: place, advice: error.advice)
    }
  }

  private init(text: String) throws(CNNError) {
    func value(_ key: String) throws(CNNError) -> Substring {
      guard let colon = text.firstRange(of: "'\(key)':") else { throw CNNError("its header has no '\(key)'") }
      return text[colon.upperBound...].drop { $0 == " " }
    }
    let description = try value("descr")
    guard description.first == "'" else {
      throw CNNError("has elements with several fields", advice: "save an array of numbers")
    }
    let type = description.dropFirst().prefix { $0 != "'" }
    guard let element = NumPyArray.Element(rawValue: String(type)) else { throw Self.wrongType(type) }
    self.element = element
    shape = try Self.shape(try value("shape"))
    let order = try value("fortran_order")
    guard order.hasPrefix("False") || shape.count < 2 else {
      throw CNNError("is in Fortran's order", advice: "save numpy.ascontiguousarray(array)")
    }
  }

  private static func wrongType(_ type: Substring) -> CNNError {
    let readable = NumPyArray.Element.allCases.map(\.rawValue).joined(separator: " ")
    let advice =
      type.first == ">"
      ? "save array.astype('<\(type.dropFirst())')" : "save it with array.astype, for example as uint8 or float32"
    return CNNError("has elements of type '\(type)'; read are \(readable)", advice: advice)
  }

  /// "(60000, 28, 28)", "(60000,)", "()"
  private static func shape(_ text: Substring) throws(CNNError) -> [Int] {
    guard text.first == "(", let end = text.firstIndex(of: ")") else { throw CNNError("its header has no shape") }
    let parts = text[text.index(after: text.startIndex)..<end].split(separator: ",").map { $0.filter { $0 != " " } }
      .filter { !$0.isEmpty }
    let sizes = parts.compactMap { Int($0) }
    guard sizes.count == parts.count, sizes.allSatisfy({ $0 >= 0 }), sizes.count <= 32 else {
      throw CNNError("its header has the shape \(text[...end])")
    }
    return sizes
  }
}
