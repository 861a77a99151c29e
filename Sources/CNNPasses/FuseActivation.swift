import CNNModel

extension Pass {
  /// Relu or Clip behind an operator that can clamp its result becomes that operator's activation: the result is clamped
  /// in registers instead of being stored and read again.
  public static let fuseActivation = Pass.everywhere("fuse-activation") { graph, index in
    guard let activation = Activation(graph[index].kind) else { return false }
    let input = graph[index].inputs[0]
    guard graph.isFloat(input), graph.isPrivate(input), let producer = graph.producer(of: input),
      graph[producer].kind.canFuseActivation, graph[producer].activation == .none
    else { return false }
    graph.merge(index, into: producer)
    graph[producer].activation = activation
    return true
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
