// The order of the steps. A share walks through all steps up to the next serial one, image by image.
extension TrainingPlan {
  mutating func addForwardSteps() {
    emit(.input, -1, target: value(input))
    for i in 0..<layerCount { addForwardSteps(i) }
    emit(.loss, -1, source: value(logits), target: gradient(logits))
    marks[logits].hasGradient = true
  }

  mutating func addBackwardSteps() {
    backwardStart = stepCount
    for i in (0..<layerCount).reversed() where marks[layers[i].y].hasGradient && marks[layers[i].y].needsGradient {
      let layer = layers[i], dy = gradient(layer.y)
      if !layer.clamp.isNone && layer.kind != .batchNormalization && layer.kind != .clamp {
        emit(.mask, i, source: dy, target: dy, value(layer.y))
      }
      addBackwardSteps(i)
    }
  }

  /// The step that makes a layer's share of the gradient of an input, from the gradient of its output and from buffers
  /// `other` and `another`. The first layer to do so writes it, the others add.
  mutating func emitGradient(
    _ layer: Int, operand: Int = 0, isWhole: Bool = false, uses other: Int = -1, _ another: Int = -1
  ) {
    let x = operand == 0 ? layers[layer].x : layers[layer].x2, dy = gradient(layers[layer].y)
    guard marks[x].needsGradient else { return }
    var target = gradient(x)
    if marks[x].hasGradient {
      target = temporary(layer, operand: operand)
      buffers[target].shape = buffers[gradient(x)].shape
      buffers[target].isPixelLayout = buffers[gradient(x)].isPixelLayout
    }
    emit(.inputGradient, layer, source: dy, target: target, isWhole: isWhole, other, another)
    steps[stepCount - 1].operand = operand
    if target != gradient(x) { emit(.addGradient, layer, source: target, target: gradient(x)) }
    marks[x].hasGradient = true
  }

  /// The gradient of y is that of x.
  mutating func emitSum(_ layer: Int, of x: Int) {
    guard marks[x].needsGradient else { return }
    let dy = gradient(layers[layer].y)
    emit(marks[x].hasGradient ? .addGradient : .copyGradient, layer, source: dy, target: gradient(x))
    marks[x].hasGradient = true
  }

  /// Where an image is one pixel, the images of a share are the pixels of a call, which then reads the weights once
  /// for all.
  func isOnePixel(_ tensor: Int) -> Bool {
    buffers[value(tensor)].shape.pixels == 1 && !buffers[value(tensor)].isPixelLayout
  }

  /// Appends a step; `other` and `another` are buffers that it uses beside its source and target.
  mutating func emit(
    _ verb: Step.Verb, _ layer: Int, source: Int = -1, target: Int = -1, isWhole: Bool = false, _ other: Int = -1,
    _ another: Int = -1
  ) {
    let step = Step(verb: verb, layer: layer, source: source, target: target, isWhole: isWhole)
    (steps + stepCount).initialize(to: step)
    stepCount += 1
    if isWhole || step.isSerial { run += 1 }
    use(source)
    use(target)
    use(other)
    use(another)
    if isWhole { run += 1 }
  }

  private func use(_ buffer: Int) {
    if buffer >= 0 { buffers[buffer].use(in: run) }
  }
}
