import CNNModel
import CNNSupport

/// QuantizeLinear and DequantizeLinear, alone and as parts of other operators.
extension ImportWalk {
  var quantizations: [String: Converter] {
    let quantize: Converter = { (node) throws(CNNError) in
      let x = try self.floatActivation(node, 0, "x")
      let parameters = try QuantizationParameters(
        self, node, scale: 1, zeroPoint: 2, axis: node.int("axis"), of: x.shape)
      return [.activation(try self.quantized(x, parameters))]
    }
    let dequantize: Converter = { (node) throws(CNNError) in [try self.dequantize(node)] }
    return [
      "QuantizeLinear": quantize, "com.microsoft.QuantizeLinear": quantize,
      "DequantizeLinear": dequantize, "com.microsoft.DequantizeLinear": dequantize,
    ]
  }

  private func dequantize(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try value(node, 0, "x")
    let parameters = try QuantizationParameters(self, node, scale: 1, zeroPoint: 2, axis: node.int("axis"), of: x.shape)
    switch x {
    case .activation(let activation):
      return .activation(try dequantized(activation, parameters, node.inputs[0]))
    case .constant(let tensor) where parameters.isBlocked || tensor.type.isFloat:
      return .constant(try parameters.real(tensor))
    case .constant(let tensor): return .quantized(try quantizedConstant(tensor, parameters))
    default: throw CNNError("reads what is no integer")
    }
  }

  /// A constant's integers with their scales, the zero point subtracted.
  func quantizedConstant(
    _ tensor: ONNXTensor, _ parameters: QuantizationParameters
  ) throws(CNNError) -> QuantizedConstant {
    guard let integers = tensor.integers, integers.allSatisfy({ abs($0.clamped) <= 1 << 31 }) else {
      throw CNNError("its constant is \(tensor.type.name)")
    }
    let axis = parameters.axis
    let inner = tensor.shape.dropFirst(axis + 1).reduce(1, *)
    let zeroPoints = parameters.zeroPoints
    var differences: [Int32] = []
    differences.reserveCapacity(integers.count)
    for (index, value) in integers.enumerated() {
      let zero = zeroPoints.count == 1 ? zeroPoints[0] : zeroPoints[index / inner % zeroPoints.count]
      guard let difference = Int32(exactly: value - zero) else { throw CNNError("its constant exceeds 32 bits") }
      differences.append(difference)
    }
    return QuantizedConstant(
      integers: differences, shape: tensor.shape, scales: parameters.scales,
      axis: parameters.scales.count == 1 ? 0 : axis)
  }

  // MARK: Activations

  /// The integers of a value as real numbers.
  /// - Parameter name: ONNX's, of the integers.
  func dequantized(
    _ x: ImportedActivation, _ parameters: QuantizationParameters, _ name: String
  ) throws(CNNError) -> ImportedActivation {
    guard x.isInteger else { throw CNNError("its input is \(x.type.name)") }
    let float = Tensor(.float32, shape: [])
    let x = try parameters.spread(x, self)
    var result = x
    result.type = .float
    let wanted = try parameters.quantization(x.type)
    if let wanted, isRaw(x), graph.inputs.contains(x.tensor), onnx.isPrivate(name) {
      // Nobody else reads the integers of this input: they mean what this node says.
      graph.tensors[x.tensor]!.quantization = wanted
    }
    if let wanted, graph.tensors[x.tensor]!.quantization == wanted {
      result.tensor = try emit(.dequantizeLinear, [x.tensor], as: float)
      return result
    }
    guard isRaw(x) else {
      throw CNNError("reads integers by another scale or zero point than they were quantized with")
    }
    // (integer − zero point) · scale, as ONNX computes it.
    let integers = try emit(.dequantizeLinear, [x.tensor], as: float)
    let zeros = constant(parameters.zeroPoints.map(Float.init), shape: parameters.shape(parameters.zeroPoints.count, x))
    let scales = constant(parameters.scales, shape: parameters.shape(parameters.scales.count, x))
    result.tensor = try emit(.mul, [try emit(.sub, [integers, zeros]), scales])
    return result
  }

