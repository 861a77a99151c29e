import Bundle
import CKernels
import CTrainingKernels

// Pools, sums and changes of shape.
extension Trainer {
  func pool(_ kernel: cnn_kernel, _ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    var call = cnn_pool()
    let v = layer.vertical, h = layer.horizontal
    (call.kernel_height, call.kernel_width) = (Int32(v.kernel), Int32(h.kernel))
    (call.stride_y, call.stride_x) = (Int32(v.stride), Int32(h.stride))
    (call.pad_top, call.pad_left) = (Int32(v.padBefore), Int32(h.padBefore))
    (call.pad_bottom, call.pad_right) = (Int32(v.padAfter), Int32(h.padAfter))
    (call.dilation_y, call.dilation_x) = (Int32(v.dilation), Int32(h.dilation))
    call.count_include_pad = layer.countsPadding ? 1 : 0
    call.low = layer.relu ? 0 : -.infinity
    call.high = .infinity
    for image in first..<first + count {
      call.x = plan.buffers[layer.x].slot.view(image, share)
      call.y = plan.buffers[layer.y].slot.view(image, share)
      kernel(&call, 0, 1)
    }
  }

  func add(_ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    var call = cnn_add()
    call.low = layer.relu ? 0 : -.infinity
    call.high = .infinity
    for image in first..<first + count {
      call.a = plan.buffers[layer.x].slot.view(image, share)
      call.b = plan.buffers[layer.x2].slot.view(image, share)
      call.y = plan.buffers[layer.y].slot.view(image, share)
      kernels.add_f32(&call, 0, 1)
    }
  }

  func flatten(_ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    for image in first..<first + count {
      var call = cnn_flatten(
        x: plan.buffers[layer.x].slot.view(image, share), y: plan.buffers[layer.y].slot.view(image, share),
        element_bytes: 4)
      kernels.flatten(&call, 0, 1)
    }
  }

  /// The caller's images, NCHW, into the network's input.
  func importImages(_ first: Int, _ count: Int, _ share: Int) {
    let shape = plan.buffers[plan.input].shape
    var call = cnn_copy()
    call.plain_is_f32 = 1
    call.view_is_f32 = 1
    call.scale = 1
    call.strides = (
      Int64(4 * shape.channels * shape.pixels), Int64(4 * shape.pixels), Int64(4 * shape.width), 4
    )
    for image in first..<first + count {
      call.view = plan.buffers[plan.input].slot.view(image, share)
      // The kernel only reads them.
      let source = UnsafeMutableRawPointer(mutating: batch.images! + image * shape.channels * shape.pixels)
      call.plain = source.assumingMemoryBound(to: UInt8.self)
      kernels.import_plain(&call, 0, 1)
    }
  }
}
