import CNNModel

/// y = x · factor + shift with a factor and a shift for each channel, the second axis: what a BatchNormalization with
/// fixed statistics computes, and Add, Sub, Mul or Div with a constant.
struct Affine {
  let x: String
  let factor, shift: [Double]

  /// nil where an operator computes something else. Its activation comes on top.
  init?(_ graph: GraphEditor, _ index: Int) {
    let layer = graph[index]
    switch layer.kind {
    case .batchNormalization(let epsilon): self.init(graph, layer, epsilon: epsilon)
    case .binary(let function): self.init(graph, layer, function)
    default: return nil
    }
  }

  private init?(_ graph: GraphEditor, _ layer: Operator, epsilon: Float) {
    guard let scale = graph.floats(layer.input(1)), let bias = graph.floats(layer.input(2)),
      let mean = graph.floats(layer.input(3)), let variance = graph.floats(layer.input(4))
    else { return nil }
    let factor = scale.indices.map { Double(scale[$0]) / (Double(variance[$0]) + Double(epsilon)).squareRoot() }
    self.init(
      x: layer.inputs[0], factor: factor, shift: bias.indices.map { Double(bias[$0]) - Double(mean[$0]) * factor[$0] })
  }

  private init?(_ graph: GraphEditor, _ layer: Operator, _ function: BinaryFunction) {
    guard let operand = ConstantOperand(graph, layer), let constants = operand.perChannel(graph) else { return nil }
    let one = [Double](repeating: 1, count: constants.count)
    let zero = [Double](repeating: 0, count: constants.count)
    switch function {
    case .add: self.init(x: operand.x, factor: one, shift: constants)
    case .sub where operand.isFirst: self.init(x: operand.x, factor: one.map { -$0 }, shift: constants)
    case .sub: self.init(x: operand.x, factor: one, shift: constants.map { -$0 })
    case .mul: self.init(x: operand.x, factor: constants, shift: zero)
    case .div where operand.isFirst || constants.contains(0): return nil
    case .div: self.init(x: operand.x, factor: constants.map { 1 / $0 }, shift: zero)
    }
  }

  private init(x: String, factor: [Double], shift: [Double]) {
    self.x = x
    self.factor = factor
    self.shift = shift
  }

  /// What another one makes of this one's result.
  func followed(by next: Affine) -> Affine {
    Affine(
      x: x, factor: factor.indices.map { factor[$0] * next.factor[$0] },
      shift: shift.indices.map { shift[$0] * next.factor[$0] + next.shift[$0] })
  }
}

/// The operands of an Add, Sub, Mul or Div of an activation and a float32 constant that does not make it larger.
struct ConstantOperand {
  /// The activation.
  let x: String
  let constant: String
  /// Whether the constant stands before the activation.
  let isFirst: Bool

  init?(_ graph: GraphEditor, _ layer: Operator) {
    guard case .binary = layer.kind else { return nil }
    isFirst = graph.tensors[layer.inputs[0]]!.isConstant
    (constant, x) = isFirst ? (layer.inputs[0], layer.inputs[1]) : (layer.inputs[1], layer.inputs[0])
    guard graph.floats(constant) != nil, graph.isFloat(x), !graph.tensors[x]!.isConstant,
      graph.shape(of: layer.output) == graph.shape(of: x)
    else { return nil }
  }

  /// The constant's one value.
  func scalar(_ graph: GraphEditor) -> Double? {
    let values = graph.floats(constant)!
    guard let value = values.first, values.allSatisfy({ $0 == value }) else { return nil }
    return Double(value)
  }

  /// The constant's values for each channel, the second axis of x; nil where they differ along another one.
  func perChannel(_ graph: GraphEditor) -> [Double]? {
    let (shape, sizes, values) = (graph.shape(of: x), graph.shape(of: constant), graph.floats(constant)!)
    guard shape.count >= 2 else { return nil }
    if let value = scalar(graph) { return .init(repeating: value, count: shape[1]) }
    let axis = 1 - (shape.count - sizes.count)
    guard sizes.indices.contains(axis), values.count == sizes[axis] else { return nil }
    return values.map(Double.init)
  }
}
