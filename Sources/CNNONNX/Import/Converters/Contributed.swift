import CNNModel
import CNNSupport

/// Operators of ONNX Runtime's domain com.microsoft, which its optimised and quantized files have.
extension ImportWalk {
  var contributed: [String: Converter] {
    func unary(_ function: @escaping (ONNXNode) -> UnaryFunction) -> Converter {
      { (node) throws(CNNError) in
        [.activation(try self.elementwise(.unary(function(node)), try self.floatActivation(node)))]
      }
    }
    func quantized(
      _ body: @escaping (ONNXNode, ImportedActivation) throws(CNNError) -> ImportedActivation
    ) -> Converter {
      { (node) throws(CNNError) in
        let x = try self.dequantizedInput(node, 0, scale: 1, zeroPoint: 2)
        return [try self.quantizedResult(try body(node, x), node, scale: 3, zeroPoint: 4)]
      }
    }
    func quantizedPair(_ function: BinaryFunction) -> Converter {
      { (node) throws(CNNError) in
        let (a, b) = (try self.quantizedOperand(node, 0), try self.quantizedOperand(node, 3))
        return [try self.quantizedResult(try self.binary(function, a, b), node, scale: 6, zeroPoint: 7)]
      }
    }
    let domain = "com.microsoft."
    return [
      domain + "Gelu": unary { _ in .gelu(approximate: false) },
      domain + "FastGelu": { (node) throws(CNNError) in
        guard self.optional(node, 1) == nil else { throw CNNError("a bias") }
        return [.activation(try self.elementwise(.unary(.gelu(approximate: true)), try self.floatActivation(node)))]
      },
      domain + "QuickGelu": unary { .swish(alpha: $0.float("alpha") ?? 1.702) },
      domain + "FusedConv": { (node) throws(CNNError) in [try self.fusedConv(node)] },
      domain + "FusedMatMul": { (node) throws(CNNError) in [try self.fusedMatMul(node)] },
      domain + "QLinearAdd": quantizedPair(.add),
      domain + "QLinearMul": quantizedPair(.mul),
      domain + "QLinearLeakyRelu": quantized { (node, x) throws(CNNError) in
        try self.elementwise(.unary(.leakyRelu(alpha: node.float("alpha") ?? 0.01)), x)
      },
      domain + "QLinearSigmoid": quantized { (_, x) throws(CNNError) in try self.elementwise(.unary(.sigmoid), x) },
      domain + "QLinearSoftmax": quantized { (node, x) throws(CNNError) in
        // Before opset 13 everything behind the axis is one.
        guard node.int("opset") ?? 13 >= 13 else {
          let axis = try checkedAxis(node.int("axis") ?? 1, rank: x.shape.count)
          let flat = try self.reshaped(x, to: try ONNXShape.flattened(x.shape, axis: axis))
          let rows = try self.avoiding([1], flat)
          return try self.reshaped(try self.elementwise(.softmax(axis: rows.form.axis(1)), rows), to: x.shape)
        }
        return try self.softmax(node, x)
      },
      domain + "QLinearGlobalAveragePool": quantized { (node, x) throws(CNNError) in
        try self.channelsFirst(node, x) { (x) throws(CNNError) in try self.globalPool(.globalAveragePool, x) }
      },
      domain + "QLinearAveragePool": quantized { (node, x) throws(CNNError) in
        let countsPadding = node.int("count_include_pad") ?? 0 != 0
        return try self.channelsFirst(node, x) { (x) throws(CNNError) in
          try self.pool(node, x) { .averagePool($0, countIncludePad: countsPadding, ceilMode: $1) }
        }
      },
      domain + "QLinearReduceMean": quantized { (node, x) throws(CNNError) in
        let rank = x.shape.count
        let axes = try node.ints("axes").map { (a) throws(CNNError) in try checkedAxes(a, rank: rank).sorted() }
        return try self.reduced(
          x, .mean, axes: axes ?? Array(0..<rank), keepDims: node.int("keepdims") ?? 1 != 0)
      },
      domain + "QLinearConcat": { (node) throws(CNNError) in [try self.qLinearConcat(node)] },
    ]
  }

