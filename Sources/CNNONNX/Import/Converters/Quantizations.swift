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
    var result = x
    result.type = parameters.type
    if let quantization = try parameters.quantization(parameters.type) {
      let tensor = Tensor(.uint8, shape: [], quantization: quantization)
      result.tensor = try emit(.quantizeLinear, [x.tensor], as: tensor)
      return result
    }
    // A scale for each index: the quotients are rounded at the scale 1 with the zero point of each, which are then added.
    let quotient = try emit(
      .div, [x.tensor, constant(parameters.scales, shape: parameters.shape(parameters.scales.count, x))])
    let (axis, count) = (x.form.axis(parameters.axis), max(parameters.scales.count, parameters.zeroPoints.count))
    guard axis > 0 else { throw CNNError("quantizes along the batch") }
    let float = Tensor(.float32, shape: [])
    var parts: [String] = []
    let shape = graph.tensors[quotient]!.shape
    for (index, slice) in Slice.parts(of: shape, axis: axis, sizes: .init(repeating: 1, count: count)).enumerated() {
      let zero = parameters.zeroPoints[parameters.zeroPoints.count == 1 ? 0 : index]
      let stored = Int32(zero + parameters.type.storedOffset)
      let rounding = Tensor(.uint8, shape: [], quantization: Quantization(scale: 1, zeroPoint: stored))
      let rounded = try emit(.quantizeLinear, [try emit(.slice(slice), [quotient])], as: rounding)
      parts.append(
        try emit(.add, [try emit(.dequantizeLinear, [rounded], as: float), constant([Float(zero)], shape: [1])]))
    }
    let integers = try emit(.concat(axis: axis), parts)
    let raw = Quantization(scale: 1, zeroPoint: Int32(parameters.type.storedOffset))
    result.tensor = try emit(.quantizeLinear, [integers], as: Tensor(.uint8, shape: [], quantization: raw))
    return result
  }
}

/// Scale and zero point of a node, checked.
struct QuantizationParameters {
  var scales: [Float]
  /// One, or as many as scales.
  var zeroPoints: [Int]
  var axis = 0
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
    type =
      zero?.type ?? node.int("output_dtype").flatMap { ONNXType(rawValue: Int32(truncatingIfNeeded: $0)) } ?? .uint8
    guard scales.allSatisfy({ $0.isNormal && $0 > 0 }) else {
      throw CNNError("has a scale that is not positive, finite and normal")
    }
    guard node.int("block_size") ?? 0 == 0 else { throw CNNError("block_size") }
    if scales.count == 1 {
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
    guard type == .uint8 || type == .int8 || type == .int32 else {
      throw CNNError("quantizes to \(type.name)", advice: "uint8 and int8 are possible")
    }
  }

  /// Of a uint8 tensor of the graph; nil if there is more than one scale.
  func quantization(_ type: ONNXType) throws(CNNError) -> Quantization? {
    guard scales.count == 1, zeroPoints.count == 1 else { return nil }
    let zero = zeroPoints[0] + type.storedOffset
    guard type == .uint8 || type == .int8, (0...255).contains(zero) else {
      throw CNNError("has the zero point \(zeroPoints[0]) of \(type.name)")
    }
    return Quantization(scale: scales[0], zeroPoint: Int32(zero))
  }

  /// The shape of a list of `count` that is broadcast along the axis.
  fileprivate func shape(_ count: Int, _ x: ImportedActivation) -> [Int] {
    count == 1 ? [1] : [count] + x.shape.dropFirst(axis + 1).map { _ in 1 }
  }
}
