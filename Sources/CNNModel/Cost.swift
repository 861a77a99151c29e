/// How large a network is and how much it computes, as the literature counts it.
extension Graph {
  /// Learned numbers: weights, biases, and the scales and biases of normalisations (the running statistics of batch
  /// normalisation are not learned), each constant once.
  public var parameterCount: Int {
    var counted: Set<String> = []
    for layer in operators {
      switch layer.kind {
      case .conv, .convTranspose, .gemm, .batchNormalization, .layerNormalization, .groupNormalization,
        .instanceNormalization, .pRelu:
        counted.formUnion(layer.inputs.dropFirst().prefix(2))
      default: break
      }
    }
    return counted.reduce(0) { $0 + (tensors[$1]?.data?.count ?? 0) }
  }

  /// Multiply-adds of the convolutions, fully connected layers and matrix products, for one image.
  public var multiplyAdds: Int { operators.reduce(0) { $0 + multiplyAdds(of: $1) } }

  /// Multiply-adds of one layer, for one image; 0 for layers that are no products.
  public func multiplyAdds(of layer: Operator) -> Int {
    guard let x = tensors[layer.inputs[0]], let y = tensors[layer.output] else { return 0 }
    let outputs = y.shape.dropFirst().reduce(1, *)
    switch layer.kind {
    case .conv, .gemm:
      // Each output value takes one multiply-add per weight of its channel.
      guard let weight = weight(of: layer) else { return 0 }
      return outputs * weight.shape.dropFirst().reduce(1, *)
    case .convTranspose:
      // Each input value meets each weight of its channel.
      guard let weight = weight(of: layer) else { return 0 }
      return x.shape.dropFirst().reduce(1, *) * weight.shape.dropFirst().reduce(1, *)
    case .matMul: return outputs * (x.shape.last ?? 0)
    default: return 0
    }
  }
}
