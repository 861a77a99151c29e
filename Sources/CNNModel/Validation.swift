import CNNSupport

extension Graph {
  /// Checks everything a bundle promises: the order of the operators, names, shapes, types and quantization.
  /// - Throws: `CNNError` with the layer or tensor.
  public func validate() throws(CNNError) {
    try checkStrings()
    try checkTensors()
    try checkOrder()
    for layer in operators {
      do {
        try checkCount(of: layer)
        try checkShape(of: layer)
        try checkTypes(of: layer)
      } catch { throw error.inside("layer \(layer.name)") }
    }
    try checkRecipe()
    try checkSelfTest()
  }

  // MARK: Tensors

  /// A bundle's strings end with a NUL.
  private func checkStrings() throws(CNNError) {
    let strings = operators.map(\.name) + usedTensors + labels + metadata.entries.flatMap { [$0.key, $0.value] }
    for string in strings where string.utf8.contains(0) {
      throw CNNError("the text “\(string)” has a NUL character in it", advice: "remove it")
    }
  }

  private func checkTensors() throws(CNNError) {
    for name in usedTensors {
      guard let tensor = tensors[name] else { throw CNNError("is named but not there", at: "tensor \(name)") }
      do { try tensor.validate() } catch { throw error.inside("tensor \(name)") }
    }
  }

  private func checkOrder() throws(CNNError) {
    guard !outputs.isEmpty else { throw CNNError("the network has no output") }
    guard Set(inputs).count == inputs.count, Set(outputs).count == outputs.count else {
      throw CNNError("a tensor is named twice among the network's inputs or outputs")
    }
    guard Set(operators.map(\.name)).count == operators.count else { throw CNNError("two layers have one name") }
    for name in inputs where name.isEmpty || tensors[name]!.isConstant {
      throw CNNError("a network input has no name or is a constant", at: "tensor \(name)")
    }
    var written = Set(inputs)
    for layer in operators {
      for name in layer.inputs where !name.isEmpty && !written.contains(name) && !tensors[name]!.isConstant {
        throw CNNError("reads \(name) before it is written", at: "layer \(layer.name)")
      }
      for name in layer.outputs {
        guard !name.isEmpty, !tensors[name]!.isConstant, written.insert(name).inserted else {
          throw CNNError(
            "writes “\(name)”, which is a constant, an input or written already", at: "layer \(layer.name)")
        }
      }
    }
    for name in outputs where !written.contains(name) {
      throw CNNError("a network output that nothing writes", at: "tensor \(name)")
    }
  }

  // MARK: Layers

  private func checkCount(of layer: Operator) throws(CNNError) {
    let allowed =
      switch layer.kind {
      case .conv, .gemm: 2...3
      case .batchNormalization: 5...5
      case .add: 2...2
      default: 1...1
      }
    guard allowed.contains(layer.inputs.count), layer.outputs.count == 1 else {
      throw CNNError("\(layer.kind.name) with \(layer.inputs.count) inputs and \(layer.outputs.count) outputs")
    }
    // Only a bias may be absent.
    guard !layer.inputs.prefix(2).contains(""), allowed == 2...3 || !layer.inputs.contains("") else {
      throw CNNError("\(layer.kind.name) lacks an input")
    }
    guard layer.activation == .none || layer.kind.canFuseActivation else {
      throw CNNError("\(layer.kind.name) cannot have an activation fused")
    }
    switch layer.kind {
    case .conv(_, let group) where group != 1:
      throw CNNError("grouped convolution (group \(group)) is not in bundle version 1.0")
    case .batchNormalization(let epsilon):
      guard epsilon.isFinite, epsilon >= 0 else { throw CNNError("epsilon is \(epsilon)", advice: "use 1e-5") }
    default: break
    }
  }

