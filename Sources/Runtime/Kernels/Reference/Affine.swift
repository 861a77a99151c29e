import CKernels

/// BatchNormalization and Relu. float: y = clamp(x · scale[c] + shift[c], low, high), multiplied, rounded, then added;
/// without a scale y = clamp(x, low, high). uint8: the stored byte between low and high, x and y having one quantization.
func affineF32(_ a: cnn_affine) {
  a.y.forEachElement { n, c, y, x in
    var v = a.x.f32(n, c, y, x)
    if let scale = a.scale, let shift = a.shift { v = v * scale[c] + shift[c] }
    a.y.set(n, c, y, x, clamp(v, a.low, a.high))
  }
  a.y.fillAround(bytes: 4)
}

func clampU8(_ a: cnn_affine) {
  a.y.forEachElement { n, c, y, x in
    a.y.set(n, c, y, x, UInt8(min(max(a.x.u8(n, c, y, x), Int32(a.low)), Int32(a.high))))
  }
  a.y.fillAround(bytes: 1)
}
