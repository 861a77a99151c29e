import Bundle
import CBundle

/// What a step of training does, in which order, and on which memory: made once, from the graph, the batch size and
/// the number of shares a batch is cut into.
///
/// Values and gradients have a buffer for each tensor; the gradients' buffers follow the values'. Then come, for each
/// operator, one for a gradient that is to be added to another's, and one for a part of a strided convolution's
/// gradient.
struct TrainingPlan {
  private let tensorCount: Int, operatorCount: Int
  let batch: Int, shares: Int
  let layers: UnsafeMutablePointer<Layer>
  let steps: UnsafeMutablePointer<Step>
  let buffers: UnsafeMutablePointer<Buffer>
  let marks: UnsafeMutablePointer<Mark>
  var parameters: Parameters
  var layerCount = 0, stepCount = 0
  /// The first step that goes backward.
  var backwardStart = 0
  /// Tensors: the network's input, and what the softmax of the loss is taken of.
  var input = -1, logits = -1
  /// As many zeros as any layer has channels: for convolutions without a bias.
  var noBias: UnsafeMutablePointer<Float>?
  var run = 0

  struct Mark {
    /// How many operators read it.
    var uses = 0
    /// The layer that writes it, or -1.
    var layer = -1
    /// Depends on something that is trained.
    var needsGradient = false
    /// Something has been written to its gradient.
    var hasGradient = false
  }

  /// Takes the lists' memory; nil where the arena only counts. What they need is known from the graph's sizes alone.
  init?(_ model: Model, batch: Int, shares: Int, lists arena: inout Arena) {
    tensorCount = model.tensorCount
    operatorCount = model.operatorCount
    self.batch = batch
    self.shares = shares
    let operators = model.operatorCount, tensors = model.tensorCount
    // Batch normalisation has the most: three forward and four backward.
    let layers = arena.take(Layer.self, operators), steps = arena.take(Step.self, 8 * operators + 2)
    let buffers = arena.take(Buffer.self, 2 * tensors + 2 * operators), marks = arena.take(Mark.self, tensors)
    let parameters = arena.take(Parameter.self, tensors)
    guard let layers, let steps, let buffers, let marks, let parameters else { return nil }
    buffers.initialize(repeating: Buffer(), count: 2 * tensors + 2 * operators)
    marks.initialize(repeating: Mark(), count: tensors)
    self.layers = layers
    self.steps = steps
    self.buffers = buffers
    self.marks = marks
    self.parameters = Parameters(list: parameters)
  }

  func value(_ tensor: Int) -> Int { tensor }
  func gradient(_ tensor: Int) -> Int { tensorCount + tensor }
  func temporary(_ layer: Int) -> Int { 2 * tensorCount + layer }
  func phaseBuffer(_ layer: Int) -> Int { 2 * tensorCount + operatorCount + layer }
  var bufferCount: Int { 2 * (tensorCount + operatorCount) }

  /// Everything but the lists; with an arena that only counts, nothing is written but the lists.
  mutating func make(_ model: Model, _ arena: inout Arena) throws(Failure) {
    try findEnds(model)
    for i in 0..<model.operatorCount {
      do throws(Failure) { try addLayer(model, i) } catch { throw error.at("layer", model.layerName(i)) }
    }
    try checkLogits()
    addForwardSteps()
    addBackwardSteps()
    for i in 0..<layerCount { shapeGradients(i) }
    try place(&arena)
  }
}

// MARK: - Layers

extension TrainingPlan {
  private mutating func findEnds(_ model: Model) throws(Failure) {
    guard !model.isQuantized else {
      throw .unsupported("a quantized bundle cannot be trained. Train the float bundle it was exported from.")
    }
    guard model.inputCount == 1, model.outputCount == 1 else {
      throw .unsupported(
        "training needs one input and one output; the bundle has % and %", model.inputCount, model.outputCount)
    }
    input = model.networkInput(0)
    marks[model.networkOutput(0)].uses += 1
    logits = model.networkOutput(0)
    for i in 0..<model.operatorCount {
      for j in 0..<Int(model.operation(i).input_count) {
        if let tensor = model.input(i, j) { marks[tensor].uses += 1 }
      }
    }
    for tensor in 0..<model.tensorCount where !model.isConstant(tensor) {
      buffers[value(tensor)].shape = try shape(model.tensor(tensor))
      buffers[gradient(tensor)].shape = try shape(model.tensor(tensor))
    }
    buffers[value(input)].isPixelLayout = model.tensor(input).rank == 4 && buffers[input].shape.channels <= 4
  }

