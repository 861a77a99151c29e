import CNNModel

extension Pass {
  /// Pad around an image, then Conv or a pool: the window's own padding, where it means the same. Conv and AveragePool
  /// that counts it take zeros, MaxPool what is not above the values that are there.
  public static let foldPadding = Pass.everywhere("fold-padding") { graph, index in
    let x = graph[index].inputs[0]
    guard let producer = graph.producer(of: x), case .pad(let padding) = graph[producer].kind,
      let value = padding.border, graph.isFloat(x),
      let kind = graph[index].kind.padded(
        by: padding, of: value, noneBelow: graph.lowerBound(graph[producer].inputs[0]))
    else { return false }
    let image = graph[producer].inputs[0]
    let inputs = [image] + graph[index].inputs.dropFirst()
    // A pool may find a window in the padding, which has no result.
    guard let shape = try? kind.outputShape(inputs.map { graph.tensors[$0]?.shape }),
      shape == graph.shape(of: graph[index].output)
    else { return false }
    graph[index].kind = kind
    graph.rewire(0, of: index, to: image)
    return true
  }
}

extension OperatorKind {
  /// With padding of its own instead of a border of `value` around its image, which has no values below a bound.
  fileprivate func padded(by padding: Padding, of value: Float, noneBelow bound: Float) -> OperatorKind? {
    switch self {
    case .conv(let window, let group):
      guard value == 0, let padded = window.padded(by: padding) else { return nil }
      return .conv(padded, group: group)
    case .averagePool(let window, let countIncludePad, false):
      guard value == 0, countIncludePad || window.isUnpadded, let padded = window.padded(by: padding) else {
        return nil
      }
      return .averagePool(padded, countIncludePad: true)
    case .maxPool(let window, let ceilMode):
      guard value <= bound, let padded = window.padded(by: padding) else { return nil }
      return .maxPool(padded, ceilMode: ceilMode)
    default: return nil
    }
  }
}

extension Window {
  /// nil where a bundle's window cannot have so much.
  fileprivate func padded(by padding: Padding) -> Window? {
    var result = self
    result.padTop += padding.begins[2]
    result.padLeft += padding.begins[3]
    result.padBottom += padding.ends[2]
    result.padRight += padding.ends[3]
    let largest = max(result.padTop, result.padLeft, result.padBottom, result.padRight)
    return largest <= 65_535 ? result : nil
  }
}

extension Padding {
  /// The one value around the pixels of [N,C,H,W]; nil where something is cut off or put elsewhere.
  fileprivate var border: Float? {
    guard case .constant(let value) = mode, begins.count == 4, begins[1] == 0, ends[1] == 0,
      (begins + ends).allSatisfy({ $0 >= 0 })
    else { return nil }
    return value
  }
}

extension GraphEditor {
  /// What the values of a tensor are not below, as far as its operator says.
  fileprivate func lowerBound(_ tensor: String) -> Float {
    let none = -Float.greatestFiniteMagnitude
    guard let index = producer(of: tensor) else { return none }
    let own: Float =
      switch self[index].kind {
      case .relu, .unary(.sigmoid), .unary(.hardSigmoid), .softmax: 0
      case .clip(let min, _): min
      default: none
      }
    return max(own, self[index].activation.bounds.lower, none)
  }
}
