extension ONNXGraph {
  /// Lets everybody read what an Identity reads. One that gives an input, a constant or another output of the model as
  /// an output stays: it is what makes them two values.
  mutating func removeIdentities() {
    var alias: [String: String] = [:]
    func source(_ value: String) -> String {
      var value = value
      while let next = alias[value] { value = next }
      return value
    }
    let results = Set(outputs.map(\.name))
    nodes.removeAll { node in
      guard node.domain.isEmpty, node.op == "Identity", node.inputs.count == 1, let output = node.output(0),
        !results.contains(output), !node.inputs[0].isEmpty
      else { return false }
      alias[output] = source(node.inputs[0])
      return true
    }
    for index in nodes.indices { nodes[index].inputs = nodes[index].inputs.map(source) }
    nameBehindIdentities(results)
  }

  /// Identities that are left give outputs: where a node writes what they read, it can write the output itself.
  private mutating func nameBehindIdentities(_ results: Set<String>) {
    var renamed: [String: String] = [:]
    let written = Set(nodes.flatMap(\.outputs))
    nodes.removeAll { node in
      guard node.domain.isEmpty, node.op == "Identity", node.inputs.count == 1, let output = node.output(0),
        written.contains(node.inputs[0]), !results.contains(node.inputs[0]), renamed[node.inputs[0]] == nil
      else { return false }
      renamed[node.inputs[0]] = output
      return true
    }
    guard !renamed.isEmpty else { return }
    for index in nodes.indices {
      nodes[index].inputs = nodes[index].inputs.map { renamed[$0] ?? $0 }
      nodes[index].outputs = nodes[index].outputs.map { renamed[$0] ?? $0 }
    }
  }
}
