import CNNSupport

/// What converters read of a node, checked.
extension ImportWalk {
  func value(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> ImportedValue {
    guard let value = optional(node, index) else { throw CNNError("its input \(name) is missing") }
    return value
  }

  /// An input, or nil if it is left out.
  func optional(_ node: ONNXNode, _ index: Int) -> ImportedValue? { node.input(index).flatMap { values[$0] } }

  /// An input that is computed when the network runs.
  func activation(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> ImportedActivation {
    guard case .activation(let activation) = try value(node, index, name) else {
      throw CNNError("its input \(name) is a constant while another is computed")
    }
    return activation
  }

  /// The same, of floats.
  func floatActivation(_ node: ONNXNode, _ index: Int = 0, _ name: String = "X") throws(CNNError) -> ImportedActivation
  {
    let activation = try activation(node, index, name)
    guard !activation.isInteger else { throw CNNError("its input \(name) is \(activation.type.name)") }
    return activation
  }

  /// An input that must be known now; nil if it is left out.
  func optionalConstant(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> ONNXTensor? {
    switch optional(node, index) {
    case nil: return nil
    case .constant(let tensor): return tensor
    case .quantized(let constant): return ONNXTensor(shape: constant.shape, floats: constant.floats)
    default: throw CNNError("its input \(name) is no constant")
    }
  }

  func constant(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> ONNXTensor {
    guard let tensor = try optionalConstant(node, index, name) else { throw CNNError("its input \(name) is missing") }
    return tensor
  }

  func floats(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> [Float] {
    guard let floats = try constant(node, index, name).floats else { throw CNNError("its input \(name) is no float") }
    return floats
  }

  /// A list of integers; nil if it is left out.
  func integers(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> [Int]? {
    guard let tensor = try optionalConstant(node, index, name) else { return nil }
    guard let integers = tensor.integers else { throw CNNError("its input \(name) has no integers") }
    return integers
  }

  /// One float; nil if it is left out.
  func scalar(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> Float? {
    guard let tensor = try optionalConstant(node, index, name) else { return nil }
    guard let value = tensor.float ?? tensor.integer.map({ Float($0) }) else {
      throw CNNError("its input \(name) of \(tensor.count) values should be one number")
    }
    return value
  }

  /// A constant that an operator reads: floats or integers with scales.
  func weight(_ node: ONNXNode, _ index: Int, _ name: String) throws(CNNError) -> ConstantOperand? {
    guard let value = optional(node, index) else { return nil }
    guard let operand = try constantOperand(value, named: node.inputs[index]) else {
      throw CNNError("its input \(name) is no constant")
    }
    return operand
  }

  /// nil if it is no constant.
  func constantOperand(_ value: ImportedValue, named name: String) throws(CNNError) -> ConstantOperand? {
    switch value {
    case .constant(let tensor):
      guard let floats = tensor.floats else { throw CNNError("its constant “\(name)” is \(tensor.type.name)") }
      return ConstantOperand(name: name, shape: tensor.shape, values: .floats(floats))
    case .quantized(let constant):
      return ConstantOperand(
        name: name, shape: constant.shape,
        values: .quantized(constant.integers, scales: constant.scales, axis: constant.axis))
    case .activation, .unknown: return nil
    }
  }
}
