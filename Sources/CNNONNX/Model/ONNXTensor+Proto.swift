import CNNSupport
internal import SwiftProtobuf

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension ONNXTensor {
  /// Reads a file that holds one tensor, as the test vectors of ONNX do.
  package init(protobuf bytes: [UInt8]) throws(CNNError) {
    guard let message = try? Onnx_TensorProto(serializedBytes: bytes) else {
      throw CNNError("the file is not a tensor of ONNX, or it is damaged")
    }
    try self.init(message, folder: nil)
  }

  /// The bytes of a TensorProto, as `init(protobuf:)` reads them.
  package func bytes() -> [UInt8] {
    (try? message(name: "").serializedBytes()) ?? []
  }

  /// - Parameter folder: where external data is, nil if there may be none.
  init(_ message: Onnx_TensorProto, folder: String?) throws(CNNError) {
    guard let type = ONNXType(rawValue: message.dataType) else {
      throw CNNError(
        "its element type \(message.dataType) is not supported", advice: "use float, integers of 8 to 64 bits or bool")
    }
    let shape = message.dims.map { Int($0) }
    let count = try elementCount(shape)
    self.init(type.held, shape: shape, integers: [])
    values =
      message.dataLocation == .external
      ? try type.values(raw: try ExternalData(message.externalData).read(type.bytes(count), in: folder))
      : message.rawData.isEmpty ? try message.typedValues(type) : try type.values(raw: message.rawData)
    if (1..<8).contains(type.bits) { values.cut(to: count, filling: 8 / type.bits) }
    guard self.count == count else {
      throw CNNError("its shape \(shape) has \(count) elements, but the file holds \(self.count)")
    }
  }

  /// As a message: the elements as raw data, strings apart. Floats of at most eight bits become float.
  func message(name: String) -> Onnx_TensorProto {
    var message = Onnx_TensorProto()
    message.name = name
    message.dims = shape.map { Int64($0) }
    let type = type.minifloat == nil ? type : .float
    message.dataType = type.rawValue
    switch values {
    case .floats(let a): message.rawData = type.raw(floats: a)
    case .integers(let a): message.rawData = type.raw(integers: a)
    case .strings(let a): message.stringData = a.map { Data($0.utf8) }
    }
    return message
  }
}

/// The number of elements of a shape.
/// - Throws: for a negative size, or sizes of which the product (without those of 0) is beyond 2⁴⁰, or 2²⁸ for a tensor
///   without elements: nothing computed from the sizes of a tensor overflows, no loop over some of them is endless.
func elementCount(_ shape: [Int]) throws(CNNError) -> Int {
  var product = 1
  for size in shape {
    guard size >= 0 else { throw CNNError("its shape \(shape) has a negative size") }
    let (next, overflow) = product.multipliedReportingOverflow(by: max(size, 1))
    guard !overflow && next <= 1 << 40 else { throw CNNError("its shape \(shape) has too many elements") }
    product = next
  }
  guard shape.contains(0) else { return product }
  guard product <= Folding.limit else { throw CNNError("its shape \(shape) is too large") }
  return 0
}

extension ONNXType {
  /// The type in which elements are held: float for all kinds of floats but those of at most eight bits, whose elements
  /// are floats too, and whose name keeps anybody from computing with them as if they were.
  package var held: ONNXType { isFloat && minifloat == nil ? .float : self }

  /// Of an element in `raw_data`; those of less than 8 lie in a byte from the lowest bit on. 0 for strings, which are never
  /// there.
  var bits: Int {
    switch self {
    case .uint2, .int2: 2
    case .uint4, .int4, .float4e2m1: 4
    case .uint8, .int8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
    case .uint16, .int16, .float16, .bfloat16: 16
    case .float, .int32, .uint32: 32
    case .int64, .uint64, .double: 64
    case .string: 0
    }
  }

  /// What so many elements take in `raw_data`.
  func bytes(_ count: Int) -> Int { (count * bits + 7) / 8 }

