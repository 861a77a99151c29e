import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan
import CVector

// GroupNormalization (Wu & He 2018) and InstanceNormalization: y = (x − μ) · r · scale + bias with the mean μ and the inverse
// deviation r of a group of channels of one image. With P = Σ scale · dy and Q = Σ scale · dy · (x − μ) · r over the group's m
// elements, dx = r · (scale · dy − P / m − (x − μ) · r · Q / m).

extension TrainingPlan {
  mutating func addGroupNormalization(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.weight = try parameters.add(model, model.input(layer.number, 1))
    layer.bias = try parameters.add(model, model.input(layer.number, 2))
    append(layer)
  }

  mutating func groupNormalizationBackward(_ i: Int) {
    emit(.parameterGradient, i, source: gradient(layers[i].y), value(layers[i].x))
    emitGradient(i, uses: value(layers[i].x))
  }
}

extension Trainer {
  func groupNormalization(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var n = layer.calls![0].load(as: cnn_group_norm.self)
      n.x = plan.buffers[layer.x].slot.view(image, images.share)
      n.y = plan.buffers[layer.y].slot.view(image, images.share)
      n.scale = UnsafePointer(values(layer.weight))
      n.bias = UnsafePointer(values(layer.bias))
      kernels.group_norm_f32(&n, 0, 1)
    }
  }

  /// What is summed up of each channel, and the factors of dx = a · dy + b · x + c: arrays padded to 16.
  private struct Channels {
    let sum: UnsafeMutablePointer<Float>, product: UnsafeMutablePointer<Float>
    let mean: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>

    init(_ layer: Layer, _ share: Int) {
      let start = layer.sums! + share * layer.sumStride, count = layer.sumStride / 4
      (sum, product, mean, inverse) = (start, start + count, start + 2 * count, start + 3 * count)
    }
  }

  /// Gradients of scale and bias; what it sums up, the gradient of x needs next.
  func groupNormalizationParameters(_ layer: Layer, _ images: Images) {
    let c = Channels(layer, images.share), channels = plan.buffers[layer.x].shape.channels
    let groups = Int(layer.calls![0].load(as: cnn_group_norm.self).groups), size = channels / groups
    let x = view(layer.x, images), dy = view(plan.gradient(layer.y), images)
    let elements = Double(size * x.height * x.width)
    x.sumChannels(c.sum) { x[$0, $1, $2] }
    forEachGroup(groups, size, c.sum, c.mean, 1 / elements)
    x.sumChannels(c.sum) {
      let d = x[$0, $1, $2] - vector(c.mean, $0, $2)
      return d * d
    }
    forEachGroup(groups, size, c.sum, c.inverse, 1 / elements)
    for i in 0..<channels {
      c.inverse[i] = Float(1 / cv_square_root(Double(c.inverse[i]) + Double(layer.op.values.0)))
    }
    x.sumChannels(c.sum) { dy[$0, $1, $2] }
    x.sumChannels(c.product) { dy[$0, $1, $2] * (x[$0, $1, $2] - vector(c.mean, $0, $2)) }
    let scales = partial(layer.weight)! + images.share * plan.parameters.elements
    let biases = partial(layer.bias)! + images.share * plan.parameters.elements
    for i in 0..<channels {
      scales[i] += c.product[i] * c.inverse[i]
      biases[i] += c.sum[i]
    }
  }

  func groupNormalizationGradient(_ layer: Layer, target: Int, _ images: Images) {
    let c = Channels(layer, images.share), channels = plan.buffers[layer.x].shape.channels
    let groups = Int(layer.calls![0].load(as: cnn_group_norm.self).groups), size = channels / groups
    let x = view(layer.x, images), dy = view(plan.gradient(layer.y), images), dx = view(target, images)
    let scale = values(layer.weight), elements = Float(size * x.height * x.width)
    for i in 0..<channels {
      c.sum[i] *= scale[i]
      c.product[i] *= scale[i]
    }
    forEachGroup(groups, size, c.sum, c.sum, 1)
    forEachGroup(groups, size, c.product, c.product, 1)
    for i in 0..<channels {
      let r = c.inverse[i], slope = -r * r * r * c.product[i] / elements
      c.inverse[i] = r * scale[i]
      c.sum[i] = -r * c.sum[i] / elements - slope * c.mean[i]
      c.product[i] = slope
    }
    dx.forEach {
      let value = dy[$0, $1, $2] * vector(c.inverse, $0, $2) + x[$0, $1, $2] * vector(c.product, $0, $2)
      dx[$0, $1, $2] = value + vector(c.sum, $0, $2)
    }
  }

  /// Each channel's becomes its group's sum, times `factor`.
  private func forEachGroup(
    _ groups: Int, _ size: Int, _ from: UnsafeMutablePointer<Float>, _ to: UnsafeMutablePointer<Float>, _ factor: Double
  ) {
    for group in 0..<groups {
      var sum = 0.0
      for i in group * size..<(group + 1) * size { sum += Double(from[i]) }
      for i in group * size..<(group + 1) * size { to[i] = Float(sum * factor) }
    }
  }

  /// Four channels' values.
  private func vector(_ channels: UnsafeMutablePointer<Float>, _ block: Int, _ v: Int) -> Floats {
    UnsafeRawPointer(channels + (16 &* block &+ 4 &* (v % 4))).loadUnaligned(as: Floats.self)
  }
}

extension GradientView {
  /// Sums over the pixels, one for each channel, row by row.
  @inline(__always)
  fileprivate func sumChannels(_ sums: UnsafeMutablePointer<Float>, _ value: (_ b: Int, _ y: Int, _ v: Int) -> Floats) {
    for b in 0..<blocks {
      for lane in 0..<4 {
        var total = Floats(repeating: 0)
        for y in 0..<height {
          var line = Floats(repeating: 0)
          for x in 0..<width { line += value(b, y, 4 &* x &+ lane) }
          total += line
        }
        UnsafeMutableRawPointer(sums + (16 &* b &+ 4 &* lane)).storeBytes(of: total, as: Floats.self)
      }
    }
  }
}
