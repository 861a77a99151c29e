import Bundle
import CKernels

// The sum of two tensors of one shape.

extension TrainingPlan {
  mutating func sumBackward(_ i: Int) {
    emitSum(i, of: layers[i].x)
    emitSum(i, of: layers[i].x2)
  }
}

extension Trainer {
  func add(_ layer: Layer, _ images: Images) {
    var call = cnn_add()
    call.low = layer.clamp.low
    call.high = layer.clamp.high
    images.forEach { image in
      call.a = plan.buffers[layer.x].elements(image, images.share)
      call.b = plan.buffers[layer.x2].elements(image, images.share)
      call.y = plan.buffers[layer.y].elements(image, images.share)
      kernels.add_f32(&call, 0, 1)
    }
  }

  func copyGradient(_ step: Step, _ images: Images) {
    let dy = view(step.source, images), dx = view(step.target, images)
    dx.forEach { dx[$0, $1, $2] = dy[$0, $1, $2] }
  }

  func addGradient(_ step: Step, _ images: Images) {
    let dy = view(step.source, images), dx = view(step.target, images)
    dx.forEach { dx[$0, $1, $2] += dy[$0, $1, $2] }
  }
}
