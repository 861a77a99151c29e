import CKernels

/// Conv and Gemm. For output pixel (oy, ox) and output channel oc, with K the products inside the kernel:
///
///     sum = Σ over ic, ky, kx:  x[ic][oy·stride_y + ky·dilation_y − pad_top][ox·stride_x + kx·dilation_x − pad_left]
///                               · weight[oc][ic][ky][kx]
///
/// Outside the image x is 0 as a real number: 0 (float), the zero point (uint8).
///
/// - float: y = clamp(bias + sum, low, high). The order of the additions is fixed for a given operator; it, and whether
///   they are fused with the multiplications, differs between instruction sets.
/// - uint8: the products of stored bytes and weights are added exactly, wrapping at 32 bits:
///   S = Σ q·w + bias, where the prepared bias holds b − zero_point·Σw.
///   y = Int32(roundTiesToEven(clamp(Float(S) · scale[oc], low, high))) + zero_point
/// - uint8 to float: y = clamp(Float(S) · scale[oc], low, high).
///
/// Float(S) rounds to nearest, ties to even; · is one IEEE multiplication.
extension cnn_conv {
  /// Where the weight of an input channel and a tap lies among the weights of a block of output channels: its step, and
  /// for int8 its byte within the step. The rule depends on the number of input channels and dilation_x only.
  func place(_ ic: Int, _ ky: Int, _ kx: Int, group: Int) -> (step: Int, byte: Int) {
    let kw = Int(kernel_width)
    let segment: Int, position: Int
    if x.block != 0 {
      (segment, position) = ((ic / 16 * Int(kernel_height) + ky) * kw + kx, ic % 16)
    } else if dilation_x == 1 {
      (segment, position) = (ky, kx * Int(x.channels) + ic)
    } else {
      (segment, position) = (ky * kw + kx, ic)
    }
    let full = min(segment, Int(full_segments)), last = segment - full
    return (full * Int(full_steps) + last * Int(last_steps) + position / group, position % group)
  }

  /// Calls `body` with every tap of output pixel (oy, ox): input channel, place in the image, and place in the kernel.
  func forEachTap(
    _ oy: Int, _ ox: Int, _ body: (_ ic: Int, _ iy: Int, _ ix: Int, _ ky: Int, _ kx: Int) -> Void
  ) {
    for ky in 0..<Int(kernel_height) {
      for kx in 0..<Int(kernel_width) {
        let iy = oy * Int(stride_y) + ky * Int(dilation_y) - Int(pad_top)
        let ix = ox * Int(stride_x) + kx * Int(dilation_x) - Int(pad_left)
        for ic in 0..<Int(x.channels) { body(ic, iy, ix, ky, kx) }
      }
    }
  }

  func weights(ofBlock oc: Int) -> UnsafeRawPointer { UnsafeRawPointer(weights) + Int(weight_block) * (oc / 16) }

  /// Grouped, or a phase of a ConvTranspose: what is summed is in the tables of segments alone (cnn_conv), and x has its halo.
  var isBySegments: Bool { blocks != nil || kernel_height == 0 }

  /// Calls `body` with the bytes from x.data and from the weights of each step of output pixel (oy, ox).
  func forEachStep(
    _ n: Int, _ oc: Int, _ oy: Int, _ ox: Int, _ body: (_ x: UnsafeRawPointer, _ weight: UnsafeRawPointer) -> Void
  ) {
    let own = cnn_conv_block(
      weights: weights.map { $0 + Int(weight_block) * (oc / 16) }, offsets: offsets, full_segments: full_segments,
      full_steps: full_steps, last_segments: last_segments, last_steps: last_steps)
    let part = blocks.map { $0[oc / 16] } ?? own
    var step = 0
    for s in 0..<Int(part.full_segments + part.last_segments) {
      let place =
        Int(x.image) * n + oy * Int(stride_y) * Int(x.row) + ox * Int(stride_x) * Int(x.pixel) + Int(part.offsets[s])
      for t in 0..<Int(s < Int(part.full_segments) ? part.full_steps : part.last_steps) {
        body(UnsafeRawPointer(x.data) + place + 4 * t, UnsafeRawPointer(part.weights) + step * 64 + oc % 16 * 4)
        step += 1
      }
    }
  }

  /// S of the uint8 forms.
  func sum(_ n: Int, _ oc: Int, _ oy: Int, _ ox: Int) -> Int32 {
    if isBySegments {
      var sum = bias.load(fromByteOffset: oc * 4, as: Int32.self)
      forEachStep(n, oc, oy, ox) { x, weight in
        for byte in 0..<4 {
          let w = Int32(weight.load(fromByteOffset: byte, as: Int8.self))
          sum &+= Int32(x.load(fromByteOffset: byte, as: UInt8.self)) &* w
        }
      }
      return sum
    }
    let w = weights(ofBlock: oc)
    var sum = bias.load(fromByteOffset: oc * 4, as: Int32.self)
    forEachTap(oy, ox) { ic, iy, ix, ky, kx in
      let (step, byte) = place(ic, ky, kx, group: 4)
      let weight = Int32(w.load(fromByteOffset: step * 64 + oc % 16 * 4 + byte, as: Int8.self))
      sum &+= (x.contains(iy, ix) ? x.u8(n, ic, iy, ix) : x.halo_value) &* weight
    }
    return sum
  }
}

func convF32(_ a: cnn_conv) {
  a.y.forEachElement { n, oc, oy, ox in
    var sum = a.bias.load(fromByteOffset: oc * 4, as: Float.self)
    if a.isBySegments {
      a.forEachStep(n, oc, oy, ox) { x, w in sum += x.loadUnaligned(as: Float.self) * w.load(as: Float.self) }
      return a.y.set(n, oc, oy, ox, clamp(sum, a.low, a.high))
    }
    let w = a.weights(ofBlock: oc)
    a.forEachTap(oy, ox) { ic, iy, ix, ky, kx in
      let (step, _) = a.place(ic, ky, kx, group: 1)
      let weight = w.load(fromByteOffset: step * 64 + oc % 16 * 4, as: Float.self)
      sum += (a.x.contains(iy, ix) ? a.x.f32(n, ic, iy, ix) : 0) * weight
    }
    a.y.set(n, oc, oy, ox, clamp(sum, a.low, a.high))
  }
  a.y.fillAround(bytes: 4)
}

func convU8(_ a: cnn_conv) { a.requantized { a.sum($0, $1, $2, $3) } }
func convU8F32(_ a: cnn_conv) { a.dequantized { a.sum($0, $1, $2, $3) } }

// What becomes of the exact sums S, which a depthwise convolution has as well.
extension cnn_conv {
  typealias Sum = (_ n: Int, _ oc: Int, _ oy: Int, _ ox: Int) -> Int32

  func requantized(_ sum: Sum) {
    let q = requantize
    y.forEachElement { n, oc, oy, ox in
      let v = Float(sum(n, oc, oy, ox)) * q.scale[oc]
      y.set(n, oc, oy, ox, stored(v, q.low, q.high, q.zero_point))
    }
    y.fillAround(bytes: 1)
  }

  func dequantized(_ sum: Sum) {
    y.forEachElement { n, oc, oy, ox in
      y.set(n, oc, oy, ox, clamp(Float(sum(n, oc, oy, ox)) * requantize.scale[oc], low, high))
    }
    y.fillAround(bytes: 4)
  }
}