  /// Real numbers as integers.
  func quantized(
    _ x: ImportedActivation, _ parameters: QuantizationParameters
  ) throws(CNNError) -> ImportedActivation {
    guard parameters.type == .uint8 || parameters.type == .int8 else {
      throw CNNError("quantizes to \(parameters.type.name)", advice: "uint8 and int8 are possible")
    }
    let x = try parameters.spread(x, self)
    var result = x
    result.type = parameters.type
    if let quantization = try parameters.quantization(parameters.type) {
      let tensor = Tensor(.uint8, shape: [], quantization: quantization)
      result.tensor = try emit(.quantizeLinear, [x.tensor], as: tensor)
      return result
    }
    // Several scales: the quotients are rounded, from 0 up and from 0 down, before the zero points are added.
    let scales = constant(parameters.scales, shape: parameters.shape(parameters.scales.count, x))
    let zeros = constant(parameters.zeroPoints.map(Float.init), shape: parameters.shape(parameters.zeroPoints.count, x))
    let quotient = try emit(.div, [x.tensor, scales])
    let above = try roundedAbove(quotient)
    let below = try roundedAbove(try emit(.mul, [quotient, constant([-1], shape: [1])]))
    let integers = try emit(.add, [try emit(.sub, [above, below]), zeros])
    let raw = Quantization(raw: parameters.type)
    result.tensor = try emit(.quantizeLinear, [integers], as: Tensor(.uint8, shape: [], quantization: raw))
    return result
  }

  /// Floats to the nearest of the integers from 0 to 255.
  func roundedAbove(_ tensor: String) throws(CNNError) -> String {
    let rounding = Tensor(.uint8, shape: [], quantization: Quantization(scale: 1, zeroPoint: 0))
    let rounded = try emit(.quantizeLinear, [tensor], as: rounding)
    return try emit(.dequantizeLinear, [rounded], as: Tensor(.float32, shape: []))
  }
}

extension Quantization {
  /// Of integers that no node has given a meaning.
  init(raw type: ONNXType) { self.init(scale: 1, zeroPoint: Int32(type.storedOffset), isSigned: type == .int8) }
}

/// Scale and zero point of a node, checked.
struct QuantizationParameters {
  var scales: [Float]
  /// One, or as many as scales.
  var zeroPoints: [Int]
  var axis = 0
  /// There is one for each element: what the file has for blocks of `block_size` along the axis is repeated.
  private(set) var isBlocked = false
  /// Of the integers: .uint8 or .int8 for activations.
  var type: ONNXType

  init(scale: Float, zeroPoint: Int, type: ONNXType) {
    (scales, zeroPoints, self.type) = ([scale], [zeroPoint], type)
  }

  /// From the inputs of a node at these places.
  /// - Parameter shape: of the tensor that is quantized.
  init(
    _ walk: ImportWalk, _ node: ONNXNode, scale: Int, zeroPoint: Int, axis: Int?, of shape: [Int]
  ) throws(CNNError) {
    scales = try walk.floats(node, scale, "scale")
    let zero = try walk.optionalConstant(node, zeroPoint, "zero point")
    zeroPoints = zero?.integers ?? [0]
    // A float's is there for its type.
    guard zero?.floats?.allSatisfy({ $0 == 0 }) ?? true else { throw CNNError("has a zero point that is no integer") }
    type =
      zero?.type ?? node.int("output_dtype").flatMap { ONNXType(rawValue: Int32(truncatingIfNeeded: $0)) } ?? .uint8
    guard scales.allSatisfy({ $0.isNormal && $0 > 0 }) else {
      throw CNNError("has a scale that is not positive, finite and normal")
    }
    if let size = node.int("block_size"), size != 0 {
      let blocks = try walk.constant(node, scale, "scale").shape
      _ = try walk.limited(shape.reduce(1, *))
      try spread(blocks: size, along: try checkedAxis(axis ?? 1, rank: shape.count), blocks, to: shape)
    } else if scales.count == 1 {
      guard zeroPoints.count == 1 else { throw CNNError("has 1 scale but \(zeroPoints.count) zero points") }
    } else {
      self.axis = try checkedAxis(axis ?? 1, rank: shape.count)
      guard scales.count == shape[self.axis], zeroPoints.count == 1 || zeroPoints.count == scales.count else {
        throw CNNError(
          "has \(scales.count) scales and \(zeroPoints.count) zero points for the \(shape[self.axis]) of axis \(self.axis)"
        )
      }
    }
    guard zeroPoints.allSatisfy({ (-65_536...65_536).contains($0) }) else {
      throw CNNError("has a zero point out of range")
    }
  }

