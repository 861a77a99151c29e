import CNNModel

extension Pass {
  /// Zeros put around an image, then Conv: the convolution's own padding.
  public static let foldPadding = Pass.exhaustively("fold-padding") { graph in
    for index in graph.operators.indices {
      guard case .conv(var window, let group) = graph.operators[index].kind,
        let producer = graph.producer(of: graph.operators[index].inputs[0]),
        case .pad(let padding) = graph.operators[producer].kind, padding.isBorderOfZeros
      else { continue }
      window.padTop += padding.begins[2]
      window.padLeft += padding.begins[3]
      window.padBottom += padding.ends[2]
      window.padRight += padding.ends[3]
      graph.operators[index].kind = .conv(window, group: group)
      graph.operators[index].inputs[0] = graph.operators[producer].inputs[0]
      return true
    }
    return false
  }
}

extension Padding {
  /// Around the pixels of [N,C,H,W], nothing cut off.
  fileprivate var isBorderOfZeros: Bool {
    mode == .constant(0) && begins.count == 4 && begins[1] == 0 && ends[1] == 0
      && (begins + ends).allSatisfy { $0 >= 0 }
  }
}
