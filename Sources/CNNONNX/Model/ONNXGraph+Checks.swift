import CNNSupport

extension ONNXGraph {
  /// Gives every node a name of its own: operator and first output where it has none, a number where it is not the
  /// first.
  mutating func nameNodes() {
    var names = UniqueNames()
    for index in nodes.indices {
      let node = nodes[index]
      let base = node.name.isEmpty ? "\(node.op):\(node.outputs.first { !$0.isEmpty } ?? "")" : node.name
      nodes[index].name = names.make(base)
    }
  }

  /// Every value has one writer, and every value that is read has one.
  func checkValues() throws(CNNError) {
    var written = Set(constants.keys)
    for input in inputs {
      guard !input.name.isEmpty else { throw CNNError("an input of the model has no name", at: "inputs") }
      guard written.insert(input.name).inserted else {
        throw CNNError("there are two of that name", at: "input “\(input.name)”")
      }
    }
    for node in nodes {
      for output in node.outputs where !output.isEmpty {
        guard written.insert(output).inserted else {
          throw CNNError("its output “\(output)” is the name of another value too", at: node.place)
        }
      }
    }
    for node in nodes {
      if let missing = node.inputs.first(where: { !$0.isEmpty && !written.contains($0) }) {
        throw CNNError(
          "it reads “\(missing)”, which nothing writes", at: node.place,
          advice: "the file is incomplete (sparse initialisers are not read); export it again")
      }
    }
    if let missing = outputs.first(where: { !written.contains($0.name) }) {
      throw CNNError("nothing writes this output of the model", at: "output “\(missing.name)”")
    }
  }

  /// Nodes in an order in which each reads what is there; those that are in order keep their places.
  mutating func sortNodes() throws(CNNError) {
    var known = Set(constants.keys).union(inputs.map(\.name))
    guard
      nodes.contains(where: { node in
        defer { known.formUnion(node.outputs) }
        return !node.inputs.allSatisfy { $0.isEmpty || known.contains($0) }
      })
    else { return }

    var writer: [String: Int] = [:]
    for (index, node) in nodes.enumerated() { for output in node.outputs { writer[output] = index } }
    writer[""] = nil
    var readers = [[Int]](repeating: [], count: nodes.count)
    var missing = nodes.map { node in Set(node.inputs.compactMap { writer[$0] }) }
    for (index, sources) in missing.enumerated() { for source in sources { readers[source].append(index) } }
    var ready = nodes.indices.filter { missing[$0].isEmpty }
    var order: [Int] = []
    while order.count < ready.count {
      let index = ready[order.count]
      order.append(index)
      for reader in readers[index] {
        missing[reader].remove(index)
        if missing[reader].isEmpty { ready.append(reader) }
      }
    }
    guard order.count == nodes.count else {
      let stuck = nodes.indices.first { !missing[$0].isEmpty }!
      throw CNNError("its inputs depend on its own output: the graph has a cycle", at: nodes[stuck].place)
    }
    nodes = order.map { nodes[$0] }
  }
}