  /// - Parameter blocks: the shape of the scales, that of the tensor but along the axis, where each is for `size`.
  private mutating func spread(
    blocks size: Int, along axis: Int, _ blocks: [Int], to shape: [Int]
  ) throws(CNNError) {
    var expected = shape
    guard size > 0 else { throw CNNError("its block_size is \(size)") }
    expected[axis] = shape[axis] / size + (shape[axis] % size == 0 ? 0 : 1)
    guard blocks == expected, zeroPoints.count == 1 || zeroPoints.count == scales.count else {
      throw CNNError("has scales of shape \(blocks) for blocks of \(size) along axis \(axis) of \(shape)")
    }
    let inner = shape[(axis + 1)...].reduce(1, *)
    let places = (0..<shape.reduce(1, *)).map { index in
      let (outer, i) = (index / inner / shape[axis], index / inner % shape[axis])
      return (outer * expected[axis] + i / size) * inner + index % inner
    }
    scales = places.map { scales[$0] }
    if zeroPoints.count > 1 { zeroPoints = places.map { zeroPoints[$0] } }
    isBlocked = true
  }

  /// (constant − zero point) · scale, where that stays no constant of integers.
  fileprivate func real(_ tensor: ONNXTensor) throws(CNNError) -> ONNXTensor {
    guard let values = tensor.floats ?? tensor.integers?.map(Float.init) else { throw CNNError("reads strings") }
    let inner = isBlocked ? 1 : tensor.shape.dropFirst(axis + 1).reduce(1, *)
    let floats = values.indices.map { index in
      (values[index] - Float(zeroPoints[index / inner % zeroPoints.count])) * scales[index / inner % scales.count]
    }
    return ONNXTensor(shape: tensor.shape, floats: floats)
  }

  /// A value in a form in which what is not the same for all of it is not along the batch.
  fileprivate func spread(_ x: ImportedActivation, _ walk: ImportWalk) throws(CNNError) -> ImportedActivation {
    if isBlocked { return try walk.converted(x, .whole) }
    return max(scales.count, zeroPoints.count) > 1 ? try walk.avoiding([axis], x) : x
  }

  /// Of a uint8 tensor of the graph; nil if there is more than one scale.
  func quantization(_ type: ONNXType) throws(CNNError) -> Quantization? {
    guard scales.count == 1, zeroPoints.count == 1 else { return nil }
    let zero = zeroPoints[0] + type.storedOffset
    guard type == .uint8 || type == .int8, (0...255).contains(zero) else {
      throw CNNError("has the zero point \(zeroPoints[0]) of \(type.name)")
    }
    return Quantization(scale: scales[0], zeroPoint: Int32(zero), isSigned: type == .int8)
  }

  /// The shape of a list of `count` that is broadcast along the axis.
  fileprivate func shape(_ count: Int, _ x: ImportedActivation) -> [Int] {
    if count == 1 { return [1] }
    return isBlocked ? [1] + x.shape : [count] + x.shape.dropFirst(axis + 1).map { _ in 1 }
  }
}
