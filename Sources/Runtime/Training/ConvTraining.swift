import Bundle
import CKernels
import CTrainingKernels

// Convolution and fully connected layers: forward and both gradients.
extension Trainer {
  func conv(_ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    var call = prepare(layer.forward)
    let order = parameter(layer.weight).order
    call.weights = UnsafePointer(UnsafeRawPointer(values(layer.weight)).assumingMemoryBound(to: UInt8.self))
    call.weight_block = Int64(order.rows * 64)
    if layer.bias >= 0 { call.bias = UnsafeRawPointer(values(layer.bias)) }
    call.stride_y = Int32(layer.vertical.stride)
    call.stride_x = Int32(layer.horizontal.stride)
    call.kernel_height = Int32(layer.vertical.kernel)
    call.kernel_width = Int32(layer.horizontal.kernel)
    call.dilation_y = Int32(layer.vertical.dilation)
    call.dilation_x = Int32(layer.horizontal.dilation)
    call.pad_top = Int32(layer.vertical.padBefore)
    call.pad_left = Int32(layer.horizontal.padBefore)
    call.low = layer.relu ? 0 : -.infinity
    let x = plan.buffers[layer.x].slot, y = plan.buffers[layer.y].slot
    convolve(&call, x.view(first, share), y.view(first, share), count)
  }

  private func prepare(_ s: Segments) -> cnn_conv {
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

  func weightGradient(_ layer: Layer, _ first: Int, _ count: Int, _ share: Int) {
    let s = layer.forward
    var call = cnn_conv_gradient(
      x: plan.buffers[layer.x].slot, dy: plan.buffers[plan.gradient(layer.y)].slot, offsets: s.offsets,
      full_segments: Int32(s.fullSegments), full_steps: Int32(s.fullSteps), last_segments: Int32(s.lastSegments),
      last_steps: Int32(s.lastSteps), stride_y: Int32(layer.vertical.stride), stride_x: Int32(layer.horizontal.stride),
      weights: partial(layer.weight), bias: partial(layer.bias), share: Int64(partialBytes))
    training.conv_gradient(&call, Int32(first), Int32(count), Int32(share))
  }

  /// The gradient of x: for stride 1 a convolution of dy with the turned kernel; else one for each position of the
  /// stride.
  func dataGradient(_ number: Int, _ layer: Layer, target: Int, _ first: Int, _ count: Int, _ share: Int) {
    let dy = plan.buffers[plan.gradient(layer.y)].slot, dx = plan.buffers[target].slot
    guard let phases = layer.phases else { return }
    for i in 0..<layer.phaseCount {
      let phase = phases[i]
      var call = prepare(phase.segments)
      call.weights = UnsafePointer(UnsafeRawPointer(phase.weights!).assumingMemoryBound(to: UInt8.self))
      call.weight_block = Int64(phase.taps * parameter(layer.weight).order.outputChannels * 64)
      call.kernel_height = Int32(layer.vertical.kernel)
      call.kernel_width = Int32(layer.horizontal.kernel)
      call.dilation_y = Int32(layer.vertical.dilation)
      call.dilation_x = Int32(layer.horizontal.dilation)
      call.pad_top = Int32(layer.vertical.extent - 1 - layer.vertical.padBefore)
      call.pad_left = Int32(layer.horizontal.extent - 1 - layer.horizontal.padBefore)
      if layer.isStrided {
        var part = plan.buffers[plan.phaseBuffer(number)].slot.view(0, share)
        part.height = Int32(phase.height)
        part.width = Int32(phase.width)
        if phase.taps > 0 { convolve(&call, dy.view(first, share), part, 1) }
        spread(part, phase, layer, dx.view(first, share))
      } else {
        convolve(&call, dy.view(first, share), dx.view(first, share), count)
      }
    }
  }

  private func convolve(_ call: inout cnn_conv, _ x: cnn_view, _ y: cnn_view, _ images: Int) {
    call.x = x
    call.y = y
    call.x.batch = Int32(images)
    call.y.batch = Int32(images)
    kernels.conv_f32(&call, 0, 1)
  }

  /// Puts a phase's pixels where they belong; zeros where no element of the kernel meets them.
  private func spread(_ part: cnn_view, _ phase: Phase, _ layer: Layer, _ dx: cnn_view) {
    for block in 0..<(Int(dx.channels) + 15) / 16 {
      for y in 0..<phase.height {
        var source = UnsafeRawPointer(part.data + (block * Int(part.block) + y * Int(part.row)))
        let row = phase.firstRow + y * layer.vertical.stride
        var target = UnsafeMutableRawPointer(
          dx.data + (block * Int(dx.block) + row * Int(dx.row) + phase.firstColumn * 64))
        for _ in 0..<phase.width {
          if phase.taps > 0 {
            target.copyMemory(from: source, byteCount: 64)
          } else {
            target.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
          }
          source += 64
          target += 64 * layer.horizontal.stride
        }
      }
    }
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
  private func transpose(
    _ source: UnsafePointer<Float>, _ inputs: Int, _ outputs: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    for output in 0..<outputs {
      for input in 0..<inputs { target[output &* 16 &+ input] = source[input &* 16 &+ output] }
      for input in inputs..<16 { target[output &* 16 &+ input] = 0 }
    }
  }
}