  private func shape(_ t: cnnb_tensor) throws(Failure) -> Shape {
    guard t.isFloat else { throw .unsupported("only float32 tensors can be trained with") }
    return Shape(t.channels, t.height, t.width)
  }

  private mutating func addLayer(_ model: Model, _ i: Int) throws(Failure) {
    let op = model.operation(i), tensor = model.output(i)
    guard let x = model.input(i, 0) else { throw .unsupported("a layer without an input cannot be trained") }
    var layer = Layer(x: x, y: tensor, vertical: .vertical(op), horizontal: .horizontal(op))
    layer.countsPadding = op.window.count_include_pad != 0
    layer.relu = op.activation == UInt32(CNNB_ACTIVATION_RELU)
    guard layer.relu || op.activation == UInt32(CNNB_ACTIVATION_NONE) else {
      throw .unsupported("its activation (number %) cannot be trained", Int(op.activation))
    }
    switch Int(op.kind) {
    case CNNB_OP_CONV, CNNB_OP_GEMM:
      guard op.kind == UInt32(CNNB_OP_GEMM) || op.window.group == 1 else {
        throw .unsupported("convolutions of more than one group cannot be trained")
      }
      layer.kind = .conv
      if op.kind == UInt32(CNNB_OP_GEMM) { layer.setWindow(1, 1) }
      layer.weight = try parameters.add(model, model.input(i, 1), dilationX: layer.horizontal.dilation)
      layer.bias = try parameters.add(model, model.input(i, 2))
    case CNNB_OP_BATCH_NORMALIZATION:
      layer.kind = .batchNormalization
      layer.norm.epsilon = op.values.0
      layer.weight = try parameters.add(model, model.input(i, 1))
      layer.bias = try parameters.add(model, model.input(i, 2))
      layer.mean = try parameters.add(model, model.input(i, 3), trainable: false)
      layer.variance = try parameters.add(model, model.input(i, 4), trainable: false)
    case CNNB_OP_RELU:
      if fuseRelu(layer) { return }
    case CNNB_OP_MAX_POOL:
      layer.kind = .maxPool
      if fusePool(layer) { return }
    case CNNB_OP_AVERAGE_POOL: layer.kind = .averagePool
    case CNNB_OP_GLOBAL_MAX_POOL, CNNB_OP_GLOBAL_AVERAGE_POOL:
      layer.kind = op.kind == UInt32(CNNB_OP_GLOBAL_MAX_POOL) ? .maxPool : .averagePool
      layer.setWindow(buffers[x].shape.height, buffers[x].shape.width)
    case CNNB_OP_ADD:
      layer.kind = .add
      layer.x2 = model.input(i, 1) ?? x
    case CNNB_OP_FLATTEN:
      layer.kind = .flatten
      guard !layer.relu else { throw .unsupported("a ReLU within Flatten cannot be trained") }
    case CNNB_OP_SOFTMAX:
      guard layer.y == model.networkOutput(0) else {
        throw .unsupported("a Softmax can be trained only as the last operator, where the loss takes its place")
      }
      logits = x
      return
    default: throw .unsupported("operator number % cannot be trained", Int(op.kind))
    }
    append(layer)
  }

  private mutating func append(_ layer: Layer) {
    (layers + layerCount).initialize(to: layer)
    marks[layer.y].layer = layerCount
    marks[layer.y].needsGradient =
      layer.weight >= 0 || marks[layer.x].needsGradient || (layer.x2 >= 0 && marks[layer.x2].needsGradient)
    if layer.kind == .conv {
      let v = layer.vertical, h = layer.horizontal
      let widest = max(max(v.padBefore, v.padAfter), max(h.padBefore, h.padAfter))
      buffers[layer.x].halo = max(buffers[layer.x].halo, widest)
    } else if layer.x == input || layer.x2 == input {
      buffers[input].isPixelLayout = false
    }
    layerCount += 1
  }

