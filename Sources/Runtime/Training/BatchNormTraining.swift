import Bundle
import CKernels
import CTrainingKernels
import CVector

// Batch normalisation (Ioffe & Szegedy 2015), with the ReLU behind it.
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
    call.relu = layer.relu ? 1 : 0
    call.window_height = Int32(n.windowHeight)
    call.window_width = Int32(n.windowWidth)
    call.sums = n.ofImage! + 3 * n.channels * share
    return call
  }

  /// Merges an image's mean and squared deviations into the share's (Chan, Golub & LeVeque 1979), in double precision.
  func statistics(_ layer: Layer, _ image: Int, _ share: Int) {
    var call = call(layer, share)
    training.batch_norm_statistics(&call, Int32(image), 1, Int32(share))
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
    let n = layer.norm, inverse = 1 / cv_square_root(variance + Double(n.epsilon))
    let scale = Double(values(layer.weight)[c]) * inverse
    n.meanOfBatch![c] = Float(mean)
    n.inverseDeviation![c] = Float(inverse)
    n.scale![c] = Float(scale)
    n.shift![c] = Float(Double(values(layer.bias)[c]) - mean * scale)
  }

  func normalise(_ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    if layer.norm.isPooled {
      var call = call(layer, share)
      for image in first..<first + count { training.batch_norm_pool(&call, Int32(image), 1, Int32(share)) }
      return
    }
    affine(layer, scale: layer.norm.scale, shift: layer.norm.shift, first, count, share)
  }

  func relu(_ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    affine(layer, scale: nil, shift: nil, first, count, share)
  }

  private func affine(
    _ layer: Layer, scale: UnsafeMutablePointer<Float>?, shift: UnsafeMutablePointer<Float>?,
    _ first: Int, _ count: Int, _ share: Int
  ) {
    let low: Float = layer.relu || layer.kind == .relu ? 0 : -.infinity
    for image in first..<first + count {
      var call = cnn_affine(
        x: plan.buffers[layer.x].slot.view(image, share), y: plan.buffers[layer.y].slot.view(image, share),
        scale: scale, shift: shift, low: low, high: .infinity)
      kernels.affine_f32(&call, 0, 1)
    }
  }

  func reduceNorm(_ layer: Layer, _ image: Int, _ share: Int) {
    var call = call(layer, share)
    training.batch_norm_reduce(&call, Int32(image), 1, Int32(share))
    let n = layer.norm, at = share * n.share
    for c in 0..<n.channels {
      n.sum![at + c] += Double(call.sums[c])
      n.product![at + c] += Double(call.sums[n.channels + c])
    }
  }

  func applyNorm(_ layer: Layer, target: Int, _ image: Int, _ share: Int) {
    var call = call(layer, dx: target, share)
    training.batch_norm_apply(&call, Int32(image), 1, Int32(share))
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
