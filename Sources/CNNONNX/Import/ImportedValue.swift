import CNNModel

/// What an ONNX value is once the walk has passed it.
enum ImportedValue {
  /// Known now: an initialiser, or what nodes made of constants.
  case constant(ONNXTensor)
  /// A constant behind a DequantizeLinear. It stays integers, so that an int8 layer can take them as they are.
  case quantized(QuantizedConstant)
  /// Known when the network runs.
  case activation(ImportedActivation)
  /// The result of a node that could not be converted; who reads it is not reported again.
  case unknown
}

/// How an activation of ONNX shape S lies in a bundle, whose activations begin with an axis of 1 for the batch that no
/// operator mixes.
enum Form: Sendable {
  /// [1] + S[1…]: the first axis of S is the session's batch, or 1.
  case batched
  /// [1] + S: all of it belongs to one image.
  case whole

  /// Where an axis of S is in the graph.
  func axis(_ axis: Int) -> Int { self == .whole ? axis + 1 : axis }

  /// The shape in the graph of an ONNX shape.
  func graphShape(_ shape: [Int]) -> [Int] { [1] + (self == .whole ? shape[...] : shape.dropFirst()) }
}

/// An activation: a tensor of the graph, and what it is in ONNX.
struct ImportedActivation {
  var tensor: String
  /// ONNX's.
  var shape: [Int]
  var form: Form
  /// .float (whatever float the file has), .uint8, .int8 (stored as uint8 with 128 added), or .int32 held as floats where
  /// these are exact.
  var type: ONNXType = .float

  /// uint8 in the graph.
  var isInteger: Bool { type == .uint8 || type == .int8 }
}

/// What an integer is stored plus: int8 is kept as uint8.
extension ONNXType {
  var storedOffset: Int { self == .int8 ? 128 : 0 }
}

/// real value = integer · scale, the zero point already subtracted.
struct QuantizedConstant {
  var integers: [Int32]
  var shape: [Int]
  /// One, or one for each index of `axis`.
  var scales: [Float]
  var axis: Int

  /// The real values.
  var floats: [Float] {
    if scales.count == 1 { return integers.map { Float($0) * scales[0] } }
    let inner = shape[(axis + 1)...].reduce(1, *)
    return integers.indices.map { Float(integers[$0]) * scales[$0 / inner % shape[axis]] }
  }
}

/// A constant as an operator reads it, rearranged to the order that it reads.
struct ConstantOperand {
  enum Values {
    case floats([Float])
    case quantized([Int32], scales: [Float], axis: Int)
  }

  /// ONNX's name, or one made from it.
  var name: String
  var shape: [Int]
  var values: Values

  var floats: [Float] {
    switch values {
    case .floats(let floats): floats
    case .quantized(let integers, let scales, let axis):
      QuantizedConstant(integers: integers, shape: shape, scales: scales, axis: axis).floats
    }
  }

  /// In another shape of as many elements. Scales along an axis that the new shape has not become part of the values.
  func reshaped(_ new: [Int]) -> ConstantOperand {
    guard new != shape else { return self }
    var result = self
    result.shape = new
    guard case .quantized(let integers, let scales, let axis) = values, scales.count > 1 else { return result }
    let before = shape[..<axis].reduce(1, *)
    let kept = new.indices.first { new[..<$0].reduce(1, *) == before && new[$0] == shape[axis] }
    result.values = kept.map { .quantized(integers, scales: scales, axis: $0) } ?? .floats(floats)
    return result
  }

  func transposed(_ perm: [Int]) -> ConstantOperand {
    var result = self
    result.name += "ᵀ"
    result.shape = perm.map { shape[$0] }
    switch values {
    case .floats(let floats): result.values = .floats(transpose(floats, shape, perm))
    case .quantized(let integers, let scales, let axis):
      result.values = .quantized(transpose(integers, shape, perm), scales: scales, axis: perm.firstIndex(of: axis) ?? 0)
    }
    return result
  }

  /// Times a number.
  func scaled(by factor: Float) -> ConstantOperand {
    guard factor != 1 else { return self }
    var result = self
    switch values {
    case .quantized(let integers, let scales, let axis) where factor > 0:
      result.values = .quantized(integers, scales: scales.map { $0 * factor }, axis: axis)
    default: result.values = .floats(floats.map { $0 * factor })
    }
    return result
  }
}

/// Row-major elements with their axes in another order: axis i of the result is axis perm[i].
private func transpose<T>(_ values: [T], _ shape: [Int], _ perm: [Int]) -> [T] {
  var strides = [Int](repeating: 1, count: shape.count)
  for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
  let (sizes, steps) = (perm.map { shape[$0] }, perm.map { strides[$0] })
  var result: [T] = []
  result.reserveCapacity(values.count)
  func visit(_ axis: Int, _ offset: Int) {
    guard axis < sizes.count else { return result.append(values[offset]) }
    for index in 0..<sizes[axis] { visit(axis + 1, offset + index * steps[axis]) }
  }
  visit(0, 0)
  return result
}
