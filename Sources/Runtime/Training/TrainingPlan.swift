import Bundle
import CBundle
import CKernels
import Plan

/// What a step of training does, in which order, and on which memory: made once, from the graph, the batch size and
/// the number of shares a batch is cut into.
///
/// Values and gradients have a buffer for each slot: the tensors, then the copies in another layout that operators need
/// (OperatorCalls). The gradients' buffers follow the values'. Then come, for each layer, one for each input's gradient
/// where that is to be added to another's.
struct TrainingPlan {
  private let slotCount: Int, layerLimit: Int
  let planner: OperatorCalls
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
  init?(_ network: UnsafePointer<Network>, batch: Int, shares: Int, lists arena: inout Arena) {
    let model = network.pointee.model
    slotCount = OperatorCalls.slotCount(model)
    // An operator is a layer, a Concat one for each operand; and its copies.
    var count = 0
    for i in 0..<model.operatorCount { count += max(1, Int(model.operation(i).input_count)) + 2 }
    layerLimit = count
    self.batch = batch
    self.shares = shares
    let planner = OperatorCalls(network, &arena)
    // Batch normalisation has the most: three forward and four backward.
    let layers = arena.take(Layer.self, layerLimit), steps = arena.take(Step.self, 8 * layerLimit + 2)
    let buffers = arena.take(Buffer.self, 2 * (slotCount + layerLimit)), marks = arena.take(Mark.self, slotCount)
    let parameters = arena.take(Parameter.self, model.tensorCount)
    guard let planner, let layers, let steps, let buffers, let marks, let parameters else { return nil }
    buffers.initialize(repeating: Buffer(), count: 2 * (slotCount + layerLimit))
    marks.initialize(repeating: Mark(), count: slotCount)
    self.planner = planner
    self.layers = layers
    self.steps = steps
    self.buffers = buffers
    self.marks = marks
    self.parameters = Parameters(list: parameters)
  }

  func value(_ slot: Int) -> Int { slot }
  func gradient(_ slot: Int) -> Int { slotCount + slot }
  func temporary(_ layer: Int, operand: Int = 0) -> Int { 2 * slotCount + operand * layerLimit + layer }
  var bufferCount: Int { 2 * (slotCount + layerLimit) }

  /// Everything but the lists; with an arena that only counts, nothing is written but the lists.
  mutating func make(_ arena: inout Arena) throws(Failure) {
    let model = planner.model
    try findEnds(model)
    for i in 0..<model.operatorCount {
      do throws(Failure) { try addLayer(model, i) } catch { throw error.at("layer", model.layerName(i)) }
    }
    try checkLogits()
    addForwardSteps()
    addBackwardSteps()
    for i in 0..<layerCount { shapeGradients(i) }
    for i in 0..<layerCount { alignHalos(i) }
    try place(model, &arena)
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
      guard model.tensor(tensor).isFloat else { throw .unsupported("only float32 tensors can be trained with") }
      shape(tensor, model.tensor(tensor), planner.layout(tensor))
    }
  }

  /// Values and gradient of a slot lie alike.
  func shape(_ slot: Int, _ t: cnnb_tensor, _ layout: Layout) {
    buffers[slot].rank = Int(t.rank)
    buffers[slot].isPixelLayout = layout != .blocks
    buffers[slot].shape =
      layout == .plain ? Shape(1, 1, t.elementCount!) : Shape(t.channels, t.height, t.dim(3) * t.dim(4) * t.dim(5))
    buffers[gradient(slot)] = buffers[slot]
  }

  mutating func append(_ layer: Layer) {
    (layers + layerCount).initialize(to: layer)
    marks[layer.y].layer = layerCount
    // A Concat's operands write the same result.
    if layer.weight >= 0 || marks[layer.x].needsGradient || (layer.x2 >= 0 && marks[layer.x2].needsGradient) {
      marks[layer.y].needsGradient = true
    }
    layerCount += 1
  }

  /// The layer that `follower` alone reads, if it can become part of that.
  func producer(of follower: Layer) -> Int? {
    let producer = marks[follower.x].layer
    return producer >= 0 && marks[follower.x].uses == 1 && layers[producer].y == follower.x ? producer : nil
  }

  /// Lets a layer write what `follower` would.
  func extend(_ producer: Int, to follower: Layer) {
    layers[producer].y = follower.y
    marks[follower.y].layer = producer
    marks[follower.y].needsGradient = marks[follower.x].needsGradient
  }

  private func checkLogits() throws(Failure) {
    guard marks[logits].layer >= 0, marks[logits].needsGradient else {
      throw .unsupported("there is nothing to train between the input and the output")
    }
    guard buffers[logits].rank == 2 || buffers[logits].shape.pixels == 1 else {
      throw .unsupported(
        "the output has % × % values for each class; the loss needs one", buffers[logits].shape.height,
        buffers[logits].shape.width)
    }
  }
}

// MARK: - Memory

extension TrainingPlan {
  private mutating func place(_ model: Model, _ arena: inout Arena) throws(Failure) {
    var widest = 16
    for i in 0..<bufferCount where buffers[i].isUsed {
      try buffers[i].place(&arena, batch: batch, shares: shares)
      if i < slotCount { tell(i) }
      widest = max(widest, buffers[i].shape.channels)
    }
    noBias = zeros((widest + 15) & ~15, &arena)
    for i in 0..<layerCount {
      do throws(Failure) { try place(i, model, &arena) } catch {
        throw error.at("layer", model.layerName(layers[i].number))
      }
    }
    copyNames(&arena)
  }

  func zeros(_ count: Int, _ arena: inout Arena) -> UnsafeMutablePointer<Float>? {
    let array = arena.take(Float.self, count)
    array?.initialize(repeating: 0, count: count)
    return array
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

  /// Prepared tables of distances serve values and gradients.
  private func alignHalos(_ i: Int) {
    let layer = layers[i]
    guard layer.usesTables else { return }
    alignHalo(layer.x)
    if layer.x2 >= 0 { alignHalo(layer.x2) }
    alignHalo(layer.y)
    buffers[temporary(i)].halo = buffers[layer.x].halo
    if layer.x2 >= 0 { buffers[temporary(i, operand: 1)].halo = buffers[layer.x2].halo }
  }

  private func alignHalo(_ slot: Int) {
    let widest = max(buffers[value(slot)].halo, buffers[gradient(slot)].halo)
    (buffers[value(slot)].halo, buffers[gradient(slot)].halo) = (widest, widest)
  }
}
