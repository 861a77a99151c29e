/// What is known of values before their shapes are: how many axes they have, and of what type they are. Both follow
/// from the operators; the file's own hints serve where an operator says nothing.
struct ValueFacts {
  private(set) var ranks: [String: Int] = [:]
  private(set) var types: [String: ONNXType] = [:]

  init(_ graph: ONNXGraph) {
    for value in Array(graph.hints.values) + graph.inputs {
      ranks[value.name] = value.shape?.count
      types[value.name] = value.type
    }
    for (name, tensor) in graph.constants { learn(name, tensor) }
  }

  mutating func learn(_ name: String, _ constant: ONNXTensor) {
    ranks[name] = constant.shape.count
    types[name] = constant.type
  }

  /// What a node in the newest form makes of what is known of its inputs.
  /// - Parameter constant: finds the values of axes and shapes.
  mutating func learn(_ node: ONNXNode, _ constant: (String) -> ONNXTensor?) {
    guard node.domain.isEmpty else { return }
    for (index, output) in node.outputs.enumerated() where !output.isEmpty {
      if let rank = rank(of: node, constant) { ranks[output] = rank }
      if let type = type(of: node, output: index) { types[output] = type }
    }
  }

  private func rank(of node: ONNXNode, _ constant: (String) -> ONNXTensor?) -> Int? {
    let ranks = node.inputs.map { self.ranks[$0] }
    guard let first = ranks.first ?? nil else { return node.op == "ConstantOfShape" || node.op == "Range" ? 1 : nil }
    func list(_ index: Int) -> Int? { node.input(index).flatMap { constant($0)?.count } }
    switch node.op {
    case "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "Where", "Equal", "Less", "Greater",
      "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor":
      let known = ranks.compactMap { $0 }
      return known.count == ranks.count ? known.max() : nil
    case "Shape", "Range", "Compress": return 1
    case "ConstantOfShape": return list(0)
    case "Size": return 0
    case "Flatten", "Gemm", "NonZero": return 2
    case "Reshape": return list(1)
    case "Expand": return list(1).map { max($0, first) }
    case "Squeeze": return list(1).map { max(first - $0, 0) }
    case "Unsqueeze": return list(1).map { first + $0 }
    case "OneHot": return first + 1
    case "MatMul":
      guard first > 1, let second = ranks.last ?? nil, second > 1 else { return nil }
      return max(first, second)
    case "Gather": return (ranks.count > 1 ? ranks[1] : nil).map { max(first + $0 - 1, 0) }
    case "GatherND", "If", "Loop", "Scan", "Einsum", "NonMaxSuppression": return nil
    case _ where node.op.hasPrefix("Reduce"):
      if node.int("keepdims") ?? 1 != 0 { return first }
      return node.input(1) == nil ? 0 : list(1).map { max(first - $0, 0) }
    case "ArgMax", "ArgMin": return node.int("keepdims") ?? 1 != 0 ? first : max(first - 1, 0)
    default: return Self.keepsRank.contains(node.op) ? first : nil
    }
  }

  private func type(of node: ONNXNode, output: Int) -> ONNXType? {
    let first = node.inputs.first.flatMap { types[$0] }
    switch node.op {
    case "Shape", "Size", "ArgMax", "ArgMin", "NonZero": return .int64
    case "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor", "Not", "IsNaN", "IsInf":
      return .bool
    case "Cast": return node.int("to").flatMap { Int32(exactly: $0) }.flatMap(ONNXType.init(rawValue:))?.held
    case "CastLike", "Where": return node.input(1).flatMap { types[$0] }
    case "OneHot": return node.input(2).flatMap { types[$0] }
    case "ConstantOfShape": return node.tensor("value")?.type ?? .float
    case "DequantizeLinear": return .float
    case "QuantizeLinear": return node.input(2).flatMap { types[$0] }
    case "TopK", "MaxPool": return output == 1 ? .int64 : first
    case "Dropout": return output == 1 ? .bool : first
    case "MatMul", "Gemm", "Gather", "Reshape", "Flatten", "Expand", "Squeeze", "Unsqueeze", "Add", "Sub", "Mul", "Div",
      "Pow", "Mod", "Max", "Min", "Sum", "Mean", "Range", "GatherND", "Compress":
      return first
    default: return node.op.hasPrefix("Reduce") || Self.keepsRank.contains(node.op) ? first : nil
    }
  }

  /// Operators whose outputs have the rank and the type of their first input.
  private static let keepsRank: Set<String> = [
    "Abs", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "Concat", "Conv", "ConvTranspose",
    "Cos",
    "CumSum", "DepthToSpace", "DequantizeLinear", "Dropout", "Elu", "Erf", "Exp", "Floor", "GatherElements", "Gelu",
    "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "HardSigmoid", "HardSwish", "Hardmax", "Identity",
    "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization",
    "MaxPool",
    "MeanVarianceNormalization", "Mish", "Neg", "PRelu", "Pad", "QuantizeLinear", "RMSNormalization", "Reciprocal",
    "Relu",
    "Resize",
    "Round",
    "ScatterElements", "ScatterND", "Selu", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Softplus", "Softsign",
    "SpaceToDepth", "Split", "Sqrt", "Swish", "Tanh", "ThresholdedRelu", "Tile", "TopK", "Transpose", "Trilu",
  ]
}