  private func quantizedOperand(_ node: ONNXNode, _ index: Int) throws(CNNError) -> Operand {
    let name = node.input(index) ?? ""
    guard case .constant(let tensor)? = optional(node, index) else {
      return (.activation(try dequantizedInput(node, index, scale: index + 1, zeroPoint: index + 2)), name)
    }
    let parameters = try QuantizationParameters(
      self, node, scale: index + 1, zeroPoint: index + 2, axis: 0, of: tensor.shape)
    return (.quantized(try quantizedConstant(tensor, parameters)), name)
  }

  /// `channels_last`: transposed for the operator and back.
  private func channelsFirst(
    _ node: ONNXNode, _ x: ImportedActivation,
    _ body: (ImportedActivation) throws(CNNError) -> ImportedActivation
  ) throws(CNNError) -> ImportedActivation {
    guard node.int("channels_last") ?? 0 != 0 else { return try body(x) }
    let rank = x.shape.count
    guard rank >= 3 else { throw CNNError("reads a tensor of rank \(rank)") }
    let y = try body(try transposed(x, [0, rank - 1] + Array(1..<rank - 1)))
    return try transposed(y, [0] + Array(2..<rank) + [1])
  }

  /// y scale, y zero point, then tensor, scale, zero point for each part.
  private func qLinearConcat(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    guard node.inputs.count >= 5, node.inputs.count % 3 == 2, let given = node.int("axis") else {
      throw CNNError("has \(node.inputs.count) inputs")
    }
    var parts: [ImportedActivation] = []
    for index in stride(from: 2, to: node.inputs.count, by: 3) {
      parts.append(try dequantizedInput(node, index, scale: index + 1, zeroPoint: index + 2))
    }
    let axis = try checkedAxis(given, rank: parts[0].shape.count)
    return try quantizedResult(try concatenated(parts, axis: axis), node, scale: 0, zeroPoint: 1)
  }

  private func fusedConv(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try floatActivation(node)
    guard let weight = try weight(node, 1, "W") else { throw CNNError("its input W is missing") }
    var y = try conv(node, x, weight, bias: try self.weight(node, 2, "B"))
    if case .activation(let z)? = optional(node, 3) {
      y = try binary(.add, (.activation(y), ""), (.activation(z), node.inputs[3]))
    }
    let parameters = node.floats("activation_params") ?? []
    func parameter(_ index: Int, _ value: Float) -> Float { index < parameters.count ? parameters[index] : value }
    let kind: OperatorKind =
      switch node.string("activation") ?? "" {
      case "Relu": .relu
      case "Clip": .clip(min: parameter(0, -.infinity), max: parameter(1, .infinity))
      case "LeakyRelu": .unary(.leakyRelu(alpha: parameter(0, 0.01)))
      case "Sigmoid": .unary(.sigmoid)
      case "Tanh": .unary(.tanh)
      case "HardSigmoid": .unary(.hardSigmoid(alpha: parameter(0, 0.2), beta: parameter(1, 0.5)))
      case let other: throw CNNError("activation “\(other)”")
      }
    return .activation(try elementwise(kind, y))
  }

  private func fusedMatMul(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    guard node.int("transBatchA") ?? 0 == 0, node.int("transBatchB") ?? 0 == 0 else { throw CNNError("transBatchA") }
    var sides: [ImportedValue] = []
    for (index, attribute) in ["transA", "transB"].enumerated() {
      let side = try value(node, index, "\(index)")
      sides.append(node.int(attribute) ?? 0 != 0 ? try transposedMatrix(side, node.inputs[index]) : side)
    }
    let product = try matMul((sides[0], node.inputs[0]), (sides[1], node.inputs[1]))
    return .activation(try times(product, node.float("alpha") ?? 1))
  }
}