  /// A ReLU that alone reads a layer's result becomes part of that layer.
  private func fuseRelu(_ relu: Layer) -> Bool {
    let producer = marks[relu.x].layer
    guard producer >= 0, marks[relu.x].uses == 1, layers[producer].y == relu.x else { return false }
    switch layers[producer].kind {
    case .conv, .batchNormalization, .add:
      guard !layers[producer].relu || !layers[producer].norm.isPooled else { return false }
      layers[producer].relu = true
      layers[producer].y = relu.y
      marks[relu.y].layer = producer
      marks[relu.y].needsGradient = marks[relu.x].needsGradient
      return true
    default: return false
    }
  }

  /// A max pool that alone reads a batch normalisation becomes part of it where its windows touch and are not padded.
  private func fusePool(_ pool: Layer) -> Bool {
    let producer = marks[pool.x].layer
    guard producer >= 0, marks[pool.x].uses == 1, layers[producer].y == pool.x, !pool.relu,
      layers[producer].kind == .batchNormalization, !layers[producer].norm.isPooled, pool.vertical.touches,
      pool.horizontal.touches
    else { return false }
    layers[producer].norm.windowHeight = pool.vertical.kernel
    layers[producer].norm.windowWidth = pool.horizontal.kernel
    layers[producer].y = pool.y
    marks[pool.y].layer = producer
    marks[pool.y].needsGradient = true
    return true
  }

  private func checkLogits() throws(Failure) {
    guard marks[logits].layer >= 0, marks[logits].needsGradient else {
      throw .unsupported("there is nothing to train between the input and the output")
    }
    guard buffers[logits].shape.pixels == 1 else {
      throw .unsupported(
        "the output has % × % values for each class; the loss needs one", buffers[logits].shape.height,
        buffers[logits].shape.width)
    }
  }
}

// MARK: - Memory

extension TrainingPlan {
  private mutating func place(_ arena: inout Arena) throws(Failure) {
    var widest = 16
    for i in 0..<bufferCount where buffers[i].isUsed {
      try buffers[i].place(&arena, batch: batch, shares: shares)
      widest = max(widest, buffers[i].shape.channels)
    }
    noBias = zeros((widest + 15) & ~15, &arena)
    for i in 0..<layerCount {
      switch layers[i].kind {
      case .conv:
        makeForward(i, &arena)
        makePhases(i, &arena)
      case .batchNormalization: makeNorm(i, &arena)
      default: break
      }
    }
    copyNames(&arena)
  }

  private func zeros(_ count: Int, _ arena: inout Arena) -> UnsafeMutablePointer<Float>? {
    let array = arena.take(Float.self, count)
    array?.initialize(repeating: 0, count: count)
    return array
  }

  private func makeNorm(_ number: Int, _ arena: inout Arena) {
    let channels = (buffers[value(layers[number].x)].shape.channels + 15) & ~15
    var norm = layers[number].norm
    // Zero where there is no channel, so that the lanes behind the last one stay 0 everywhere.
    norm.meanOfBatch = zeros(channels, &arena)
    norm.scale = zeros(channels, &arena)
    norm.shift = zeros(channels, &arena)
    norm.inverseDeviation = zeros(channels, &arena)
    norm.dyMean = zeros(channels, &arena)
    norm.slope = zeros(channels, &arena)
    norm.channels = channels
    norm.ofImage = zeros(3 * channels * shares, &arena)
    // Shares write at the same time: whole cache lines to each.
    norm.share = 4 * channels + 8
    if let sums = arena.take(Double.self, shares * norm.share) {
      norm.mean = sums
      norm.m2 = sums + channels
      norm.sum = sums + 2 * channels
      norm.product = sums + 3 * channels
      norm.count = sums + 4 * channels
    }
    layers[number].norm = norm
  }

  /// The model may be closed while the trainer lives.
  private func copyNames(_ arena: inout Arena) {
    for i in 0..<parameters.count {
      guard let name = parameters.list[i].name else { continue }
      var length = 1
      while name[length - 1] != 0 { length += 1 }
      let copy = arena.take(CChar.self, length)
      copy?.initialize(from: name, count: length)
      if copy != nil { parameters.list[i].name = UnsafePointer(copy) }
    }
  }
}
