import Bundle
import CKernels
import CTrainingKernels
import Plan

// Softmax between other layers: dx = y · (dy − Σ dy · y). At the network's end the loss takes its place.

extension Trainer {
  func softmax(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      if plan.isPlain(layer.y) {
        var s = layer.calls![0].load(as: cnn_softmax_axis.self)
        s.x += shift(layer.x, image, images.share)
        s.y += shift(layer.y, image, images.share)
        kernels.softmax_axis(&s, 0, 1)
      } else {
        var s = layer.calls![0].load(as: cnn_softmax.self)
        s.x = plan.buffers[layer.x].slot.view(image, images.share)
        s.y = plan.buffers[layer.y].slot.view(image, images.share)
        kernels.softmax(&s, 0, 1)
      }
    }
  }

  func softmaxGradient(_ layer: Layer, target: Int, _ images: Images) {
    var outer = 1, inner = 1, length = plan.buffers[layer.y].shape.channels
    if plan.isPlain(layer.y) {
      let s = layer.calls![0].load(as: cnn_softmax_axis.self)
      (outer, length, inner) = (Int(s.outer), Int(s.length), Int(s.inner))
    }
    let y = floats(layer.y, images), dy = floats(plan.gradient(layer.y), images), dx = floats(target, images)
    for row in 0..<outer {
      for place in 0..<inner {
        let first = row * length * inner + place
        var sum: Float = 0
        for i in 0..<length { sum += y[first + i * inner] * dy[first + i * inner] }
        for i in 0..<length {
          let at = first + i * inner
          dx[at] = y[at] * (dy[at] - sum)
        }
      }
    }
  }
}
