import Bundle
import CBundle
import CKernels
import CTrainingKernels

// Depthwise convolution: each channel by itself.

extension TrainingPlan {
  mutating func addDepthwise(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.kind = .depthwise
    layer.weight = try parameters.add(model, model.input(layer.number, 1))
    layer.bias = try parameters.add(model, model.input(layer.number, 2))
    widenHalo(layer)
    append(layer)
  }

  mutating func depthwiseBackward(_ i: Int) {
    emit(.parameterGradient, i, source: gradient(layers[i].y), value(layers[i].x))
    emitGradient(i)
  }

  func placeDepthwise(_ i: Int, _ arena: inout Arena) {
    let layer = layers[i], v = layer.vertical, h = layer.horizontal, view = buffers[value(layer.x)].slot.view
    layers[i].taps = arena.take(cnn_tap_offset.self, v.kernel * h.kernel)
    if let taps = layers[i].taps {
      for tap in 0..<v.kernel * h.kernel {
        let y = tap / h.kernel * v.dilation - v.padBefore, x = tap % h.kernel * h.dilation - h.padBefore
        taps[tap] = cnn_tap_offset(pixel: Int32(y * Int(view.row) + x * Int(view.pixel)), weight: Int32(tap * 64))
      }
    }
    makePhases(i, &arena)
  }

  /// The gradients that x's pixels of a phase are made of.
  func makeTaps(_ layer: Layer, _ phase: inout Phase, _ arena: inout Arena) {
    phase.offsets = arena.take(cnn_tap_offset.self, phase.taps)
    guard var out = phase.offsets else { return }
    let rows = self.rows(layer), columns = self.columns(layer), view = buffers[gradient(layer.y)].slot.view
    forEachTap(layer, phase) { ky, kx in
      let y = rows.output(phase.firstRow, ky), x = columns.output(phase.firstColumn, kx)
      out.pointee = cnn_tap_offset(
        pixel: Int32(y * Int(view.row) + x * Int(view.pixel)), weight: Int32((ky * layer.horizontal.kernel + kx) * 64))
      out += 1
    }
  }
}

extension Trainer {
  func depthwise(_ layer: Layer, _ images: Images) {
    var call = prepare(layer.forward)
    call.weights = UnsafePointer(UnsafeRawPointer(values(layer.weight)).assumingMemoryBound(to: UInt8.self))
    call.weight_block = Int64(layer.vertical.kernel * layer.horizontal.kernel * 64)
    if layer.bias >= 0 { call.bias = UnsafeRawPointer(values(layer.bias)) }
    call.setWindow(layer)
    images.forEach { image in
      call.x = plan.buffers[layer.x].slot.view(image, images.share)
      call.y = plan.buffers[layer.y].slot.view(image, images.share)
      kernels.depthwise_f32(&call, 0, 1)
    }
  }

  func depthwiseWeights(_ layer: Layer, _ images: Images) {
    var call = cnn_depthwise_weights(
      x: plan.buffers[layer.x].slot, dy: plan.buffers[plan.gradient(layer.y)].slot, taps: layer.taps,
      tap_count: Int32(layer.vertical.kernel * layer.horizontal.kernel), stride_y: Int32(layer.vertical.stride),
      stride_x: Int32(layer.horizontal.stride), weights: partial(layer.weight), bias: partial(layer.bias),
      share: Int64(partialBytes))
    training.depthwise_weights(&call, Int32(images.first), Int32(images.count), Int32(images.share))
  }

  func depthwiseData(_ layer: Layer, target: Int, _ images: Images) {
    guard let phases = layer.phases else { return }
    for i in 0..<layer.phaseCount {
      let phase = phases[i]
      var call = cnn_depthwise_data(
        dy: plan.buffers[plan.gradient(layer.y)].slot, dx: plan.buffers[target].slot, taps: phase.offsets,
        tap_count: Int32(phase.taps), weights: values(layer.weight),
        weight_block: Int64(layer.vertical.kernel * layer.horizontal.kernel * 64))
      call.dx.view.select(phase, layer)
      training.depthwise_data(&call, Int32(images.first), Int32(images.count), Int32(images.share))
    }
  }
}

extension cnn_view {
  /// Only the pixels of a phase of a layer's strides.
  mutating func select(_ phase: Phase, _ layer: Layer) {
    data += phase.firstRow * Int(row) + phase.firstColumn * Int(pixel)
    height = Int32(phase.height)
    width = Int32(phase.width)
    row *= Int64(layer.vertical.stride)
    pixel *= Int32(layer.horizontal.stride)
    halo = 0
  }
}
