import CKernels

extension Trainer {
  /// The caller's images, NCHW, into the network's input.
  func importImages(_ images: Images) {
    let shape = plan.buffers[plan.input].shape
    var call = cnn_copy()
    call.plain_is_f32 = 1
    call.view_is_f32 = 1
    call.scale = 1
    call.strides = (
      Int64(4 * shape.channels * shape.pixels), Int64(4 * shape.pixels), Int64(4 * shape.width), 4
    )
    images.forEach { image in
      call.view = plan.buffers[plan.input].slot.view(image, images.share)
      // The kernel only reads them.
      let source = UnsafeMutableRawPointer(mutating: batch.images! + image * shape.channels * shape.pixels)
      call.plain = source.assumingMemoryBound(to: UInt8.self)
      kernels.import_plain(&call, 0, 1)
    }
  }
}
