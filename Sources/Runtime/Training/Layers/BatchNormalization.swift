import Bundle
import CKernels
import CTrainingKernels
import CVector

// Batch normalisation (Ioffe & Szegedy 2015), with the clamp (ReLU, Clip) and max pool behind it.

/// What a batch normalisation sums up and derives from the sums. Arrays of one value per channel, padded to 16.
struct BatchNorm {
  /// Of the batch (or, to evaluate, the running ones): y = x · scale + shift.
  var meanOfBatch: UnsafeMutablePointer<Float>?, scale: UnsafeMutablePointer<Float>?
  var shift: UnsafeMutablePointer<Float>?, inverseDeviation: UnsafeMutablePointer<Float>?
  var dyMean: UnsafeMutablePointer<Float>?, slope: UnsafeMutablePointer<Float>?
  /// A max pool behind it whose windows touch: their size.
  var windowHeight = 1, windowWidth = 1
  /// Sums of the batch, those of each share `share` elements apart; `count` has one element, of values seen.
  var mean: UnsafeMutablePointer<Double>?, m2: UnsafeMutablePointer<Double>?, count: UnsafeMutablePointer<Double>?
  var sum: UnsafeMutablePointer<Double>?, product: UnsafeMutablePointer<Double>?
  /// What a kernel sums up of one image: [3][channels], three times as many for each share.
  var ofImage: UnsafeMutablePointer<Float>?
  var share = 0
  /// Padded to 16.
  var channels = 0

  var isPooled: Bool { windowHeight * windowWidth > 1 }
}

extension TrainingPlan {
  mutating func addBatchNormalization(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.weight = try parameters.add(model, model.input(layer.number, 1))
    layer.bias = try parameters.add(model, model.input(layer.number, 2))
    layer.mean = try parameters.add(model, model.input(layer.number, 3), trainable: false)
    layer.variance = try parameters.add(model, model.input(layer.number, 4), trainable: false)
    append(layer)
  }

  mutating func batchNormalizationForward(_ i: Int) {
    let x = value(layers[i].x)
    emit(.statistics, i, source: x)
    emit(.finishStatistics, i)
    emit(.forward, i, source: x, target: value(layers[i].y))
  }

  mutating func batchNormalizationBackward(_ i: Int) {
    let x = layers[i].x
    emit(.parameterGradient, i, source: gradient(layers[i].y), value(x))
    emit(.finishParameterGradient, i)
    emitGradient(i, uses: value(x))
  }

  func placeBatchNormalization(_ number: Int, _ arena: inout Arena) {
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
}

extension Trainer {
  /// Clears what the shares sum up.
  func clear(_ norm: BatchNorm, share: Int) {
    (norm.mean! + share * norm.share).initialize(repeating: 0, count: norm.share)
  }

  private func call(_ layer: Layer, dx: Int = -1, _ share: Int) -> cnn_batch_norm {
    let n = layer.norm
    var call = cnn_batch_norm()
    call.x = plan.buffers[layer.x].slot
    call.y = plan.buffers[layer.y].slot
    call.dy = plan.buffers[plan.gradient(layer.y)].slot
    if dx >= 0 { call.dx = plan.buffers[dx].slot }
    call.mean = UnsafePointer(n.meanOfBatch)
    call.scale = UnsafePointer(n.scale)
    call.shift = UnsafePointer(n.shift)
    call.dy_mean = UnsafePointer(n.dyMean)
    call.slope = UnsafePointer(n.slope)
    call.low = layer.clamp.low
    call.high = layer.clamp.high
    call.window_height = Int32(n.windowHeight)
    call.window_width = Int32(n.windowWidth)
    call.sums = n.ofImage! + 3 * n.channels * share
    return call
  }

  /// Merges an image's mean and squared deviations into the share's (Chan, Golub & LeVeque 1979), in double precision.
  func statistics(_ layer: Layer, _ images: Images) {
    let share = images.share
    var call = call(layer, share)
    training.batch_norm_statistics(&call, Int32(images.first), 1, Int32(share))
    let n = layer.norm, at = share * n.share, sums = call.sums!
    let mean = n.mean! + at, m2 = n.m2! + at, seen = n.count! + at
    let own = Double(plan.buffers[layer.x].shape.pixels), before = seen.pointee, after = before + own
    for c in 0..<n.channels {
      let rest = Double(sums[n.channels + c]), correction = rest / own
      let delta = Double(sums[c]) + correction - mean[c]
      mean[c] += delta * (own / after)
      m2[c] += Double(sums[2 * n.channels + c]) - rest * correction + delta * delta * (before * own / after)
    }
    seen.pointee = after
  }

