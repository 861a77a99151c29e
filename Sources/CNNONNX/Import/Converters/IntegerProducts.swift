import CNNModel
import CNNSupport

/// Products of integers: QLinearConv, QLinearMatMul, QGemm as dequantize → operator → quantize, which a pass makes an int8
/// layer of; ConvInteger and MatMulInteger as products of floats, where these are exact.
extension ImportWalk {
  var integerProducts: [String: Converter] {
    [
      "QLinearConv": { (node) throws(CNNError) in [try self.qLinearConv(node)] },
      "QLinearMatMul": { (node) throws(CNNError) in [try self.qLinearMatMul(node)] },
      "ConvInteger": { (node) throws(CNNError) in [try self.convInteger(node)] },
      "MatMulInteger": { (node) throws(CNNError) in [try self.matMulInteger(node)] },
      "com.microsoft.QLinearConv": { (node) throws(CNNError) in [try self.qLinearConv(node)] },
      "com.microsoft.QGemm": { (node) throws(CNNError) in [try self.qGemm(node)] },
    ]
  }

  /// An input of integers as real numbers, by scale and zero point that are inputs as well.
  func dequantizedInput(
    _ node: ONNXNode, _ index: Int, scale: Int, zeroPoint: Int
  ) throws(CNNError) -> ImportedActivation {
    let x = try activation(node, index, "\(index)")
    let parameters = try QuantizationParameters(self, node, scale: scale, zeroPoint: zeroPoint, axis: 0, of: x.shape)
    return try dequantized(x, parameters, node.inputs[index])
  }

  /// A result as integers, by scale and zero point that are inputs.
  func quantizedResult(
    _ y: ImportedActivation, _ node: ONNXNode, scale: Int, zeroPoint: Int
  ) throws(CNNError) -> ImportedValue {
    let parameters = try QuantizationParameters(self, node, scale: scale, zeroPoint: zeroPoint, axis: 0, of: y.shape)
    guard parameters.scales.count == 1 else { throw CNNError("its result has \(parameters.scales.count) scales") }
    return .activation(try quantized(y, parameters))
  }

  /// A constant of integers, by scale and zero point that are inputs.
  private func quantizedWeight(
    _ node: ONNXNode, _ index: Int, scale: Int, zeroPoint: Int, axis: Int
  ) throws(CNNError) -> ConstantOperand {
    let tensor = try constant(node, index, "weight")
    let parameters = try QuantizationParameters(
      self, node, scale: scale, zeroPoint: zeroPoint, axis: axis, of: tensor.shape)
    let constant = try quantizedConstant(tensor, parameters)
    return try constantOperand(.quantized(constant), named: node.inputs[index])!
  }

  /// A bias of int32 in units of the input's scale times the weight's.
  private func bias(
    _ node: ONNXNode, _ index: Int, inputScale: Int, weight: ConstantOperand
  ) throws(CNNError) -> ConstantOperand? {
    guard let tensor = try optionalConstant(node, index, "bias") else { return nil }
    guard let integers = tensor.integers, tensor.type == .int32, case .quantized(_, let scales, _) = weight.values
    else {
      throw CNNError("its bias is \(tensor.type.name)")
    }
    let scale = try scalar(node, inputScale, "scale") ?? 1
    return ConstantOperand(
      name: node.inputs[index], shape: [integers.count],
      values: .quantized(integers.map { Int32(truncatingIfNeeded: $0) }, scales: scales.map { $0 * scale }, axis: 0))
  }

  private func qLinearConv(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try dequantizedInput(node, 0, scale: 1, zeroPoint: 2)
    let weight = try quantizedWeight(node, 3, scale: 4, zeroPoint: 5, axis: 0)
    let bias = try bias(node, 8, inputScale: 1, weight: weight)
    return try quantizedResult(try conv(node, x, weight, bias: bias), node, scale: 6, zeroPoint: 7)
  }

