import CKernels

/// PRelu. float: y = x < 0 ? x · slope[c] : x. uint8: v = Float(q − zx) · scale, for q < zx also · slope[c];
/// y = Int32(roundTiesToEven(clamp(v, low, high))) + zy, scale = sx / sy.
func preluF32(_ a: cnn_prelu) {
  a.y.forEachElement { n, c, y, x in
    let v = a.x.f32(n, c, y, x)
    a.y.set(n, c, y, x, v < 0 ? v * a.slope[c] : v)
  }
  a.y.fillAround(bytes: 4)
}

func preluU8(_ a: cnn_prelu) {
  a.y.forEachElement { n, c, y, x in
    let q = a.x.u8(n, c, y, x) - a.x_zero_point
    var v = Float(q) * a.scale
    if q < 0 { v = v * a.slope[c] }
    a.y.set(n, c, y, x, stored(v, a.low, a.high, a.y_zero_point))
  }
  a.y.fillAround(bytes: 1)
}
