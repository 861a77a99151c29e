import CKernels

/// Add. float: y = clamp(a + b, low, high). uint8, every operation rounded by itself (no fused multiply-add):
///
///     y = Int32(roundTiesToEven(clamp(Float(qa − za) · scale_a + Float(qb − zb) · scale_b, low, high))) + zy
///
/// with scale_a = sa / sy and scale_b = sb / sy.
func addF32(_ a: cnn_add) {
  a.y.forEachElement { n, c, y, x in
    a.y.set(n, c, y, x, clamp(a.a.f32(n, c, y, x) + a.b.f32(n, c, y, x), a.low, a.high))
  }
  a.y.fillAround(bytes: 4)
}

func addU8(_ a: cnn_add) {
  a.y.forEachElement { n, c, y, x in
    let left = Float(a.a.u8(n, c, y, x) - a.a_zero_point) * a.scale_a
    let right = Float(a.b.u8(n, c, y, x) - a.b_zero_point) * a.scale_b
    a.y.set(n, c, y, x, stored(left + right, a.low, a.high, a.y_zero_point))
  }
  a.y.fillAround(bytes: 1)
}
