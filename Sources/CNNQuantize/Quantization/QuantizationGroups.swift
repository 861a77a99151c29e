import CNNModel

/// Which tensors of an int8 network stay float32, and which of the others have one quantization in common.
struct QuantizationGroups {
  /// Results of the last layers with weights, what only moves them, and the softmax of these: they reach the outputs
  /// unrounded.
  let floatTail: Set<String>
  /// For every other activation the tensor whose quantization it has: a network input, or the first of its group.
  let root: [String: String]

  init(_ graph: Graph) {
    floatTail = Self.floatTail(graph)
    root = Self.roots(graph, floatTail)
  }

  /// The tensors that need a quantization to be found, each with those whose values it should suit: those of its group
  /// that arithmetic reads. (Behind a convolution and a max pool it is only the pool's result that matters.)
  func calibrated(_ graph: Graph) -> [String: [String]] {
    var groups: [String: [String]] = [:]
    for layer in graph.operators {
      let tensor = layer.output
      guard let root = root[tensor], !graph.inputs.contains(root) else { continue }
      let isRead =
        graph.outputs.contains(tensor)
        || graph.consumers(of: tensor).contains { self.root[graph.operators[$0].output] != root }
      if isRead { groups[root, default: []].append(tensor) }
    }
    return groups
  }

  // MARK: Float

  private static func floatTail(_ graph: Graph) -> Set<String> {
    var tail = Set(graph.operators.filter { $0.kind.hasWeight || $0.kind.moves || $0.kind.isSoftmax }.map(\.output))
    var before = -1
    while tail.count != before {
      before = tail.count
      for layer in graph.operators where tail.contains(layer.output) {
        let keepsFloats = graph.consumers(of: layer.output).allSatisfy { reader in
          let kind = graph.operators[reader].kind
          return (kind.moves || kind.isSoftmax) && tail.contains(graph.operators[reader].output)
        }
        // What moves uint8 values gives uint8 values.
        let readsFloats = !layer.kind.moves || layer.inputs.allSatisfy(tail.contains)
        if !keepsFloats || !readsFloats { tail.remove(layer.output) }
      }
    }
    return tail
  }

  // MARK: Groups

  private static func roots(_ graph: Graph, _ tail: Set<String>) -> [String: String] {
    var parent: [String: String] = [:]
    func root(_ tensor: String) -> String {
      var tensor = tensor
      while let next = parent[tensor], next != tensor { tensor = next }
      return tensor
    }
    for input in graph.inputs { parent[input] = input }
    for layer in graph.operators where !tail.contains(layer.output) {
      parent[layer.output] = layer.kind.keepsValues ? root(layer.inputs[0]) : layer.output
    }
    for layer in graph.operators where layer.kind.isConcat && !tail.contains(layer.output) {
      let result = root(layer.output)
      for input in layer.inputs where graph.serves(only: layer, root(input), roots: parent, root) {
        parent[root(input)] = result
      }
    }
    // The first tensor of each group gives it its name; network inputs come before all others.
    var first: [String: String] = [:]
    let order = graph.inputs + graph.operators.map(\.output)
    for tensor in order where parent[tensor] != nil && first[root(tensor)] == nil { first[root(tensor)] = tensor }
    return Dictionary(uniqueKeysWithValues: parent.keys.map { ($0, first[root($0)]!) })
  }
}

extension Graph {
  /// Whether a group of tensors is made for one Concat alone. Then it may as well have the result's quantization: values
  /// are rounded once, and moved.
  fileprivate func serves(
    only concat: Operator, _ group: String, roots: [String: String], _ root: (String) -> String
  ) -> Bool {
    let members = roots.keys.filter { root($0) == group }
    return members.allSatisfy { member in
      !inputs.contains(member) && !outputs.contains(member)
        && consumers(of: member).allSatisfy { reader in
          operators[reader].output == concat.output || root(operators[reader].output) == group
        }
    }
  }
}

extension OperatorKind {
  /// Only moves or selects values, of one tensor or of several.
  var moves: Bool { keepsValues || isConcat }

  var isConcat: Bool { if case .concat = self { true } else { false } }

  var isSoftmax: Bool { if case .softmax = self { true } else { false } }
}
