import CKernels

// [C, H, W] → [C·H·W], both in blocks.

extension Trainer {
  func flatten(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var call = cnn_flatten(
        x: plan.buffers[layer.x].slot.view(image, images.share),
        y: plan.buffers[layer.y].slot.view(image, images.share), element_bytes: 4)
      kernels.flatten(&call, 0, 1)
    }
  }

  func flattenGradient(_ layer: Layer, target: Int, _ images: Images) {
    let dy = view(plan.gradient(layer.y), images).address(0, 0, 0), dx = view(target, images)
    let plane = dx.height * dx.width, channels = plan.buffers[target].shape.channels
    dx.forEach { b, y, v in
      let source = dy + 4 &* (16 &* b &* plane &+ y &* dx.width &+ v / 4), channel = 16 &* b &+ 4 &* (v % 4)
      for c in 0..<min(4, max(0, channels &- channel)) {
        let value = source.load(fromByteOffset: 4 &* (4 &* (v % 4) &+ c) &* plane, as: Float.self)
        dx.address(b, y, v).storeBytes(of: value, toByteOffset: 4 &* c, as: Float.self)
      }
    }
  }
}
