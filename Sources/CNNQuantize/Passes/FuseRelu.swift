import CNNModel

extension Pass {
  /// Relu behind Conv, Gemm, Add or BatchNormalization becomes that operator's activation: the result is clamped in
  /// registers instead of being stored and read again.
  public static let fuseRelu = Pass.exhaustively("fuse-relu") { graph in
    for index in graph.operators.indices where graph.operators[index].kind == .relu {
      let input = graph.operators[index].inputs[0]
      guard graph.isPrivate(input), let producer = graph.producer(of: input),
        graph.operators[producer].canClamp
      else { continue }
      graph.merge(index, into: producer)
      graph.operators[producer].activation = .relu
      return true
    }
    return false
  }
}

extension Operator {
  fileprivate var canClamp: Bool {
    switch kind {
    case .conv, .gemm, .add, .batchNormalization: activation == .none
    default: false
    }
  }
}
