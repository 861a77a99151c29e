import Bundle
import CBundle
import CKernels
import CTrainingKernels

// Functions of one element: LeakyRelu, Elu, Sigmoid, Tanh, Swish, HardSigmoid, HardSwish, Gelu, Erf; and PRelu, whose slope learns.

extension TrainingPlan {
  mutating func addPRelu(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.weight = try parameters.add(model, model.input(layer.number, 1))
    append(layer)
  }

  mutating func preluBackward(_ i: Int) {
    emit(.parameterGradient, i, source: gradient(layers[i].y), value(layers[i].x))
    emitGradient(i, uses: value(layers[i].x))
  }
}

extension Trainer {
  func activation(_ layer: Layer, _ images: Images) {
    var call = cnn_unary()
    (call.kind, call.alpha, call.beta) = attributes(layer)
    images.forEach { image in
      call.x = plan.buffers[layer.x].elements(image, images.share)
      call.y = plan.buffers[layer.y].elements(image, images.share)
      kernels.unary_f32(&call, 0, 1)
    }
  }

  func activationGradient(_ layer: Layer, target: Int, _ images: Images) {
    var call = cnn_unary_gradient()
    (call.kind, call.alpha, call.beta) = attributes(layer)
    call.x = plan.buffers[layer.x].elements(images.first, images.share)
    call.dy = plan.buffers[plan.gradient(layer.y)].elements(images.first, images.share)
    call.dx = plan.buffers[target].elements(images.first, images.share)
    training.unary_gradient(&call, 0, 1, 0)
  }

  private func attributes(_ layer: Layer) -> (Int32, Float, Float) {
    let isGelu = Int(layer.op.kind) == CNNB_OP_GELU
    return (Int32(layer.op.kind), isGelu ? Float(layer.op.integers.0) : layer.op.values.0, layer.op.values.1)
  }

  // MARK: - PRelu

  func prelu(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var call = cnn_prelu()
      call.x = plan.buffers[layer.x].slot.view(image, images.share)
      call.y = plan.buffers[layer.y].slot.view(image, images.share)
      call.slope = UnsafePointer(values(layer.weight))
      kernels.prelu_f32(&call, 0, 1)
    }
  }

  func preluSlope(_ layer: Layer, _ images: Images) {
    let sums = UnsafeMutableRawPointer(partial(layer.weight)! + images.share * plan.parameters.elements)
    let x = view(layer.x, images), dy = view(plan.gradient(layer.y), images)
    dy.forEach { b, y, v in
      let value = x[b, y, v], p = sums + (64 &* b &+ 16 &* (v % 4))
      let product = (dy[b, y, v] * value).replacing(with: 0, where: value .>= 0)
      p.storeBytes(of: p.loadUnaligned(as: Floats.self) + product, as: Floats.self)
    }
  }

  func preluGradient(_ layer: Layer, target: Int, _ images: Images) {
    let slopes = UnsafeRawPointer(values(layer.weight))
    let x = view(layer.x, images), dy = view(plan.gradient(layer.y), images), dx = view(target, images)
    dx.forEach { b, y, v in
      let slope = slopes.loadUnaligned(fromByteOffset: 64 &* b &+ 16 &* (v % 4), as: Floats.self), g = dy[b, y, v]
      dx[b, y, v] = g.replacing(with: g * slope, where: x[b, y, v] .< 0)
    }
  }
}
