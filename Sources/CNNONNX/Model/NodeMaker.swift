/// Makes nodes and constants beside those of a graph, with names of their own: what a rewrite needs.
struct NodeMaker {
  private(set) var constants: [String: ONNXTensor] = [:]
  /// What was made, in order.
  var nodes: [ONNXNode] = []
  private var values: UniqueNames
  private var nodeNames: UniqueNames

  init(_ graph: ONNXGraph) {
    values = graph.valueNames
    nodeNames = UniqueNames(graph.nodes.map(\.name))
  }

  /// A constant's name.
  /// - Parameter origin: the node for which it is made.
  mutating func constant(_ tensor: ONNXTensor, _ what: String, for origin: ONNXNode) -> String {
    let name = values.make("\(origin.name)/\(what)")
    constants[name] = tensor
    return name
  }

  /// Adds a node with one output.
  /// - Parameters:
  ///   - output: its name, nil for a new one.
  ///   - origin: the node instead of which it is made; its opset is the new one's, for errors.
  /// - Returns: the name of the output.
  @discardableResult
  mutating func add(
    _ op: String, _ inputs: [String], _ attributes: [String: ONNXAttribute] = [:], output: String? = nil,
    for origin: ONNXNode
  ) -> String {
    let name = nodeNames.make("\(origin.name)/\(op)")
    let output = output ?? values.make(name)
    nodes.append(
      ONNXNode(
        name: name, op: op, inputs: inputs, outputs: [output], attributes: attributes, opset: origin.opset))
    return output
  }
}
