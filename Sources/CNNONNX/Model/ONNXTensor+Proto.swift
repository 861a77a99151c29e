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
      ? try type.values(raw: try ExternalData(message.externalData).read(count * type.size, in: folder))
      : message.rawData.isEmpty ? try message.typedValues(type) : try type.values(raw: message.rawData)
    guard self.count == count else {
      throw CNNError("its shape \(shape) has \(count) elements, but the file holds \(self.count)")
    }
  }

  /// As a message: the elements as raw data, strings apart.
  func message(name: String) -> Onnx_TensorProto {
    var message = Onnx_TensorProto()
    message.name = name
    message.dims = shape.map { Int64($0) }
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
  /// The type in which elements are held: float for all kinds of floats.
  package var held: ONNXType { isFloat ? .float : self }

  /// Of an element in `raw_data`; 0 for strings, which are never there.
  var size: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float, .int32, .uint32: 4
    case .int64, .uint64, .double: 8
    case .string: 0
    }
  }

  /// Elements from their bytes, little-endian.
  func values(raw data: Data) throws(CNNError) -> ONNXTensor.Values {
    guard self != .string else { throw CNNError("it has strings as raw data, which ONNX does not allow") }
    guard data.count % size == 0 else {
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
    }
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
    switch size {
    case 1: data(integers.map { UInt8(truncatingIfNeeded: $0) })
    case 2: data(integers.map { UInt16(truncatingIfNeeded: $0) })
    case 4: data(integers.map { UInt32(truncatingIfNeeded: $0) })
    default: data(integers)
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
    }
  }
}
