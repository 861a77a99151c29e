import CKernels

/// Depthwise convolution, each channel with a kernel of its own. For output pixel (oy, ox) of channel c
///
///     sum = Σ over ky, kx:  x[c][oy·stride_y + ky·dilation_y − pad_top][ox·stride_x + kx·dilation_x − pad_left] · weight[c][ky][kx]
///
/// then as Conv. Weights lie as [block][ky][kx][16 c] floats, or [block][ky][kx / 4][16 c][kx % 4] bytes.
extension cnn_conv {
  func depthwiseSum(_ n: Int, _ c: Int, _ oy: Int, _ ox: Int) -> Int32 {
    let groups = (Int(kernel_width) + 3) / 4
    let w = weights(ofBlock: c)
    var sum = bias.load(fromByteOffset: c * 4, as: Int32.self)
    forEachDepthwiseTap(oy, ox) { iy, ix, ky, kx in
      let place = (ky * groups + kx / 4) * 64 + c % 16 * 4 + kx % 4
      let weight = Int32(w.load(fromByteOffset: place, as: Int8.self))
      sum &+= (x.contains(iy, ix) ? x.u8(n, c, iy, ix) : x.halo_value) &* weight
    }
    return sum
  }

  func forEachDepthwiseTap(_ oy: Int, _ ox: Int, _ body: (_ iy: Int, _ ix: Int, _ ky: Int, _ kx: Int) -> Void) {
    for ky in 0..<Int(kernel_height) {
      for kx in 0..<Int(kernel_width) {
        let iy = oy * Int(stride_y) + ky * Int(dilation_y) - Int(pad_top)
        let ix = ox * Int(stride_x) + kx * Int(dilation_x) - Int(pad_left)
        body(iy, ix, ky, kx)
      }
    }
  }
}

func depthwiseF32(_ a: cnn_conv) {
  a.y.forEachElement { n, c, oy, ox in
    let w = a.weights(ofBlock: c)
    var sum = a.bias.load(fromByteOffset: c * 4, as: Float.self)
    a.forEachDepthwiseTap(oy, ox) { iy, ix, ky, kx in
      let weight = w.load(fromByteOffset: (ky * Int(a.kernel_width) + kx) * 64 + c % 16 * 4, as: Float.self)
      sum += (a.x.contains(iy, ix) ? a.x.f32(n, c, iy, ix) : 0) * weight
    }
    a.y.set(n, c, oy, ox, clamp(sum, a.low, a.high))
  }
  a.y.fillAround(bytes: 4)
}

func depthwiseU8(_ a: cnn_conv) { a.requantized { a.depthwiseSum($0, $1, $2, $3) } }
func depthwiseU8F32(_ a: cnn_conv) { a.dequantized { a.depthwiseSum($0, $1, $2, $3) } }
