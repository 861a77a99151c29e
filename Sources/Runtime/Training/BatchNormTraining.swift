import Bundle
import CKernels
import CTrainingKernels
import CVector

// Batch normalisation (Ioffe & Szegedy 2015), with the ReLU behind it.
extension Trainer {
  /// Clears what the shares sum up.
  func clear(_ norm: BatchNorm, share: Int) {
    guard let sums = norm.mean else { return }
    (sums + share * (norm.share / 8)).initialize(repeating: 0, count: norm.share / 8)
  }

  func statistics(_ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    let n = layer.norm
    var call = cnn_batch_statistics(
      x: plan.buffers[layer.x].slot, mean: n.mean, m2: n.m2, count: n.count, share: Int64(n.share))
    training.batch_statistics(&call, Int32(first), Int32(count), Int32(share))
  }

  /// Mean and variance of the batch, from those of the shares in their order; the variance is biased to normalise and unbiased in the running
  /// one, as in PyTorch.
  func finishStatistics(_ layer: Layer, updatesRunning: Bool) {
    let n = layer.norm, momentum = options.batchNormMomentum
    let means = values(layer.mean), variances = values(layer.variance)
    for c in 0..<parameter(layer.mean).order.outputChannels {
      var mean = 0.0, m2 = 0.0, count = 0.0
      for share in 0..<plan.shares {
        let at = share * (n.share / 8)
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

  /// Both passes of the gradient.
  func normGradient(
    _ kernel: cnn_training_kernel, _ layer: Layer, target: Int, _ first: Int, _ count: Int, _ share: Int
  ) {
    let n = layer.norm
    var call = cnn_batch_norm_gradient(
      x: plan.buffers[layer.x].slot, dy: plan.buffers[plan.gradient(layer.y)].slot, dx: plan.buffers[target].slot,
      mean: n.meanOfBatch, scale: n.scale, shift: n.shift, dy_mean: n.dyMean, slope: n.slope, relu: layer.relu ? 1 : 0,
      sum: n.sum, product: n.product, share: Int64(n.share))
    kernel(&call, Int32(first), Int32(count), Int32(share))
  }

  /// The gradients of scale and bias, and what the second pass needs.
  func finishNorm(_ layer: Layer) {
    let n = layer.norm, shape = plan.buffers[layer.x].shape
    let elements = Double(batch.count * shape.pixels)
    for c in 0..<parameter(layer.mean).order.outputChannels {
      var sum = 0.0, product = 0.0
      for share in 0..<plan.shares {
        sum += n.sum![share * (n.share / 8) + c]
        product += n.product![share * (n.share / 8) + c]
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
