import CNNModel

extension Pass {
  /// Add, Sub, Mul or Div by a constant for each channel goes into the weight and bias of the Conv, ConvTranspose or
  /// Gemm before it, or behind it; so does a BatchNormalization before one. Behind a shift there must be no padding,
  /// which is zeros that were not shifted. Two such operators in a row that find none become one BatchNormalization.
  public static let foldScale = Pass.everywhere("fold-scale") { graph, index in
    graph.foldIntoProducer(index) || graph.foldIntoReader(index) || graph.joinAffines(index)
  }
}

extension GraphEditor {
  fileprivate mutating func foldIntoReader(_ index: Int) -> Bool {
    let y = self[index].output
    guard let affine = Affine(self, index), self[index].activation == .none, isPrivate(y),
      let reader = readers(of: y).first, self[reader].inputs[0] == y, hasFloatParameters(reader),
      affine.shift.allSatisfy({ $0 == 0 }) || self[reader].kind.seesWholeWindows
    else { return false }
    scaleInputs(of: reader, by: affine)
    self[reader].inputs[0] = affine.x
    remove(index)
    return true
  }

  /// weight′ = weight · factor,  bias′ = bias + Σ weight · shift, per input channel.
  private mutating func scaleInputs(of index: Int, by affine: Affine) {
    let layer = self[index]
    let (weight, sizes) = (layer.inputs[1], shape(of: layer.inputs[1]))
    let order = try! WeightOrder(of: layer.kind, weightShape: sizes)
    var values = floats(weight)!
    var bias = floats(layer.input(2))?.map(Double.init) ?? .init(repeating: 0, count: order.outputChannels)
    let plane = sizes.dropFirst(2).reduce(1, *)
    let (inputs, outputs) = (order.inputChannels / order.group, order.outputChannels / order.group)
    order.forEachOutputChannel(ofWeights: values.count) { place, channel in
      let row = place / plane
      let input = order.isTransposed ? row / outputs : channel / outputs * inputs + row % inputs
      bias[channel] += Double(values[place]) * affine.shift[input]
      values[place] = Float(Double(values[place]) * affine.factor[input])
    }
    setParameter(1, of: index, to: Tensor(.float32(values), shape: sizes))
    if layer.input(2) != nil || affine.shift.contains(where: { $0 != 0 }) {
      setParameter(2, of: index, to: Tensor(.float32(bias.map { Float($0) }), shape: [bias.count]))
    }
  }

  /// The operator and the one before it as one BatchNormalization, with mean 0 and variance 1.
  fileprivate mutating func joinAffines(_ index: Int) -> Bool {
    guard let second = Affine(self, index), isPrivate(second.x), let before = producer(of: second.x),
      self[before].activation == .none, let first = Affine(self, before), [2, 4].contains(shape(of: first.x).count)
    else { return false }
    let both = first.followed(by: second)
    self[index].kind = .batchNormalization(epsilon: 0)
    self[index].inputs = [first.x]
    remove(before)
    let channels = both.factor.count
    for (input, values) in [
      both.factor.map { Float($0) }, both.shift.map { Float($0) }, .init(repeating: 0, count: channels),
      .init(repeating: 1, count: channels),
    ].enumerated() {
      setParameter(input + 1, of: index, to: Tensor(.float32(values), shape: [channels]))
    }
    return true
  }
}

extension OperatorKind {
  /// Whether each result is a sum over all of the weights: no padding, and no gaps of a transposed convolution.
  fileprivate var seesWholeWindows: Bool {
    switch self {
    case .gemm: true
    case .conv(let window, _): window.isUnpadded
    default: false
    }
  }
}

extension Window {
  var isUnpadded: Bool { [padTop, padLeft, padBottom, padRight].allSatisfy { $0 == 0 } }
}
