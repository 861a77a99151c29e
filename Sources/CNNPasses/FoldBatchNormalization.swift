import CNNModel

extension Pass {
  /// Conv, ConvTranspose or Gemm, then BatchNormalization: with factor = scale / √(variance + ε),
  ///   weight′ = weight · factor,  bias′ = (bias − mean) · factor + shift,
  /// per output channel, in double precision.
  public static let foldBatchNormalization = Pass.exhaustively("fold-batch-normalization") { graph in
    for index in graph.operators.indices {
      guard let (producer, affine) = graph.foldable(index) else { continue }
      graph.scaleWeights(of: producer, by: affine)
      graph.merge(index, into: producer)
      return true
    }
    return false
  }

  /// A BatchNormalization that could not be folded, as a depthwise 1×1 Conv (or a Gemm with a diagonal matrix): the form
  /// in which it can be quantized.
  public static let batchNormalizationToConv = Pass.exhaustively("batch-normalization-to-conv") { graph in
    for index in graph.operators.indices {
      guard let affine = Affine(graph, graph.operators[index]) else { continue }
      graph.replaceByDiagonal(index, affine)
      return true
    }
    return false
  }
}

/// y = x · factor + shift per channel: what a BatchNormalization with fixed statistics computes.
private struct Affine {
  let factor, shift: [Double]

  /// nil for another operator, or where the parameters are not constant.
  init?(_ graph: Graph, _ layer: Operator) {
    guard case .batchNormalization(let epsilon) = layer.kind,
      let scale = graph.floats(layer.input(1)), let bias = graph.floats(layer.input(2)),
      let mean = graph.floats(layer.input(3)), let variance = graph.floats(layer.input(4))
    else { return nil }
    let factor = scale.indices.map { Double(scale[$0]) / (Double(variance[$0]) + Double(epsilon)).squareRoot() }
    self.factor = factor
    shift = bias.indices.map { Double(bias[$0]) - Double(mean[$0]) * factor[$0] }
  }
}

extension Graph {
  fileprivate func foldable(_ index: Int) -> (producer: Int, affine: Affine)? {
    let layer = operators[index]
    guard let affine = Affine(self, layer), isPrivate(layer.inputs[0]), let producer = producer(of: layer.inputs[0]),
      operators[producer].kind.hasWeight, operators[producer].activation == .none,
      floats(operators[producer].input(1)) != nil,
      operators[producer].input(2) == nil || floats(operators[producer].input(2)) != nil
    else { return nil }
    return (producer, affine)
  }

  fileprivate mutating func scaleWeights(of index: Int, by affine: Affine) {
    let layer = operators[index]
    let weight = layer.inputs[1]
    let bias = floats(layer.input(2)) ?? [Float](repeating: 0, count: affine.factor.count)
    var values = floats(weight)!
    // The shapes fit, or there would be no output to normalise.
    let order = try! WeightOrder(of: layer.kind, weightShape: tensors[weight]!.shape)
    order.forEachOutputChannel(ofWeights: values.count) { place, channel in
      values[place] = Float(Double(values[place]) * affine.factor[channel])
    }
    let folded = bias.indices.map { Float(Double(bias[$0]) * affine.factor[$0] + affine.shift[$0]) }
    setParameter(1, of: index, to: Tensor(.float32(values), shape: tensors[weight]!.shape))
    setParameter(2, of: index, to: Tensor(.float32(folded), shape: [folded.count]))
  }

  fileprivate mutating func replaceByDiagonal(_ index: Int, _ affine: Affine) {
    let channels = affine.factor.count
    let factors = affine.factor.map { Float($0) }
    operators[index].inputs = [operators[index].inputs[0], "", ""]
    if tensors[operators[index].inputs[0]]!.shape.count == 4 {
      operators[index].kind = .conv(Window(1), group: channels)
      setParameter(1, of: index, to: Tensor(.float32(factors), shape: [channels, 1, 1, 1]))
    } else {
      var weight = [Float](repeating: 0, count: channels * channels)
      for channel in 0..<channels { weight[channel * channels + channel] = factors[channel] }
      operators[index].kind = .gemm
      setParameter(1, of: index, to: Tensor(.float32(weight), shape: [channels, channels]))
    }
    setParameter(2, of: index, to: Tensor(.float32(affine.shift.map { Float($0) }), shape: [channels]))
  }

  /// Gives an operator a constant: in place of the one it has, or beside it where others read that one too.
  package mutating func setParameter(_ input: Int, of index: Int, to constant: Tensor) {
    var name = operators[index].input(input) ?? ""
    if name.isEmpty || !isPrivate(name) {
      let part = operators[index].kind.hasWeight ? ["x", "weight", "bias"][input] : "operand\(input)"
      name = freeName("\(operators[index].name).\(part)")
    }
    while operators[index].inputs.count <= input { operators[index].inputs.append("") }
    operators[index].inputs[input] = name
    tensors[name] = constant
  }
}