  /// Mean and variance of the batch, from those of the shares in their order; the variance is biased to normalise and
  /// unbiased in the running one, as in PyTorch.
  func finishStatistics(_ layer: Layer, updatesRunning: Bool) {
    let n = layer.norm, momentum = options.batchNormMomentum
    let means = values(layer.mean), variances = values(layer.variance)
    for c in 0..<parameter(layer.mean).order.outputChannels {
      var mean = 0.0, m2 = 0.0, count = 0.0
      for share in 0..<plan.shares {
        let at = share * n.share
        let more = n.count![at]
        guard more > 0 else { continue }
        let delta = n.mean![at + c] - mean, sum = count + more
        mean += delta * (more / sum)
        m2 += n.m2![at + c] + delta * delta * (count * more / sum)
        count = sum
      }
      setScale(layer, c, mean: mean, variance: m2 / count)
      if updatesRunning {
        let unbiased = count > 1 ? m2 / (count - 1) : 0
        means[c] = Float((1 - momentum) * Double(means[c]) + momentum * mean)
        variances[c] = Float((1 - momentum) * Double(variances[c]) + momentum * unbiased)
      }
    }
  }

  /// To evaluate: with the running statistics.
  func useRunningStatistics(_ layer: Layer) {
    let means = values(layer.mean), variances = values(layer.variance)
    for c in 0..<parameter(layer.mean).order.outputChannels {
      setScale(layer, c, mean: Double(means[c]), variance: Double(variances[c]))
    }
  }

  private func setScale(_ layer: Layer, _ c: Int, mean: Double, variance: Double) {
    let n = layer.norm, inverse = 1 / cv_square_root(variance + Double(layer.op.values.0))
    let scale = Double(values(layer.weight)[c]) * inverse
    n.meanOfBatch![c] = Float(mean)
    n.inverseDeviation![c] = Float(inverse)
    n.scale![c] = Float(scale)
    n.shift![c] = Float(Double(values(layer.bias)[c]) - mean * scale)
  }

  func normalise(_ layer: Layer, _ images: Images) {
    guard layer.norm.isPooled else {
      return affine(layer, scale: layer.norm.scale, shift: layer.norm.shift, images)
    }
    var call = call(layer, images.share)
    images.forEach { training.batch_norm_pool(&call, Int32($0), 1, Int32(images.share)) }
  }

  func reduceNorm(_ layer: Layer, _ images: Images) {
    let share = images.share
    var call = call(layer, share)
    training.batch_norm_reduce(&call, Int32(images.first), 1, Int32(share))
    let n = layer.norm, at = share * n.share
    for c in 0..<n.channels {
      n.sum![at + c] += Double(call.sums[c])
      n.product![at + c] += Double(call.sums[n.channels + c])
    }
  }

  func applyNorm(_ layer: Layer, target: Int, _ images: Images) {
    let share = images.share
    var call = call(layer, dx: target, share)
    training.batch_norm_apply(&call, Int32(images.first), 1, Int32(share))
  }

  /// The gradients of scale and bias, and what the second pass needs.
  func finishNorm(_ layer: Layer) {
    let n = layer.norm, shape = plan.buffers[layer.x].shape
    let elements = Double(batch.count * shape.pixels)
    for c in 0..<parameter(layer.mean).order.outputChannels {
      var sum = 0.0, product = 0.0
      for share in 0..<plan.shares {
        sum += n.sum![share * n.share + c]
        product += n.product![share * n.share + c]
      }
      let inverse = Double(n.inverseDeviation![c])
      // The first share's sums stand for all.
      partial(layer.weight)![c] += Float(product * inverse)
      partial(layer.bias)![c] += Float(sum)
      n.dyMean![c] = Float(sum / elements)
      n.slope![c] = Float(product * inverse * inverse / elements)
    }
  }
}
