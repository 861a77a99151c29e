import Bundle
import CKernels
import CTrainingKernels

// Convolution and fully connected layers.

extension TrainingPlan {
  mutating func addConvolution(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    guard layer.op.window.group == 1 else {
      return try model.isDepthwise(layer.number) ? addDepthwise(model, layer) : addGrouped(model, layer)
    }
    layer.weight = try parameters.add(model, model.input(layer.number, 1), dilationX: layer.horizontal.dilation)
    layer.bias = try parameters.add(model, model.input(layer.number, 2))
    widenHalo(layer)
    append(layer)
  }

  mutating func addFullyConnected(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.setWindow(1, 1)
    layer.weight = try parameters.add(model, model.input(layer.number, 1))
    layer.bias = try parameters.add(model, model.input(layer.number, 2))
    append(layer)
  }

  /// The zeros that a convolution reads around its input.
  func widenHalo(_ layer: Layer) {
    let v = layer.vertical, h = layer.horizontal
    let widest = max(max(v.padBefore, v.padAfter), max(h.padBefore, h.padAfter))
    buffers[layer.x].halo = max(buffers[layer.x].halo, widest)
  }

  mutating func convolutionForward(_ i: Int) {
    let x = layers[i].x, y = layers[i].y
    emit(.forward, i, source: value(x), target: value(y), isWhole: isOnePixel(y))
  }

  mutating func convolutionBackward(_ i: Int) {
    let x = layers[i].x, y = layers[i].y
    emit(.parameterGradient, i, source: gradient(y), isWhole: isOnePixel(y), value(x))
    emitGradient(i, isWhole: isOnePixel(x) && isOnePixel(y))
  }

  func placeConvolution(_ i: Int, _ arena: inout Arena) {
    makeForward(i, &arena)
    makePhases(i, &arena)
  }
}

extension Trainer {
  func convolution(_ layer: Layer, _ images: Images) {
    var call = prepare(layer.forward)
    let order = parameter(layer.weight).order
    call.weights = UnsafePointer(UnsafeRawPointer(values(layer.weight)).assumingMemoryBound(to: UInt8.self))
    call.weight_block = Int64(order.rows * 64)
    if layer.bias >= 0 { call.bias = UnsafeRawPointer(values(layer.bias)) }
    call.setWindow(layer)
    let x = plan.buffers[layer.x].slot, y = plan.buffers[layer.y].slot
    convolve(&call, x.view(images.first, images.share), y.view(images.first, images.share), images.count)
  }

  func prepare(_ s: Segments) -> cnn_conv {
    var call = cnn_conv()
    call.bias = UnsafeRawPointer(plan.noBias)
    call.offsets = UnsafePointer(s.offsets)
    call.full_segments = Int32(s.fullSegments)
    call.full_steps = Int32(s.fullSteps)
    call.last_segments = Int32(s.lastSegments)
    call.last_steps = Int32(s.lastSteps)
    call.stride_y = 1
    call.stride_x = 1
    call.dilation_y = 1
    call.dilation_x = 1
    call.low = -.infinity
    call.high = .infinity
    return call
  }

  func convolutionWeights(_ layer: Layer, _ images: Images) {
    let s = layer.forward
    var call = cnn_conv_gradient(
      x: plan.buffers[layer.x].slot, dy: plan.buffers[plan.gradient(layer.y)].slot, offsets: s.offsets,
      full_segments: Int32(s.fullSegments), full_steps: Int32(s.fullSteps), last_segments: Int32(s.lastSegments),
      last_steps: Int32(s.lastSteps), stride_y: Int32(layer.vertical.stride), stride_x: Int32(layer.horizontal.stride),
      weights: partial(layer.weight), bias: partial(layer.bias), share: Int64(partialBytes))
    training.conv_gradient(&call, Int32(images.first), Int32(images.count), Int32(images.share))
  }

  /// The gradient of x: for stride 1 a convolution of dy with the turned kernel; else one for each position of the
  /// stride.
  func convolutionData(_ layer: Layer, target: Int, _ images: Images) {
    let (first, count, share) = (images.first, images.count, images.share)
    let dy = plan.buffers[plan.gradient(layer.y)].slot, dx = plan.buffers[target].slot
    guard let phases = layer.phases else { return }
    for i in 0..<layer.phaseCount {
      let phase = phases[i]
      var call = prepare(phase.segments)
      call.weights = UnsafePointer(UnsafeRawPointer(phase.weights!).assumingMemoryBound(to: UInt8.self))
      call.weight_block = Int64(phase.taps * parameter(layer.weight).order.outputChannels * 64)
      var part = dx.view(first, share)
      if layer.isStrided { part.select(phase, layer) }
      convolve(&call, dy.view(first, share), part, count)
    }
  }

  private func convolve(_ call: inout cnn_conv, _ x: cnn_view, _ y: cnn_view, _ images: Int) {
    call.x = x
    call.y = y
    call.x.batch = Int32(images)
    call.y.batch = Int32(images)
    kernels.conv_f32(&call, 0, 1)
  }

  /// Turns the kernel for the data gradient: [block of x's channels][segment][step: channel of dy][16 channels of x].
  /// Does share `share` of the blocks.
  func turnWeights(_ layer: Layer, share: Int) {
    guard let phases = layer.phases else { return }
    let order = parameter(layer.weight).order, weights = values(layer.weight)
    for i in 0..<layer.phaseCount {
      let phase = phases[i]
      var inputBlock = share
      while inputBlock < order.inputBlocks {
        var target = phase.weights! + inputBlock * phase.taps * order.outputChannels * 16
        for outputBlock in 0..<order.blocks {
          let outputs = min(16, order.outputChannels - 16 * outputBlock)
          plan.forEachTap(layer, phase) { ky, kx in
            let row = outputBlock * order.rows + order.row(inputBlock, ky * order.kernelWidth + kx)
            transpose(weights + row * 16, order.steps(inputBlock), outputs, target)
            target += 16 * outputs
          }
        }
        inputBlock += plan.shares
      }
    }
  }

  /// [inputs][16 outputs] → [outputs][16 inputs]; missing inputs are 0.
  func transpose(
    _ source: UnsafePointer<Float>, _ inputs: Int, _ outputs: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    for output in 0..<outputs {
      for input in 0..<inputs { target[output &* 16 &+ input] = source[input &* 16 &+ output] }
      for input in inputs..<16 { target[output &* 16 &+ input] = 0 }
    }
  }
}

extension cnn_conv {
  mutating func setWindow(_ layer: Layer) {
    (stride_y, stride_x) = (Int32(layer.vertical.stride), Int32(layer.horizontal.stride))
    (kernel_height, kernel_width) = (Int32(layer.vertical.kernel), Int32(layer.horizontal.kernel))
    (dilation_y, dilation_x) = (Int32(layer.vertical.dilation), Int32(layer.horizontal.dilation))
    (pad_top, pad_left) = (Int32(layer.vertical.padBefore), Int32(layer.horizontal.padBefore))
    (low, high) = (layer.clamp.low, layer.clamp.high)
  }
}
