import CKernels

/// Add. float: y = clamp(a + b, low, high). uint8, with multiply-adds that round once:
///
///     v = fma(Float(qa − offset), scale_a, fma(Float(qb − offset), scale_b, shift))
///     y = Int32(roundTiesToEven(clamp(v, low, high))) + offset, a NaN becoming the lowest
///
/// with scale_a = sa / sy, scale_b = sb / sy and the shift of `zeroPointShift`.
func addF32(_ a: cnn_add) {
  a.y.forEachElement { n, c, y, x in
    a.y.set(n, c, y, x, clamp(a.a.f32(n, c, y, x) + a.b.f32(n, c, y, x), a.low, a.high))
  }
  a.y.fillAround(bytes: 4)
}

func addU8(_ a: cnn_add) {
  a.y.forEachElement { n, c, y, x in
    let right = a.shift.addingProduct(Float(a.b.u8(n, c, y, x) - a.offset), a.scale_b)
    let v = right.addingProduct(Float(a.a.u8(n, c, y, x) - a.offset), a.scale_a)
    a.y.set(n, c, y, x, stored(v != v ? a.low : v, a.low, a.high, a.offset))
  }
  a.y.fillAround(bytes: 1)
}
