// The order of the steps. A share walks through all steps up to the next serial one, image by image.
extension TrainingPlan {
  mutating func addForwardSteps() {
    emit(.input, -1, target: value(input))
    for i in 0..<layerCount {
      let layer = layers[i], x = value(layer.x), y = value(layer.y)
      switch layer.kind {
      case .conv: emit(.conv, i, source: x, target: y, isWhole: isOnePixel(layer.y))
      case .batchNormalization:
        emit(.statistics, i, source: x)
        emit(.finishStatistics, i)
        emit(.normalise, i, source: x, target: y)
      case .relu: emit(.relu, i, source: x, target: y)
      case .maxPool: emit(.maxPool, i, source: x, target: y)
      case .averagePool: emit(.averagePool, i, source: x, target: y)
      case .add: emit(.add, i, source: x, target: y, value(layer.x2))
      case .flatten: emit(.flatten, i, source: x, target: y)
      }
    }
    emit(.loss, -1, source: value(logits), target: gradient(logits))
    marks[logits].hasGradient = true
  }

  mutating func addBackwardSteps() {
    backwardStart = stepCount
    for i in (0..<layerCount).reversed() where marks[layers[i].y].hasGradient && marks[layers[i].y].needsGradient {
      let layer = layers[i], dy = gradient(layer.y), x = value(layer.x)
      if layer.relu && layer.kind != .batchNormalization { emit(.mask, i, source: dy, target: dy, value(layer.y)) }
      switch layer.kind {
      case .conv:
        emit(.weightGradient, i, source: dy, isWhole: isOnePixel(layer.y), x)
        emitGradient(.dataGradient, i, of: layer.x, from: dy)
      case .batchNormalization:
        emit(.reduceNorm, i, source: dy, x)
        emit(.finishNorm, i)
        emitGradient(.applyNorm, i, of: layer.x, from: dy, x)
      case .relu: emitGradient(.reluGradient, i, of: layer.x, from: dy, value(layer.y))
      case .maxPool: emitGradient(.maxPoolGradient, i, of: layer.x, from: dy, x)
      case .averagePool: emitGradient(.averagePoolGradient, i, of: layer.x, from: dy)
      case .flatten: emitGradient(.flattenGradient, i, of: layer.x, from: dy)
      case .add:
        emitSum(i, of: layer.x, from: dy)
        emitSum(i, of: layer.x2, from: dy)
      }
    }
  }

  /// The step that makes a layer's share of the gradient of its input `x`. The first layer to do so writes it, the
  /// others add.
  private mutating func emitGradient(_ verb: Step.Verb, _ layer: Int, of x: Int, from dy: Int, _ other: Int = -1) {
    guard marks[x].needsGradient else { return }
    let isFirst = !marks[x].hasGradient
    let target = isFirst ? gradient(x) : temporary(layer)
    buffers[target].shape = buffers[value(x)].shape
    if verb == .dataGradient && layers[layer].isStrided {
      emit(verb, layer, source: dy, target: target, phaseBuffer(layer))
    } else {
      let isWhole = verb == .dataGradient && isOnePixel(x) && isOnePixel(layers[layer].y)
      emit(verb, layer, source: dy, target: target, isWhole: isWhole, other)
    }
    if !isFirst { emit(.addGradient, layer, source: target, target: gradient(x)) }
    marks[x].hasGradient = true
  }

  /// Where an image is one pixel, the images of a share are the pixels of a call, which then reads the weights once
  /// for all.
  private func isOnePixel(_ tensor: Int) -> Bool { buffers[value(tensor)].shape.pixels == 1 }

  private mutating func emitSum(_ layer: Int, of x: Int, from dy: Int) {
    guard marks[x].needsGradient else { return }
    emit(marks[x].hasGradient ? .addGradient : .copyGradient, layer, source: dy, target: gradient(x))
    marks[x].hasGradient = true
  }

  /// Appends a step; `other` is a buffer that it uses beside its source and target.
  private mutating func emit(
    _ verb: Step.Verb, _ layer: Int, source: Int = -1, target: Int = -1, isWhole: Bool = false, _ other: Int = -1
  ) {
    let step = Step(verb: verb, layer: layer, source: source, target: target, isWhole: isWhole)
    (steps + stepCount).initialize(to: step)
    stepCount += 1
    if isWhole || step.isSerial { run += 1 }
    use(source)
    use(target)
    use(other)
    if isWhole { run += 1 }
  }

  private func use(_ buffer: Int) {
    if buffer >= 0 { buffers[buffer].use(in: run) }
  }
}
