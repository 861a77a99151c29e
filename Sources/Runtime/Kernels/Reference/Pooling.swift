import CKernels

/// MaxPool and AveragePool, the global ones too (a window as large as the image). Windows are clipped to the image.
///
/// - max: the largest element of the clipped window (a window always holds one: pads are smaller than the kernel).
///   float: then clamped to low … high. uint8: the largest stored byte, x and y having one quantization.
/// - average, float: y = clamp(sum / Float(n), low, high), the sum in the order of rows and columns.
/// - average, uint8: v = Σ Float(q − x_zero_point) · x_scale in the order of rows and columns, every operation rounded by
///   itself; y = Int32(roundTiesToEven(clamp(v / Float(n) / y_scale + Float(y_zero_point − y_offset), 0 − y_offset,
///   255 − y_offset))) + y_offset, a NaN becoming 0.
/// - average, uint8, is_exact: S = Σ (q − x_zero_point), exact in int32;
///   y = Int32(roundTiesToEven(clamp(Float(S) · ((x_scale / y_scale) / Float(n)), 0 − y_zero_point, 255 − y_zero_point)))
///   + y_zero_point.
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
    a.y.set(n, c, oy, ox, a.is_exact != 0 ? a.exactAverage(n, c, oy, ox) : a.average(n, c, oy, ox))
  }
  a.y.fillAround(bytes: 1)
}

extension cnn_pool {
  fileprivate func average(_ n: Int, _ c: Int, _ oy: Int, _ ox: Int) -> UInt8 {
    var sum: Float = 0
    let count = forEachPlace(oy, ox) { iy, ix in sum += Float(x.u8(n, c, iy, ix) - x_zero_point) * x_scale }
    let v = sum / Float(count) / y_scale + Float(y_zero_point - y_offset)
    let (low, high) = (Float(0 - y_offset), Float(255 - y_offset))
    return stored(v != v ? low : v, low, high, y_offset)
  }

  fileprivate func exactAverage(_ n: Int, _ c: Int, _ oy: Int, _ ox: Int) -> UInt8 {
    var sum: Int32 = 0
    let count = forEachPlace(oy, ox) { iy, ix in sum &+= x.u8(n, c, iy, ix) - x_zero_point }
    let v = Float(sum) * ((x_scale / y_scale) / Float(count))
    return stored(v, Float(0 - y_zero_point), Float(255 - y_zero_point), y_zero_point)
  }
}
