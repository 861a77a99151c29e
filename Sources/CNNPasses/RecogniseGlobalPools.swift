import CNNModel

extension Pass {
  /// ReduceMean or ReduceMax over the pixels, and pools whose window is the whole image: global pools.
  public static let recogniseGlobalPools = Pass.everywhere("recognise-global-pools") { graph, index in
    let layer = graph[index]
    let shape = graph.shape(of: layer.inputs[0])
    switch layer.kind {
    case .maxPool(let window, false) where window.covers(shape):
      graph[index].kind = .globalMaxPool
    case .averagePool(let window, _, false) where window.covers(shape) && graph.isFloat(layer.output):
      graph[index].kind = .globalAveragePool
    case .reduce(let reduction, axes: [2, 3], let keepDims) where shape.count == 4:
      guard let pool = OperatorKind(globally: reduction), graph.isFloat(layer.output) else { return false }
      guard !keepDims else {
        graph[index].kind = pool
        return true
      }
      // Between DequantizeLinear and QuantizeLinear there is to be one operator.
      guard !graph.isQuantizedNext(layer.output) else { return false }
      let pooled = graph.insert(
        "\(layer.name).pool", pool, layer.inputs, as: Tensor(shape: [shape[0], shape[1], 1, 1]), before: index)
      graph[index].kind = .flatten
      graph[index].inputs = [pooled]
    default: return false
    }
    return true
  }
}

extension OperatorKind {
  fileprivate init?(globally reduction: Reduction) {
    switch reduction {
    case .mean: self = .globalAveragePool
    case .max: self = .globalMaxPool
    case .sum, .min: return nil
    }
  }
}

extension Window {
  /// Whether the window is the whole of an image [N,C,H,W], and nothing around it.
  fileprivate func covers(_ shape: [Int]) -> Bool {
    isUnpadded && dilationY == 1 && dilationX == 1 && kernelHeight == shape[2] && kernelWidth == shape[3]
  }
}

extension GraphEditor {
  /// Whether a tensor's value goes to int8: what makes it belongs to a region that becomes one operator.
  func isQuantizedNext(_ tensor: String) -> Bool { readers(of: tensor).contains { self[$0].kind == .quantizeLinear } }
}
