import CCheck
import CKernels

extension Check {
  mutating func depthwise(_ kind: ConvolutionKind) {
    let isFloat = kind == .f32
    guard var a = randomDepthwise(xBytes: isFloat ? 4 : 1, yBytes: kind == .u8 ? 1 : 4) else { return depthwise(kind) }
    let like = a.y, channels = Int(a.x.channels), kh = Int(a.kernel_height), kw = Int(a.kernel_width)
    let input = Tensor(a.x, in: x, elementBytes: isFloat ? 4 : 1)
    input.fill(&random, isFloat ? randomFloat : randomByte)
    a.x = input.view
    let plain = randomWeights(oc: channels, ic: 1, taps: kh * kw, isFloat: isFloat)
    let steps = kh * (isFloat ? kw : (kw + 3) / 4), packed = weights.last((channels + 15) / 16 * steps * 64)
    packed.fill(0)
    for c in 0..<channels {
      for ky in 0..<kh {
        for kx in 0..<kw {
          let tap = (c * kh + ky) * kw + kx, to = packed.base + c / 16 * steps * 64 + c % 16 * 4
          if isFloat {
            (to + (ky * kw + kx) * 64).copyMemory(from: plain + tap * 4, byteCount: 4)
          } else {
            (to + (ky * ((kw + 3) / 4) + kx / 4) * 64 + kx % 4).copyMemory(from: plain + tap, byteCount: 1)
          }
        }
      }
    }
    a.weights = UnsafePointer(packed.base.assumingMemoryBound(to: UInt8.self))
    a.weight_block = Int64(steps * 64)
    setFinish(&a, products: kh * kw)
    let (fastBias, referenceBias) = biases(a, isFloat: isFloat, isDepthwise: true)
    let arguments = { [a] (y: cnn_view, isFast: Bool) -> cnn_conv in
      var a = a
      a.y = y
      a.bias = UnsafeRawPointer(isFast ? fastBias : referenceBias)
      return a
    }
    let describeAll = { [a] in describeConvolution(a) }
    switch kind {
    case .u8:
      compare(like, elementBytes: 1, reference.depthwise_u8, fast.depthwise_u8, arguments, describe: describeAll)
    case .u8f32:
      compare(
        like, elementBytes: 4, reference.depthwise_u8_f32, fast.depthwise_u8_f32, arguments, describe: describeAll)
    case .f32:
      compareFloats(
        like, reference.depthwise_f32, fast.depthwise_f32, arguments, isDepthwise: true, describeAll)
    }
  }

  /// As networks have them, 3×3 and 5×5 with stride 1 or 2, or anything.
  private mutating func randomDepthwise(xBytes: Int, yBytes: Int) -> cnn_conv? {
    guard var a = randomConvolution(xBytes: xBytes, yBytes: yBytes, isInBlocks: true) else { return nil }
    if random.once(in: 2) {
      let kernel = random.once(in: 6) ? 7 : random.once(in: 2) ? 3 : 5, stride = random.int(1...2)
      (a.kernel_height, a.kernel_width) = (Int32(kernel), Int32(kernel))
      (a.stride_y, a.stride_x, a.dilation_y, a.dilation_x) = (Int32(stride), Int32(stride), 1, 1)
      (a.pad_top, a.pad_left) = (Int32(kernel / 2), Int32(kernel / 2))
      let height = (Int(a.x.height) - 1) / stride + 1, width = (Int(a.x.width) - 1) / stride + 1
      a.x = randomView(
        &random, batch: Int(a.x.batch), channels: Int(a.x.channels), height: Int(a.x.height), width: Int(a.x.width),
        elementBytes: xBytes, halo: kernel / 2, haloValue: Int(a.x.halo_value))
      (a.y.height, a.y.width) = (Int32(height), Int32(width))
    }
    a.y = randomView(
      &random, batch: Int(a.x.batch), channels: Int(a.x.channels), height: Int(a.y.height), width: Int(a.y.width),
      elementBytes: yBytes, halo: random.once(in: 2) ? 0 : random.int(0...3), haloValue: zeroPoint())
    return a
  }
}
