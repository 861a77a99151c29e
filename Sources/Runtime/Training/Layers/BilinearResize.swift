import CKernels
import CTrainingKernels
import Plan

// Linear Resize: each output is a mean of four inputs, to which its gradient goes with the same weights.

extension Trainer {
  func resize(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var r = layer.calls![0].load(as: cnn_resize.self)
      r.x = plan.buffers[layer.x].slot.view(image, images.share)
      r.y = plan.buffers[layer.y].slot.view(image, images.share)
      kernels.resize_f32(&r, 0, 1)
    }
  }

  func resizeGradient(_ layer: Layer, target: Int, _ images: Images) {
    let r = layer.calls![0].load(as: cnn_resize.self)
    let dy = view(plan.gradient(layer.y), images), dx = view(target, images)
    clear(target, images)
    dy.forEach { b, y, v in
      let row = r.rows[y], column = r.columns[v / 4], g = dy[b, y, v]
      let lower = g * row.weight, upper = g - lower
      let left = 4 &* Int(column.first) &+ v % 4, right = 4 &* Int(column.second) &+ v % 4
      dx[b, Int(row.first), left] += upper - upper * column.weight
      dx[b, Int(row.first), right] += upper * column.weight
      dx[b, Int(row.second), left] += lower - lower * column.weight
      dx[b, Int(row.second), right] += lower * column.weight
    }
  }
}
