import CNNModel

extension Pass {
  /// Relu or Clip behind an operator that can clamp its result becomes that operator's activation: the result is clamped
  /// in registers instead of being stored and read again.
  public static let fuseActivation = Pass.exhaustively("fuse-activation") { graph in
    for index in graph.operators.indices {
      guard let activation = Activation(graph.operators[index].kind) else { continue }
      let input = graph.operators[index].inputs[0]
      guard graph.isPrivate(input), let producer = graph.producer(of: input),
        graph.operators[producer].kind.canFuseActivation, graph.operators[producer].activation == .none
      else { continue }
      graph.merge(index, into: producer)
      graph.operators[producer].activation = activation
      return true
    }
    return false
  }
}

extension Activation {
  /// What an operator does to its input, if that is what an activation can do.
  fileprivate init?(_ kind: OperatorKind) {
    switch kind {
    case .relu: self = .relu
    case .clip(let min, let max): self = .clip(min: min, max: max)
    default: return nil
    }
  }
}