  private func checkShape(of layer: Operator) throws(CNNError) {
    let shape = try layer.kind.outputShape(layer.inputs.map { tensors[$0]?.shape })
    let declared = tensors[layer.output]!.shape
    guard declared == shape else {
      throw CNNError("its output is \(text(declared)) but its inputs give \(text(shape))")
    }
  }

  private func checkTypes(of layer: Operator) throws(CNNError) {
    let x = tensors[layer.inputs[0]]!
    let y = tensors[layer.output]!
    func refuse(_ why: String) -> CNNError { CNNError("\(layer.kind.name) \(why)") }
    guard x.type == .float32 || x.type == .uint8 else { throw refuse("cannot read \(x.type)") }
    switch layer.kind {
    case .conv, .gemm:
      try checkMultiplication(x, weight: tensors[layer.inputs[1]]!, bias: layer.input(2).map { tensors[$0]! }, y)
    case .batchNormalization:
      guard x.type == .float32, y.type == .float32 else { throw refuse("is for float32 only") }
      for name in layer.inputs.dropFirst() where tensors[name]!.data?.floats == nil {
        throw refuse("needs \(name) to be a float32 constant")
      }
    case .relu, .maxPool, .globalMaxPool, .flatten:
      guard x.type == y.type, x.quantization == y.quantization else {
        throw refuse("must keep its input's type and quantization")
      }
    case .averagePool, .globalAveragePool:
      guard x.type == y.type else { throw refuse("must keep its input's type") }
      try checkRescaling(x, y)
    case .add:
      let b = tensors[layer.inputs[1]]!
      guard x.type == y.type, b.type == y.type else { throw refuse("needs tensors of one type") }
      try checkRescaling(x, y)
      try checkRescaling(b, y)
    case .softmax:
      guard y.type == .float32 else { throw refuse("gives float32, not \(y.type)") }
    }
  }

  private func checkMultiplication(_ x: Tensor, weight: Tensor, bias: Tensor?, _ y: Tensor) throws(CNNError) {
    guard let weights = weight.data else { throw CNNError("its weight is not a constant") }
    if x.type == .float32 {
      guard weights.floats != nil, bias == nil || bias?.data?.floats != nil, y.type == .float32 else {
        throw CNNError("float32 layers need float32 constants as weight and bias, and a float32 output")
      }
      return
    }
    guard let values = weights.int8s, bias == nil || bias?.data?.int32s != nil,
      y.type == .uint8 || y.type == .float32
    else { throw CNNError("uint8 layers need int8 weights, an int32 bias, and a uint8 or float32 output") }
    guard let scales = weight.quantization, scales.axis == 0, scales.scales.count == weight.shape[0] else {
      throw CNNError("int8 weights need one scale per output channel")
    }
    try checkSums(values, outputChannels: weight.shape[0], bias: bias?.data?.int32s)
    for scale in scales.scales {
      let multiplier = x.quantization!.scales[0] * scale / (y.quantization?.scales[0] ?? 1)
      guard isScale(multiplier) else {
        throw CNNError("the scales of x, weight and y give the multiplier \(multiplier)")
      }
    }
  }

  /// The factor from one quantization to another.
  private func checkRescaling(_ x: Tensor, _ y: Tensor) throws(CNNError) {
    guard let from = x.quantization, let to = y.quantization else { return }
    let factor = from.scales[0] / to.scales[0]
    guard isScale(factor) else { throw CNNError("the scales of its input and output give the factor \(factor)") }
  }

  /// Σ|w|·255 + |bias| must fit the int32 that the kernels add in.
  private func checkSums(_ weights: [Int8], outputChannels: Int, bias: [Int32]?) throws(CNNError) {
    let size = weights.count / outputChannels
    for channel in 0..<outputChannels {
      let sum = weights[channel * size..<(channel + 1) * size].reduce(0) { $0 + Int($1.magnitude) }
      guard sum * 255 + Int((bias?[channel] ?? 0).magnitude) < 1 << 31 else {
        throw CNNError("the sum of channel \(channel) may overflow 32 bits", advice: "keep this layer in float")
      }
    }
  }

