import CKernels

/// Softmax over the channels, in float32 and with every operation rounded by itself, so that all processors agree to
/// the bit on finite inputs:
///
/// 1. v[c] = x[c], or Float(q[c] − zero_point) · scale from uint8; m = the largest v.
/// 2. e[c] = exponential(v[c] − m).
/// 3. Sixteen partial sums, s[i] = e[i] + e[i + 16] + e[i + 32] + … from left to right, starting at 0;
///    then s[i] + s[i + 8] for i < 8, then + 4, + 2, + 1.
/// 4. y[c] = e[c] / s[0].
func softmax(_ a: cnn_softmax) {
  for n in 0..<Int(a.x.batch) {
    softmax(
      Int(a.x.channels),
      { c in a.x_is_u8 != 0 ? Float(a.x.u8(n, c, 0, 0) - a.x_zero_point) * a.x_scale : a.x.f32(n, c, 0, 0) },
      { c, y in a.y.set(n, c, 0, 0, y) })
  }
  a.y.fillAround(bytes: 4)
}

/// The rule, over `count` values v; `put` takes the results y.
func softmax(_ count: Int, _ value: (Int) -> Float, _ put: (Int, Float) -> Void) {
  var largest = -Float.infinity
  for c in 0..<count { largest = max(largest, value(c)) }
  var sums = InlineArray<16, Float>(repeating: 0)
  for c in 0..<count { sums[c % 16] += exponential(value(c) - largest) }
  var width = 8
  while width > 0 {
    for i in 0..<width { sums[i] += sums[i + width] }
    width /= 2
  }
  for c in 0..<count { put(c, exponential(value(c) - largest) / sums[0]) }
}

/// eˣ for x ≤ 0; 0 below −87. x = k · ln 2 + r with k = roundTiesToEven(x · log₂ e); ln 2 is subtracted in two parts,
/// the first of which has so few bits that its product with k is exact; then Horner's rule over the Taylor polynomial of
/// degree 7, whose error for |r| ≤ ln 2 / 2 lies below half a unit in the last place; then · 2ᵏ, exact.
func exponential(_ x: Float) -> Float {
  if x < -87 { return 0 }
  let k = (x * 1.44269504).rounded(.toNearestOrEven)
  let r = (x - k * 0.693359375) - k * -2.12194440e-4
  var p: Float = 1.98412698e-4  // 1/7!
  p = p * r + 1.38888889e-3
  p = p * r + 8.33333333e-3
  p = p * r + 4.16666667e-2
  p = p * r + 1.66666667e-1
  p = p * r + 0.5
  p = p * r + 1
  p = p * r + 1
  return p * Float(bitPattern: UInt32(truncatingIfNeeded: (Int32(k) + 127) << 23))
}
