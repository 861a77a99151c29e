import CNNSupport

extension ONNXPass {
  /// Nodes that read constants only become constants, where the interpreter knows their operator. What is quantized
  /// stays: a DequantizeLinear of a constant is how integer weights are written.
  package static let foldConstants = ONNXPass("fold-constants") { (graph) throws(CNNError) in
    var count = 0
    var rest: [ONNXNode] = []
    for node in graph.nodes {
      let inputs = node.inputs.map { graph.constants[$0] }
      guard zip(node.inputs, inputs).allSatisfy({ $0.isEmpty || $1 != nil }),
        let results = try node.fold(inputs)
      else {
        rest.append(node)
        continue
      }
      for (name, result) in zip(node.outputs, results) where !name.isEmpty { graph.constants[name] = result }
      count += 1
    }
    graph.nodes = rest
    if count > 0 { _ = graph.removeUnused() }
    return count
  }

  /// Nodes and constants that no output depends on.
  package static let removeUnused = ONNXPass("remove-unused") { (graph) throws(CNNError) in graph.removeUnused() }
}

extension ONNXGraph {
  /// - Returns: how many nodes went.
  mutating func removeUnused() -> Int {
    var needed = Set(outputs.map(\.name))
    var kept: [ONNXNode] = []
    for node in nodes.reversed() where node.outputs.contains(where: { !$0.isEmpty && needed.contains($0) }) {
      needed.formUnion(node.inputs)
      kept.append(node)
    }
    let count = nodes.count - kept.count
    nodes = kept.reversed()
    constants = constants.filter { needed.contains($0.key) }
    return count
  }
}
