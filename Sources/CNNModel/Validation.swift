import CNNSupport

extension Graph {
  /// Checks everything a bundle promises: the order of the operators, names, shapes, types and quantization.
  /// - Throws: `CNNError` with the layer or tensor.
  public func validate() throws(CNNError) {
    try checkStrings()
    try checkTensors()
    try checkOrder()
    for layer in operators {
      do { try validate(layer) } catch { throw error.inside("layer \(layer.name)") }
    }
    try checkRecipe()
    try checkSelfTest()
  }

  /// Whether a bundle may have a layer, with the tensors that it names as they are.
  package func allows(_ layer: Operator) -> Bool {
    do {
      for name in layer.inputs + layer.outputs where !name.isEmpty {
        guard let tensor = tensors[name] else { return false }
        try tensor.validate()
      }
      try checkCount(of: layer)
      try checkShape(of: layer)
      try checkTypes(of: layer)
      return true
    } catch { return false }
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

  /// What `validate()` checks of one layer: numbers of operands, attributes, shapes, types, scales and sums.
  public func validate(_ layer: Operator) throws(CNNError) {
    try checkCount(of: layer)
    try checkShape(of: layer)
    try checkTypes(of: layer)
  }

  private func checkCount(of layer: Operator) throws(CNNError) {
    let kind = layer.kind
    guard kind.inputCounts.contains(layer.inputs.count), layer.outputs.count == 1 else {
      throw CNNError("\(kind.name) with \(layer.inputs.count) inputs and \(layer.outputs.count) outputs")
    }
    for (index, name) in layer.inputs.enumerated() where name.isEmpty && !kind.isOptional(input: index) {
      throw CNNError("\(kind.name) lacks its input \(index)")
    }
    guard layer.activation == .none || kind.canFuseActivation else {
      throw CNNError("\(kind.name) cannot have an activation fused")
    }
    try checkAttributes(of: layer)
  }

  private func checkAttributes(of layer: Operator) throws(CNNError) {
    func finite(_ name: String, _ values: Float...) throws(CNNError) {
      for value in values where !value.isFinite { throw CNNError("\(layer.kind.name)'s \(name) is \(value)") }
    }
    func bounds(_ min: Float, _ max: Float) throws(CNNError) {
      guard min <= max else { throw CNNError("clips to \(min) … \(max)") }
    }
    if case .clip(let min, let max) = layer.activation { try bounds(min, max) }
    switch layer.kind {
    case .batchNormalization(let epsilon), .layerNormalization(_, let epsilon), .groupNormalization(_, let epsilon),
      .instanceNormalization(let epsilon):
      guard epsilon.isFinite, epsilon >= 0 else { throw CNNError("epsilon is \(epsilon)", advice: "use 1e-5") }
    case .lrn(let size, let alpha, let beta, let bias):
      guard (1...65_536).contains(size) else { throw CNNError("LRN's size is \(size)") }
      try finite("attribute", alpha, beta, bias)
    case .clip(let min, let max): try bounds(min, max)
    case .unary(.leakyRelu(let alpha)), .unary(.elu(let alpha)), .unary(.swish(let alpha)):
      try finite("alpha", alpha)
    case .unary(.hardSigmoid(let alpha, let beta)): try finite("attribute", alpha, beta)
    case .dropout(let ratio):
      guard (0..<1).contains(ratio) else { throw CNNError("Dropout's ratio is \(ratio)", advice: "0 to below 1") }
    case .pad(let padding):
      if case .constant(let value) = padding.mode { try finite("value", value) }
    default: break
    }
  }

  private func checkShape(of layer: Operator) throws(CNNError) {
    let shape = try layer.kind.outputShape(layer.inputs.map { tensors[$0]?.shape })
    let declared = tensors[layer.output]!.shape
    guard declared == shape else {
      throw CNNError("its output is \(text(declared)) but its inputs give \(text(shape))")
    }
    switch layer.kind {
    case .binary, .matMul:
      // The first axis of every activation is the batch, so they must be aligned.
      for name in layer.inputs where !tensors[name]!.isConstant && tensors[name]!.shape.count != shape.count {
        throw CNNError("\(layer.kind.name) broadcasts \(name), \(text(tensors[name]!.shape)), along the batch")
      }
    default: break
    }
  }

  // MARK: Types

  private func checkTypes(of layer: Operator) throws(CNNError) {
    let name = layer.kind.name
    let y = tensors[layer.output]!
    // The operand that decides: the first that is no constant.
    guard let x = layer.inputs.compactMap({ tensors[$0] }).first(where: { !$0.isConstant }) else {
      throw CNNError("\(name) reads constants only")
    }
    guard x.type == .float32 || x.type == .uint8 else { throw CNNError("\(name) cannot read \(x.type)") }
    let readsPair = layer.kind.isPair
    guard readsPair || !tensors[layer.inputs[0]]!.isConstant else {
      throw CNNError("\(name)'s first input is a constant")
    }
    switch layer.kind {
    case .conv, .convTranspose, .gemm: return try checkMultiplication(layer, x, y)
    case .softmax:
      guard y.type == .float32 || y.type == x.type else { throw CNNError("\(name) cannot give \(y.type)") }
      return
    case .quantizeLinear, .dequantizeLinear:
      let (from, to): (ElementType, ElementType) =
        layer.kind == .quantizeLinear ? (.float32, .uint8) : (.uint8, .float32)
      guard x.type == from, y.type == to else { throw CNNError("\(name) makes \(to) of \(from)") }
      return
    default: break
    }
    guard x.type == y.type else { throw CNNError("\(name) must keep its input's type") }
    if layer.kind.keepsValues, x.quantization != y.quantization {
      throw CNNError("\(name) must keep its input's quantization")
    }
    switch layer.kind {
    case .batchNormalization:
      guard x.type == .float32 else { throw CNNError("\(name) is for float32 only") }
      try checkFloats(layer)
    case .layerNormalization, .groupNormalization, .instanceNormalization, .pRelu:
      try checkFloats(layer)
      try checkFactor(x, y)
    case .unary:
      let table = layer.input(1).map { tensors[$0]! }
      guard (x.type == .uint8) == (table != nil), table == nil || table!.isTable else {
        throw CNNError("\(name) needs a table of 256 uint8 constants where it reads uint8, and only there")
      }
    case .averagePool, .globalAveragePool, .lrn: try checkFactor(x, y)
    case .reduce(let reduction, let axes, _):
      guard reduction == .mean || reduction == .sum else { break }
      let count = axes.reduce(1) { $0 * x.shape[$1] }
      try checkFactor(x, y, divisor: reduction == .mean ? Float(count) : 1)
    case .binary, .matMul: try checkPair(layer, y)
    case .concat:
      for name in layer.inputs {
        let part = tensors[name]!
        guard part.type == y.type, !part.isConstant else { throw CNNError("Concat needs activations of one type") }
        try checkFactor(part, y)
      }
    default: break
    }
  }

  /// Constants behind x are float32.
  private func checkFloats(_ layer: Operator) throws(CNNError) {
    for name in layer.inputs.dropFirst() where !name.isEmpty && tensors[name]!.data?.floats == nil {
      throw CNNError("\(layer.kind.name) needs \(name) to be a float32 constant")
    }
  }

  /// The operands of Add, Sub, Mul, Div, MatMul: at most one is a constant.
  private func checkPair(_ layer: Operator, _ y: Tensor) throws(CNNError) {
    let (a, b) = (tensors[layer.inputs[0]]!, tensors[layer.inputs[1]]!)
    guard a.type == y.type, b.type == y.type else { throw CNNError("\(layer.kind.name) needs tensors of one type") }
    if layer.kind == .matMul {
      // The rows of [N,K] are images, which a constant [K,P] multiplies one by one; otherwise matrices need axes of
      // their own behind the batch.
      guard !a.isConstant, b.isConstant || b.shape.count > 2, a.shape.count > 2 || b.shape.count == 2 else {
        throw CNNError("MatMul of \(text(a.shape)) and \(text(b.shape)) does not leave the images of a batch apart")
      }
    }
    for constant in [a, b] where constant.isConstant && constant.type == .uint8 && constant.quantization == nil {
      throw CNNError("\(layer.kind.name) reads a uint8 constant without quantization")
    }
    guard let sa = a.quantization?.scales[0], let sb = b.quantization?.scales[0], let sy = y.quantization?.scales[0]
    else { return }
    let factors: [Float] =
      switch layer.kind {
      case .binary(.add), .binary(.sub): [sa / sy, sb / sy]
      case .binary(.div): [sa / sy]
      default: [(sa * sb) / sy]
      }
    for factor in factors where !isScale(factor) {
      throw CNNError("the scales of its inputs and output give the factor \(factor)")
    }
  }

  private func checkMultiplication(_ layer: Operator, _ x: Tensor, _ y: Tensor) throws(CNNError) {
    let weight = tensors[layer.inputs[1]]!
    let bias = layer.input(2).map { tensors[$0]! }
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
    let order = try WeightOrder(of: layer.kind, weightShape: weight.shape)
    guard let scales = weight.quantization, scales.axis == 0, scales.scales.count == order.outputChannels else {
      throw CNNError("int8 weights need one scale per output channel")
    }
    try checkSums(values, order, bias: bias?.data?.int32s)
    for scale in scales.scales {
      let multiplier = x.quantization!.scales[0] * scale / (y.quantization?.scales[0] ?? 1)
      guard isScale(multiplier) else {
        throw CNNError("the scales of x, weight and y give the multiplier \(multiplier)")
      }
    }
  }

  /// The factor from one quantization to another.
  private func checkFactor(_ x: Tensor, _ y: Tensor, divisor: Float = 1) throws(CNNError) {
    guard let from = x.quantization, let to = y.quantization else { return }
    let factor = from.scales[0] / to.scales[0] / divisor
    guard isScale(factor) else { throw CNNError("the scales of its input and output give the factor \(factor)") }
  }

  /// Σ|w|·255 + |bias| must fit the int32 that the kernels add in.
  private func checkSums(_ weights: [Int8], _ order: WeightOrder, bias: [Int32]?) throws(CNNError) {
    var sums = (bias ?? .init(repeating: 0, count: order.outputChannels)).map { Int($0.magnitude) }
    order.forEachOutputChannel(ofWeights: weights.count) { index, channel in
      sums[channel] += 255 * Int(weights[index].magnitude)
    }
    for (channel, sum) in sums.enumerated() where sum >= 1 << 31 {
      throw CNNError("the sum of channel \(channel) may overflow 32 bits", advice: "keep this layer in float")
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
    guard shape.count <= 6, shape.allSatisfy({ (1...Int(Int32.max)).contains($0) }), let count = shape.checkedCount
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
    // One for each output channel of a weight, which the layer checks.
    guard quantization.scales.count == 1 || type == .int8 else {
      throw CNNError("has \(quantization.scales.count) scales; uint8 needs one")
    }
  }
}

extension Recipe {
  /// - Throws: `CNNError` for what no image can become an input by.
  package func validate() throws(CNNError) {
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

extension Tensor {
  /// The results of a function for each stored value.
  fileprivate var isTable: Bool { type == .uint8 && isConstant && shape == [256] && quantization == nil }
}

func isScale(_ scale: Float) -> Bool { scale.isNormal && scale > 0 }
