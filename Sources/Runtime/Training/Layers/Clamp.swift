import Bundle
import CBundle
import CKernels

// ReLU and Clip: part of the layer whose result they alone read, where that takes one.

extension TrainingPlan {
  mutating func addClamp(_ layer: Layer) {
    var layer = layer
    layer.clamp = Int(layer.op.kind) == CNNB_OP_RELU ? .relu : Clamp(layer.op.values.0, layer.op.values.1)
    if !fuseClamp(layer) { append(layer) }
  }

  private func fuseClamp(_ layer: Layer) -> Bool {
    guard let producer = producer(of: layer) else { return false }
    switch layers[producer].kind {
    case .convolution, .depthwise, .grouped, .transposed, .batchNormalization, .add, .arithmetic:
      guard layers[producer].clamp.isNone || layers[producer].clamp == layer.clamp else { return false }
      layers[producer].clamp = layer.clamp
      extend(producer, to: layer)
      return true
    default: return false
    }
  }
}

extension Trainer {
  func clamp(_ layer: Layer, _ images: Images) { affine(layer, scale: nil, shift: nil, images) }

  /// y = x · scale + shift, clamped; x without a scale.
  func affine(
    _ layer: Layer, scale: UnsafeMutablePointer<Float>?, shift: UnsafeMutablePointer<Float>?, _ images: Images
  ) {
    images.forEach { image in
      var call = cnn_affine(
        x: plan.buffers[layer.x].elements(image, images.share), y: plan.buffers[layer.y].elements(image, images.share),
        scale: scale, shift: shift, low: layer.clamp.low, high: layer.clamp.high)
      kernels.affine_f32(&call, 0, 1)
    }
  }

  /// The gradient where y lies strictly between the limits, else 0.
  func mask(_ step: Step, _ layer: Layer, _ images: Images) {
    let dy = view(step.source, images), dx = view(step.target, images), y = view(layer.y, images)
    let low = Floats(repeating: layer.clamp.low), high = Floats(repeating: layer.clamp.high)
    dx.forEach {
      let value = y[$0, $1, $2]
      dx[$0, $1, $2] = dy[$0, $1, $2].replacing(with: 0, where: value .<= low .| value .>= high)
    }
  }
}
