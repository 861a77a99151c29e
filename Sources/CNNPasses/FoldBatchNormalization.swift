import CNNModel

extension Pass {
  /// Conv, ConvTranspose or Gemm, then BatchNormalization: with factor = scale / √(variance + ε),
  ///   weight′ = weight · factor,  bias′ = (bias − mean) · factor + shift,
  /// per output channel, in double precision.
  public static let foldBatchNormalization = Pass.everywhere("fold-batch-normalization") { graph, index in
    guard case .batchNormalization = graph[index].kind else { return false }
    return graph.foldIntoProducer(index)
  }

  /// A BatchNormalization that could not be folded, as a depthwise 1×1 Conv (or a Gemm with a diagonal matrix): the form
  /// in which it can be quantized.
  public static let batchNormalizationToConv = Pass.everywhere("batch-normalization-to-conv") { graph, index in
    guard case .batchNormalization = graph[index].kind, let affine = Affine(graph, index) else { return false }
    graph.replaceByDiagonal(index, affine)
    return true
  }
}

extension GraphEditor {
  /// Joins an operator that scales or shifts channels to the Conv, ConvTranspose or Gemm that makes them.
  mutating func foldIntoProducer(_ index: Int) -> Bool {
    guard let affine = Affine(self, index), isPrivate(affine.x), let producer = producer(of: affine.x),
      self[producer].activation == .none, hasFloatParameters(producer)
    else { return false }
    scaleWeights(of: producer, by: affine)
    merge(index, into: producer)
    return true
  }

  /// Whether an operator has a weight, and it and the bias are float32 constants.
  func hasFloatParameters(_ index: Int) -> Bool {
    let layer = self[index]
    return layer.kind.hasWeight && floats(layer.input(1)) != nil
      && (layer.input(2) == nil || floats(layer.input(2)) != nil)
  }

  private mutating func scaleWeights(of index: Int, by affine: Affine) {
    let layer = self[index]
    let weight = layer.inputs[1]
    let bias = floats(layer.input(2)) ?? [Float](repeating: 0, count: affine.factor.count)
    var values = floats(weight)!
    // The shapes fit, or there would be no output to scale.
    let order = try! WeightOrder(of: layer.kind, weightShape: shape(of: weight))
    order.forEachOutputChannel(ofWeights: values.count) { place, channel in
      values[place] = Float(Double(values[place]) * affine.factor[channel])
    }
    let folded = bias.indices.map { Float(Double(bias[$0]) * affine.factor[$0] + affine.shift[$0]) }
    setParameter(1, of: index, to: Tensor(.float32(values), shape: shape(of: weight)))
    setParameter(2, of: index, to: Tensor(.float32(folded), shape: [folded.count]))
  }

  fileprivate mutating func replaceByDiagonal(_ index: Int, _ affine: Affine) {
    let channels = affine.factor.count
    let factors = affine.factor.map { Float($0) }
    self[index].inputs = [affine.x, "", ""]
    if shape(of: affine.x).count == 4 {
      self[index].kind = .conv(Window(1), group: channels)
      setParameter(1, of: index, to: Tensor(.float32(factors), shape: [channels, 1, 1, 1]))
    } else {
      var weight = [Float](repeating: 0, count: channels * channels)
      for channel in 0..<channels { weight[channel * channels + channel] = factors[channel] }
      self[index].kind = .gemm
      setParameter(1, of: index, to: Tensor(.float32(weight), shape: [channels, channels]))
    }
    setParameter(2, of: index, to: Tensor(.float32(affine.shift.map { Float($0) }), shape: [channels]))
  }
}
