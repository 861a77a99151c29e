import CNNModel
import CNNSupport

/// Functions of one element.
extension ImportWalk {
  var activations: [String: Converter] {
    func unary(_ function: @escaping (ONNXNode) -> UnaryFunction) -> Converter {
      { (node) throws(CNNError) in
        [.activation(try self.elementwise(.unary(function(node)), try self.floatActivation(node)))]
      }
    }
    return [
      "Relu": { (node) throws(CNNError) in
        [.activation(try self.elementwise(.relu, try self.arithmeticActivation(node)))]
      },
      "Clip": { (node) throws(CNNError) in [try self.clip(node)] },
      "LeakyRelu": unary { .leakyRelu(alpha: $0.float("alpha") ?? 0.01) },
      "Elu": unary { .elu(alpha: $0.float("alpha") ?? 1) },
      "Sigmoid": unary { _ in .sigmoid },
      "Tanh": unary { _ in .tanh },
      "HardSigmoid": unary { .hardSigmoid(alpha: $0.float("alpha") ?? 0.2, beta: $0.float("beta") ?? 0.5) },
      "HardSwish": unary { _ in .hardSwish },
      "Swish": unary { .swish(alpha: $0.float("alpha") ?? 1) },
      "Gelu": unary { .gelu(approximate: $0.string("approximate") == "tanh") },
      "Erf": unary { _ in .erf },
      "PRelu": { (node) throws(CNNError) in [try self.pRelu(node)] },
    ]
  }

  private func clip(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try arithmeticActivation(node)
    for index in 1...2 {
      if case .activation? = optional(node, index) { return try clipToComputed(node, x) }
    }
    let lower = try scalar(node, 1, "min") ?? -.infinity
    let upper = try scalar(node, 2, "max") ?? .infinity
    if lower == -.infinity && upper == .infinity { return .activation(x) }
    guard !lower.isNaN, !upper.isNaN else { throw CNNError("its bounds are no numbers") }
    if lower == 0 && upper == .infinity { return .activation(try elementwise(.relu, x)) }
    // Where the bounds cross ONNX has the upper one.
    return .activation(try elementwise(.clip(min: min(lower, upper), max: upper), x))
  }

  private func clipToComputed(_ node: ONNXNode, _ x: ImportedActivation) throws(CNNError) -> ImportedValue {
    var result = ImportedValue.activation(x)
    for (index, reduction) in [(1, Reduction.max), (2, .min)] {
      guard let bound = optional(node, index) else { continue }
      result = try extremum(reduction, [(result, node.inputs[0]), (bound, node.inputs[index])])
    }
    return result
  }

  /// x where it is positive, else x · slope.
  private func pRelu(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try floatActivation(node)
    let slope = try value(node, 1, "slope")
    guard try ONNXShape.broadcast(x.shape, slope.shape) == x.shape else {
      throw CNNError("its slope is of shape \(slope.shape) for \(x.shape)")
    }
    if let constant = try constantOperand(slope, named: node.inputs[1]) {
      if constant.shape.checkedCount == 1 {
        return .activation(try elementwise(.unary(.leakyRelu(alpha: constant.floats[0])), x))
      }
      let padded = x.shape.dropLast(constant.shape.count).map { _ in 1 } + constant.shape
      let perChannel = padded.indices.allSatisfy { $0 == 1 || padded[$0] == 1 } && padded.count >= 2
      if perChannel, x.form == .batched {
        var result = x
        result.tensor = try emit(.pRelu, [x.tensor, try operand(constant.reshaped([padded[1]]))])
        return .activation(result)
      }
    }
    let negative = try elementwise(.clip(min: -.infinity, max: 0), x)
    let scaled = try binary(.mul, (.activation(negative), node.inputs[0]), (slope, node.inputs[1]))
    let positive = try elementwise(.relu, x)
    return .activation(try binary(.add, (.activation(positive), ""), (.activation(scaled), "")))
  }
}
