import CNNModel

/// A rewrite of a float graph into one that computes the same with less. Small and independent, so that each is tested
/// by itself; what one makes possible the next one does.
public struct Pass: Sendable {
  public let name: String
  /// Changes the graph and says in how many places.
  public let rewrite: @Sendable (inout Graph) -> Int

  package init(_ name: String, _ rewrite: @escaping @Sendable (inout Graph) -> Int) {
    self.name = name
    self.rewrite = rewrite
  }

  /// What every export does, in this order.
  public static let forInference: [Pass] = [
    .removeDropout, .foldPadding, .foldBatchNormalization, .fuseActivation, .flattenedGemmToConv, .removeUnused,
  ]

  /// Operators whose results nobody reads, tensors that nobody names.
  public static let removeUnused = Pass("remove-unused") { graph in
    let before = graph.operators.count
    graph.removeUnused()
    return before - graph.operators.count
  }

  /// Rewrites one place after the other until `rewriteOne` finds none.
  package static func exhaustively(_ name: String, _ rewriteOne: @escaping @Sendable (inout Graph) -> Bool) -> Pass {
    Pass(name) { graph in
      var count = 0
      while rewriteOne(&graph) { count += 1 }
      return count
    }
  }
}

extension Graph {
  /// Runs passes one after the other and says what each did.
  @discardableResult
  public mutating func run(_ passes: [Pass]) -> [(pass: String, rewrites: Int)] {
    passes.map { ($0.name, $0.rewrite(&self)) }
  }

  /// Whether exactly one operator reads a tensor, once, and the network's caller does not see it: then nobody notices
  /// when its producer writes something else instead.
  package func isPrivate(_ tensor: String) -> Bool {
    operators.reduce(0) { $0 + $1.inputs.count { $0 == tensor } } == 1 && !outputs.contains(tensor)
  }

  /// The elements of a float32 constant; nil for anything else.
  package func floats(_ name: String?) -> [Float]? { name.flatMap { tensors[$0]?.data?.floats } }

  /// Joins an operator to the one before it. The result keeps the earlier one's name, that of the layer which computes
  /// it, unless the network's caller knows the later one's.
  package mutating func merge(_ later: Int, into earlier: Int) {
    let (before, after) = (operators[earlier].output, operators[later].output)
    if operators[later].activation != .none { operators[earlier].activation = operators[later].activation }
    operators.remove(at: later)
    if outputs.contains(after) {
      operators[earlier].outputs = [after]
    } else {
      replaceUses(of: after, with: before)
    }
  }
}