  private func qLinearMatMul(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    func side(_ index: Int) throws(CNNError) -> ImportedValue {
      guard case .constant(let tensor)? = optional(node, index) else {
        return .activation(try dequantizedInput(node, index, scale: index + 1, zeroPoint: index + 2))
      }
      let last = max(tensor.shape.count - 1, 0)
      return try quantizedWeight(node, index, scale: index + 1, zeroPoint: index + 2, axis: last).imported
    }
    let product = try matMul((try side(0), node.inputs[0]), (try side(3), node.inputs[3]))
    return try quantizedResult(product, node, scale: 6, zeroPoint: 7)
  }

  /// com.microsoft.QGemm: a, scale, zero point; b, scale, zero point; C?; y scale?, zero point?
  private func qGemm(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    guard node.int("transA") ?? 0 == 0, node.float("alpha") ?? 1 == 1 else { throw CNNError("transA, or alpha not 1") }
    let x = try dequantizedInput(node, 0, scale: 1, zeroPoint: 2)
    let isTransposed = node.int("transB") ?? 0 != 0
    let weight = try quantizedWeight(node, 3, scale: 4, zeroPoint: 5, axis: isTransposed ? 0 : 1)
    guard weight.shape.count == 2, x.shape.count == 2 else {
      throw CNNError("multiplies \(x.shape) by \(weight.shape)")
    }
    let rows = isTransposed ? weight : weight.transposed([1, 0])
    let bias = try bias(node, 6, inputScale: 1, weight: rows)
    guard bias == nil || bias!.shape == [rows.shape[0]] else { throw CNNError("its C is no bias") }
    let y = try fullyConnected(x, rows, bias: bias)
    return optional(node, 7) == nil ? .activation(y) : try quantizedResult(y, node, scale: 7, zeroPoint: 8)
  }

  // MARK: To int32

  private func integersAsFloats(
    _ node: ONNXNode, _ index: Int, zeroPoint: Int, axis: Int
  ) throws(CNNError) -> ImportedValue {
    let shape = try value(node, index, "\(index)").shape
    let zero = try optionalConstant(node, zeroPoint, "zero point")
    let zeros = zero.map { $0.integers ?? [] } ?? [0]
    guard !zeros.isEmpty,
      zeros.count == 1 || shape.indices.contains(axis) && zeros.count == shape[axis]
    else { throw CNNError("its zero point has another size than its input") }
    var parameters = QuantizationParameters(scale: 1, zeroPoint: 0, type: .uint8)
    (parameters.zeroPoints, parameters.axis) = (zeros, axis)
    switch try value(node, index, "\(index)") {
    case .activation(let x):
      guard zeros.count == 1 || x.form.axis(axis) >= 0 else { throw CNNError("has a zero point for each row") }
      return .activation(try dequantized(x, parameters, node.inputs[index]))
    case .constant(let tensor):
      let constant = try quantizedConstant(tensor, parameters)
      return .constant(ONNXTensor(shape: constant.shape, floats: constant.floats))
    default: throw CNNError("reads what is no integer")
    }
  }

  /// Sums of products of bytes are exact in floats below 2²⁴.
  private func int32(_ y: ImportedActivation, terms: Int) throws(CNNError) -> ImportedValue {
    guard terms <= 258 else { throw CNNError("adds \(terms) products, which floats cannot hold exactly") }
    return result(y.tensor, y.shape, y.form, .int32)
  }

  private func convInteger(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    guard case .activation(let x) = try integersAsFloats(node, 0, zeroPoint: 2, axis: 0) else {
      throw CNNError("its input x is a constant")
    }
    let weights = try integersAsFloats(node, 1, zeroPoint: 3, axis: 0)
    guard let weight = try constantOperand(weights, named: node.inputs[1]) else {
      throw CNNError("its input w is no constant")
    }
    return try int32(
      try conv(node, x, weight, bias: nil), terms: weight.shape.dropFirst().reduce(1, *))
  }

  private func matMulInteger(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let left = try integersAsFloats(node, 0, zeroPoint: 2, axis: try value(node, 0, "A").shape.count - 2)
    let right = try integersAsFloats(node, 1, zeroPoint: 3, axis: try value(node, 1, "B").shape.count - 1)
    let terms = left.shape.last ?? 1
    return try int32(try matMul((left, node.inputs[0]), (right, node.inputs[1])), terms: terms)
  }
}
