import Bundle
import CKernels
import CTrainingKernels
import Plan

// LRN: y[c] = x[c] · d[c]^−β, d[c] = bias + α / size · Σ x[i]² over the neighbours of c. So
// dx[c] = dy[c] · d[c]^−β − 2 αβ / size · x[c] · Σ dy[j] · y[j] / d[j] over those whose neighbour c is.

extension Trainer {
  func localResponse(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var n = layer.calls![0].load(as: cnn_lrn.self)
      n.x = plan.buffers[layer.x].slot.view(image, images.share)
      n.y = plan.buffers[layer.y].slot.view(image, images.share)
      kernels.lrn_f32(&n, 0, 1)
    }
  }

  func localResponseGradient(_ layer: Layer, target: Int, _ images: Images) {
    let n = layer.calls![0].load(as: cnn_lrn.self)
    let channels = plan.buffers[layer.x].shape.channels
    let behind = Int(n.size) / 2, before = (Int(n.size) - 1) / 2
    let x = view(layer.x, images), y = view(layer.y, images)
    let dy = view(plan.gradient(layer.y), images), dx = view(target, images)
    /// dy · y / d of each channel.
    let ratio = layer.sums! + images.share * layer.sumStride
    for row in 0..<x.height {
      for column in 0..<x.width {
        func at(_ view: GradientView, _ c: Int) -> Float { view.element(c, row, column).load(as: Float.self) }
        func normaliser(_ c: Int) -> Float {
          var sum: Float = 0
          for i in max(0, c - before)...min(channels - 1, c + behind) { sum += at(x, i) * at(x, i) }
          return n.bias + n.alpha_over_size * sum
        }
        for c in 0..<channels { ratio[c] = at(dy, c) * at(y, c) / normaliser(c) }
        for c in 0..<channels {
          var sum: Float = 0
          for j in max(0, c - behind)...min(channels - 1, c + before) { sum += ratio[j] }
          let v = at(x, c)
          // d^−β is y / x, but for x = 0.
          let power =
            abs(v) > 1e-20
            ? at(y, c) / v : Float(exponential(-Double(n.beta) * naturalLogarithm(Double(normaliser(c)))))
          let gradient = at(dy, c) * power - 2 * n.alpha_over_size * n.beta * v * sum
          dx.element(c, row, column).storeBytes(of: gradient, as: Float.self)
        }
      }
    }
  }

  /// Of any positive number.
  private func naturalLogarithm(_ x: Double) -> Double { x < 1 ? -logarithm(1 / x) : logarithm(x) }
}
