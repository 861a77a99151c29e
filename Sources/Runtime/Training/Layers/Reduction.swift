import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan

// ReduceMean, ReduceSum, ReduceMax, ReduceMin. The gradient of a largest or smallest element goes to the first of them.

extension Trainer {
  func reduce(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var r = layer.calls![0].load(as: cnn_reduce.self)
      r.x += shift(layer.x, image, images.share)
      r.y += shift(layer.y, image, images.share)
      r.halo = plan.buffers[layer.y].slot.view(image, images.share)
      kernels.reduce_f32(&r, 0, 1)
    }
  }

  func reduceGradient(_ layer: Layer, target: Int, _ images: Images) {
    let r = layer.calls![0].load(as: cnn_reduce.self)
    let x = UnsafeRawPointer(r.x!) + shift(layer.x, images)
    let dx = UnsafeMutableRawPointer(mutating: r.x!) + shift(layer.x, to: target, images)
    let dy = UnsafeRawPointer(r.y!) + shift(layer.y, to: plan.gradient(layer.y), images)
    clear(target, images)
    var elements = 0
    forEachPlace(r.reduced, Int(r.reduced_count)) { _, _ in elements += 1 }
    let scale = Int(r.kind) == CNNB_OP_REDUCE_MEAN ? 1 / Float(elements) : 1
    let picks = Int(r.kind) == CNNB_OP_REDUCE_MAX || Int(r.kind) == CNNB_OP_REDUCE_MIN
    let sign: Float = Int(r.kind) == CNNB_OP_REDUCE_MIN ? -1 : 1
    forEachPlace(r.kept, Int(r.kept_count)) { from, to in
      for lane in 0..<Int(r.lanes) {
        let place = from + 4 * lane
        let g = dy.load(fromByteOffset: to + 4 * lane, as: Float.self) * scale
        if picks {
          dx.storeBytes(of: g, toByteOffset: largest(r, x, place, sign), as: Float.self)
        } else {
          forEachPlace(r.reduced, Int(r.reduced_count)) { at, _ in
            dx.storeBytes(of: g, toByteOffset: place + at, as: Float.self)
          }
        }
      }
    }
  }

  private func largest(_ r: cnn_reduce, _ x: UnsafeRawPointer, _ place: Int, _ sign: Float) -> Int {
    var best = -Float.infinity, found = -1
    forEachPlace(r.reduced, Int(r.reduced_count)) { at, _ in
      let v = sign * x.load(fromByteOffset: place + at, as: Float.self)
      if found < 0 || v > best { (best, found) = (v, place + at) }
    }
    return found
  }
}