  // MARK: The rest

  private func checkRecipe() throws(CNNError) {
    guard let recipe else { return }
    do { try recipe.validate() } catch { throw error.inside("recipe") }
    let image = [1, recipe.channels, recipe.height, recipe.width]
    guard let input = inputs.first, tensors[input]!.shape == image else {
      throw CNNError("makes \(text(image)), which is not the network's first input", at: "recipe")
    }
  }

  func checkSelfTest() throws(CNNError) {
    guard let selfTest else { return }
    func check(_ data: [TensorData], _ names: [String]) throws(CNNError) {
      guard data.count == names.count else {
        throw CNNError("has not one tensor per input and output", at: "self-test")
      }
      for (data, name) in zip(data, names) {
        let tensor = tensors[name]!
        guard data.type == tensor.type, data.count == tensor.count else {
          throw CNNError("its \(name) is not \(tensor.type) of \(text(tensor.shape))", at: "self-test")
        }
      }
    }
    try check(selfTest.inputs, inputs)
    try check(selfTest.outputs, outputs)
    guard selfTest.tolerance.isFinite, selfTest.tolerance >= 0 else {
      throw CNNError("the tolerance is \(selfTest.tolerance)", at: "self-test")
    }
  }
}

extension Tensor {
  func validate() throws(CNNError) {
    guard shape.count <= 6, shape.allSatisfy({ (1...Int(Int32.max)).contains($0) }), let count = elementCount(shape)
    else {
      throw CNNError("has the shape \(text(shape))", advice: "up to 6 dimensions, each at least 1, are possible")
    }
    if let data, data.count != count {
      throw CNNError("has \(data.count) elements, but its shape \(text(shape)) needs \(count)")
    }
    guard isConstant || shape.first == 1 else {
      throw CNNError("has the shape \(text(shape)), but the batch size in a bundle is 1")
    }
    guard let quantization else {
      guard isConstant || type == .float32 else { throw CNNError("is an activation of \(type) without quantization") }
      return
    }
    let zeroPoints: ClosedRange<Int32>
    switch type {
    case .uint8: zeroPoints = 0...255
    case .int8, .int32: zeroPoints = 0...0
    default: throw CNNError("has a quantization, but its type is \(type)")
    }
    guard zeroPoints.contains(quantization.zeroPoint) else {
      throw CNNError("has the zero point \(quantization.zeroPoint)")
    }
    guard quantization.scales.allSatisfy(isScale) else {
      throw CNNError("has a scale that is not positive, finite and normal")
    }
    let axisSize = shape.indices.contains(quantization.axis) ? shape[quantization.axis] : 0
    guard quantization.scales.count == 1 || isConstant && quantization.scales.count == axisSize else {
      throw CNNError(
        "has \(quantization.scales.count) scales for its shape \(text(shape)) along axis \(quantization.axis)")
    }
  }
}

extension Recipe {
  func validate() throws(CNNError) {
    func check(_ condition: Bool, _ what: String) throws(CNNError) {
      if !condition { throw CNNError(what) }
    }
    let sizes = 1...65535
    try check(sizes.contains(width) && sizes.contains(height), "its size is \(width)×\(height)")
    try check(mean.count == channels && deviation.count == channels, "needs mean and deviation per channel")
    try check(mean.allSatisfy(\.isFinite), "a mean is not finite")
    try check(deviation.allSatisfy { $0.isFinite && $0 != 0 }, "a deviation is 0 or not finite")
    switch resize {
    case .stretch: break
    case .crop(let shorter):
      try check(
        sizes.contains(shorter) && shorter >= max(width, height), "the shorter side \(shorter) is less than the cut")
    case .letterbox(let fill): try check(fill.count == channels, "needs a fill per channel")
    }
  }
}

func isScale(_ scale: Float) -> Bool { scale.isNormal && scale > 0 }
