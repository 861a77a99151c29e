import CKernels

/// MaxPool and AveragePool, the global ones too (a window as large as the image). Windows are clipped to the image.
///
/// - max: the largest element of the clipped window (a window always holds one: pads are smaller than the kernel).
///   float: then clamped to low … high. uint8: the largest stored byte, x and y having one quantization.
/// - average, float: y = clamp(sum / Float(n), low, high), the sum in the order of rows and columns.
/// - average, uint8: S = Σ (q − x_zero_point), exact in int32;
///   y = Int32(roundTiesToEven(clamp(Float(S) · (scale / Float(n)), low, high))) + y_zero_point, scale = sx / sy.
///
/// n is the number of elements in the clipped window; with count_include_pad, of those in the image and its padding.
extension cnn_pool {
  /// Calls `body` with every place of the window of output pixel (oy, ox) that lies in the image; returns n.
  func forEachPlace(_ oy: Int, _ ox: Int, _ body: (_ iy: Int, _ ix: Int) -> Void) -> Int {
    var inside = 0, padded = 0
    for ky in 0..<Int(kernel_height) {
      for kx in 0..<Int(kernel_width) {
        let iy = oy * Int(stride_y) + ky * Int(dilation_y) - Int(pad_top)
        let ix = ox * Int(stride_x) + kx * Int(dilation_x) - Int(pad_left)
        if iy < Int(x.height + pad_bottom) && ix < Int(x.width + pad_right) { padded += 1 }
        if x.contains(iy, ix) {
          inside += 1
          body(iy, ix)
        }
      }
    }
    return count_include_pad != 0 ? padded : inside
  }
}

func maxPoolF32(_ a: cnn_pool) {
  a.y.forEachElement { n, c, oy, ox in
    var largest = -Float.infinity
    _ = a.forEachPlace(oy, ox) { iy, ix in
      let v = a.x.f32(n, c, iy, ix)
      largest = largest > v ? largest : v
    }
    a.y.set(n, c, oy, ox, clamp(largest, a.low, a.high))
  }
  a.y.fillAround(bytes: 4)
}

func maxPoolU8(_ a: cnn_pool) {
  a.y.forEachElement { n, c, oy, ox in
    var largest: Int32 = 0
    _ = a.forEachPlace(oy, ox) { iy, ix in largest = max(largest, a.x.u8(n, c, iy, ix)) }
    a.y.set(n, c, oy, ox, UInt8(largest))
  }
  a.y.fillAround(bytes: 1)
}

func averagePoolF32(_ a: cnn_pool) {
  a.y.forEachElement { n, c, oy, ox in
    var sum: Float = 0
    let count = a.forEachPlace(oy, ox) { iy, ix in sum += a.x.f32(n, c, iy, ix) }
    a.y.set(n, c, oy, ox, clamp(sum / Float(count), a.low, a.high))
  }
  a.y.fillAround(bytes: 4)
}

func averagePoolU8(_ a: cnn_pool) {
  a.y.forEachElement { n, c, oy, ox in
    var sum: Int32 = 0
    let count = a.forEachPlace(oy, ox) { iy, ix in sum &+= a.x.u8(n, c, iy, ix) - a.x_zero_point }
    let v = Float(sum) * (a.scale / Float(count))
    a.y.set(n, c, oy, ox, stored(v, a.q_low, a.q_high, a.y_zero_point))
  }
  a.y.fillAround(bytes: 1)
}
