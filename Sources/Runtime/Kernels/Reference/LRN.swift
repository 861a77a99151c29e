import CKernels

/// LRN across channels, every operation rounded by itself, so that all processors agree to the bit:
///
///     t = Σ x[i] · x[i], i from max(0, c − ⌊(size − 1) / 2⌋) to min(C − 1, c + ⌈(size − 1) / 2⌉), ascending, from 0
///     y = x[c] · exponential(−beta · logarithm(bias + (alpha / size) · t))
///
/// uint8: x[c] = Float(q − zx) · sx, and y is quantized.
func lrnF32(_ a: cnn_lrn) {
  a.y.forEachElement { n, c, y, x in a.y.set(n, c, y, x, normalized(a, c) { a.x.f32(n, $0, y, x) }) }
  a.y.fillAround(bytes: 4)
}

func lrnU8(_ a: cnn_lrn) {
  a.y.forEachElement { n, c, y, x in
    let v = normalized(a, c) { Float(a.x.u8(n, $0, y, x) - a.x_zero_point) * a.x_scale }
    a.y.set(n, c, y, x, quantized(v, a.y_scale, a.y_zero_point))
  }
  a.y.fillAround(bytes: 1)
}

private func normalized(_ a: cnn_lrn, _ c: Int, _ x: (Int) -> Float) -> Float {
  let first = max(0, c - (Int(a.size) - 1) / 2), last = min(Int(a.x.channels) - 1, c + Int(a.size) / 2)
  var t: Float = 0
  for i in first...last { t += x(i) * x(i) }
  let d = a.bias + a.alpha_over_size * t
  let power = -a.beta * logarithm(d)
  return x(c) * exponential(clamp(power, -87, 88))
}

/// The natural logarithm. d = m · 2ᵉ with m between √½ and √2; t = (m − 1) / (m + 1), of which the logarithm is an odd function.
/// What is not a normal positive number counts as the smallest of them.
func logarithm(_ d: Float) -> Float {
  let bits = Int32(bitPattern: (d < Float.leastNormalMagnitude ? Float.leastNormalMagnitude : d).bitPattern)
  let e = (bits &- 0x3F35_04F3) >> 23  // the bits of √½; those of √2, as binary32, are 2²³ more
  let m = Float(bitPattern: UInt32(bitPattern: bits &- e &<< 23))
  let t = (m - 1) / (m + 1)
  let u = t * t
  let p = 2 + u * (0.666666687 + u * (0.400000006 + u * (0.285714298 + u * 0.222222224)))
  return Float(e) * 0.693147182 + t * p
}

/// A real number as it is stored: ARITHMETIC.md, "Input".
func quantized(_ x: Float, _ scale: Float, _ zeroPoint: Int32) -> UInt8 {
  if x != x { return 0 }
  return stored(x / scale, Float(-zeroPoint), Float(255 - zeroPoint), zeroPoint)
}
