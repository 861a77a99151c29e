import CNNSupport

extension ONNXGraph {
  /// Brings every node to the form of the newest opset, from the first on, so that everything after it knows one form
  /// only: inputs that were attributes, `Resize` for `Upsample`, broadcasting as numpy has it … Constant and Identity
  /// nodes are gone, and outputs that nobody reads are "".
  ///
  /// What depends on a rank or a size that the file does not give becomes shape arithmetic (Shape, Gather, Reshape …),
  /// which is folded when the shapes are known.
  /// - Throws: what an operator's attributes cannot mean, and the node.
  package mutating func upgradeOpset() throws(CNNError) {
    let read = Set(nodes.flatMap(\.inputs)).union(outputs.map(\.name))
    var upgrade = Upgrade(self)
    for node in nodes {
      var node = node
      node.outputs = node.outputs.map { read.contains($0) ? $0 : "" }
      while node.outputs.count > 1 && node.outputs.last == "" { node.outputs.removeLast() }
      guard node.outputs != [""], !node.outputs.isEmpty else { continue }
      do {
        try upgrade.replace(node)
      } catch {
        throw error.place.hasPrefix(node.place) ? error : error.inside(node.place)
      }
    }
    nodes = upgrade.maker.nodes
    constants = upgrade.constants.merging(upgrade.maker.constants) { old, _ in old }
    removeIdentities()
  }
}

/// One pass over the nodes; what becomes of each is appended to `maker.nodes`.
struct Upgrade {
  var maker: NodeMaker
  var constants: [String: ONNXTensor]
  private var facts: ValueFacts

  init(_ graph: ONNXGraph) {
    maker = NodeMaker(graph)
    constants = graph.constants
    facts = ValueFacts(graph)
  }

  /// The rank if it is known.
  func rank(of value: String) -> Int? { facts.ranks[value] }

  /// Replaces a node, and learns from what stands for it.
  mutating func replace(_ node: ONNXNode) throws(CNNError) {
    let before = maker.nodes.count
    try upgrade(node)
    for output in node.outputs { if let constant = constants[output] { facts.learn(output, constant) } }
    for node in maker.nodes[before...] { facts.learn(node) { constants[$0] ?? maker.constants[$0] } }
  }

  private mutating func upgrade(_ source: ONNXNode) throws(CNNError) {
    var node = source
    guard node.domain.isEmpty else { return maker.nodes.append(microsoft(node)) }
    node.attributes["consumed_inputs"] = nil
    switch node.op {
    case "Constant": try constant(node)
    case "Identity": maker.nodes.append(node)
    case "Cast": try cast(node)
    case "CastLike": castLike(node, facts.types)
    case "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less", "PRelu":
      broadcasting(node)
    case "Gemm":
      node.attributes["broadcast"] = nil
      maker.nodes.append(node)
    case "BatchNormalization": batchNormalization(node)
    case "GroupNormalization": groupNormalization(node)
    case "Dropout": dropout(node)
    case "Softmax", "LogSoftmax", "Hardmax": softmax(node)
    case "Upsample", "Resize": try resize(node)
    case "Tile": tile(node)
    default: maker.nodes.append(try withInputs(node))
    }
  }

  /// Operators of Microsoft's that are ONNX's own by now.
  private func microsoft(_ node: ONNXNode) -> ONNXNode {
    var node = node
    if node.domain == "com.microsoft" && node.op == "Gelu" { node.domain = "" }
    return node
  }
}