  /// Elements from their bytes, little-endian.
  func values(raw data: Data) throws(CNNError) -> ONNXTensor.Values {
    guard self != .string else { throw CNNError("it has strings as raw data, which ONNX does not allow") }
    guard data.count * 8 % bits == 0 else {
      throw CNNError("its \(data.count) bytes are not a whole number of \(name) elements")
    }
    return switch self {
    case .float: .floats(elements(data) { (x: Float) in x })
    case .float16: .floats(elements(data) { (bits: UInt16) in Float(Float16(bitPattern: bits)) })
    case .bfloat16: .floats(elements(data) { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) })
    case .double: .floats(elements(data) { (x: Double) in Float(x) })
    case .uint8: .integers(elements(data) { (x: UInt8) in Int64(x) })
    case .int8: .integers(elements(data) { (x: Int8) in Int64(x) })
    case .bool: .integers(elements(data) { (x: UInt8) in x == 0 ? 0 : 1 })
    case .uint16: .integers(elements(data) { (x: UInt16) in Int64(x) })
    case .int16: .integers(elements(data) { (x: Int16) in Int64(x) })
    case .int32: .integers(elements(data) { (x: Int32) in Int64(x) })
    case .uint32: .integers(elements(data) { (x: UInt32) in Int64(x) })
    case .int64: .integers(elements(data) { (x: Int64) in x })
    case .uint64: .integers(elements(data) { (x: UInt64) in Int64(bitPattern: x) })
    case .string: .strings([])
    case .uint4, .int4, .uint2, .int2: .integers(parts(data) { self.wrapped(Int64($0)) })
    case .float4e2m1, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      .floats(parts(data, minifloat!.float))
    }
  }

  /// The elements of bytes that hold one or more.
  private func parts<Element>(_ data: some Sequence<UInt8>, _ held: (UInt8) -> Element) -> [Element] {
    data.flatMap { byte in stride(from: 0, to: 8, by: bits).map { held(byte >> $0 & UInt8(1 << bits - 1)) } }
  }

  /// Bytes as `raw_data` has them, of which each is an element of `int32_data`.
  fileprivate func values(bytes: [Int32]) throws(CNNError) -> ONNXTensor.Values {
    try values(raw: Data(bytes.map { UInt8(truncatingIfNeeded: $0) }))
  }

  func raw(floats: [Float]) -> Data {
    switch self {
    case .float16: data(floats.map { Float16($0).bitPattern })
    case .bfloat16: data(floats.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) })
    case .double: data(floats.map { Double($0) })
    default: data(floats)
    }
  }

  func raw(integers: [Int64]) -> Data {
    switch bits {
    case 2, 4: packed(integers)
    case 8: data(integers.map { UInt8(truncatingIfNeeded: $0) })
    case 16: data(integers.map { UInt16(truncatingIfNeeded: $0) })
    case 32: data(integers.map { UInt32(truncatingIfNeeded: $0) })
    default: data(integers)
    }
  }

  /// Several elements to a byte.
  private func packed(_ integers: [Int64]) -> Data {
    var result = Data(count: bytes(integers.count))
    for (index, value) in integers.enumerated() {
      let place = index * bits
      result[place / 8] |= UInt8(truncatingIfNeeded: value & (1 << Int64(bits) - 1)) << UInt8(place % 8)
    }
    return result
  }
}

extension ONNXTensor.Values {
  /// Without the elements that only fill the last byte.
  /// - Parameter perByte: there are fewer of them.
  fileprivate mutating func cut(to count: Int, filling perByte: Int) {
    switch self {
    case .floats(let a) where a.count < count + perByte: self = .floats(Array(a.prefix(count)))
    case .integers(let a) where a.count < count + perByte: self = .integers(Array(a.prefix(count)))
    default: break
    }
  }
}

private func elements<Stored: BitwiseCopyable, Element>(_ data: Data, _ held: (Stored) -> Element) -> [Element] {
  data.withUnsafeBytes { bytes in
    let stride = MemoryLayout<Stored>.stride
    return (0..<bytes.count / stride).map { held(bytes.loadUnaligned(fromByteOffset: $0 * stride, as: Stored.self)) }
  }
}

private func data<Element: BitwiseCopyable>(_ elements: [Element]) -> Data {
  elements.withUnsafeBytes { Data($0) }
}

extension Onnx_TensorProto {
  /// Elements from the field that ONNX's specification names for the type.
  fileprivate func typedValues(_ type: ONNXType) throws(CNNError) -> ONNXTensor.Values {
    switch type {
    case .float: .floats(floatData)
    case .double: .floats(doubleData.map { Float($0) })
    case .float16: .floats(int32Data.map { Float(Float16(bitPattern: UInt16(truncatingIfNeeded: $0))) })
    case .bfloat16: .floats(int32Data.map { Float(bitPattern: UInt32(truncatingIfNeeded: $0) << 16) })
    case .uint8, .int8, .uint16, .int16, .int32, .bool: .integers(int32Data.map { type.wrapped(Int64($0)) })
    case .int64: .integers(int64Data)
    case .uint32, .uint64: .integers(uint64Data.map { type.wrapped(Int64(bitPattern: $0)) })
    case .string: .strings(stringData.map { String(decoding: $0, as: UTF8.self) })
    case .uint4, .int4, .uint2, .int2, .float4e2m1, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
      .float8e8m0:
      try type.values(bytes: int32Data)
    }
  }
}
