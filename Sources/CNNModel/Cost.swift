/// How large a network is and how much it computes, as the literature counts it.
extension Graph {
  /// Learned numbers: weights, biases, and the scales and biases of batch normalisation (its running statistics are
  /// not learned), each constant once.
  public var parameterCount: Int {
    var counted: Set<String> = []
    for layer in operators {
      let names: ArraySlice<String> =
        switch layer.kind {
        case .conv, .gemm, .batchNormalization: layer.inputs.dropFirst().prefix(2)
        default: []
        }
      counted.formUnion(names)
    }
    return counted.reduce(0) { $0 + (tensors[$1]?.data?.count ?? 0) }
  }

  /// Multiply-adds of the convolutions and fully connected layers, for one image.
  public var multiplyAdds: Int { operators.reduce(0) { $0 + multiplyAdds(of: $1) } }

  /// Multiply-adds of one layer, for one image; 0 for layers that are neither Conv nor Gemm.
  public func multiplyAdds(of layer: Operator) -> Int {
    guard let weight = weight(of: layer), let output = tensors[layer.output] else { return 0 }
    // Each output value takes one multiply-add per weight of its channel.
    return output.shape.dropFirst().reduce(1, *) * weight.shape.dropFirst().reduce(1, *)
  }
}
