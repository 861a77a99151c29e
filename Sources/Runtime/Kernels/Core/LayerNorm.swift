import CKernels
import CVector

/// A share is a range of rows.
@inline(never)
private func layerNorm(_ a: UnsafePointer<cnn_layer_norm>, isFloat: Bool, _ share: Share) {
  let length = Int(a.pointee.length)
  let scales = NormScales(
    x: (a.pointee.x_scale, a.pointee.x_zero_point), y: (a.pointee.y_scale, a.pointee.y_zero_point))
  for row in share.range(of: Int(a.pointee.rows)) {
    let x = UnsafeRawPointer(a.pointee.x!) + row &* Int(a.pointee.x_row)
    let y = UnsafeMutableRawPointer(a.pointee.y!) + row &* Int(a.pointee.y_row)
    let moments = isFloat ? floatMoments(x, length, a.pointee.epsilon) : byteMoments(x, length, a, scales)
    let mean = all(moments.mean), factor = all(moments.factor)
    var i = 0
    while i < length {
      let count = min(16, length &- i)
      let scale = a.pointee.scale.map { floats(UnsafeRawPointer($0) + i &* 4, count) } ?? all(1.0)
      let bias = a.pointee.bias.map { floats(UnsafeRawPointer($0) + i &* 4, count) } ?? all(0.0)
      if isFloat {
        var v = ((floats(x + i &* 4, count) - mean) * factor) * scale + bias
        cv_copy(y + i &* 4, &v, count &* 4)
      } else {
        let q = cv_to_float(scales.steps(bytes(x + i, count)))
        var v = scales.stored(((q - mean) * factor) * scale + bias)
        cv_copy(y + i, &v, count)
      }
      i &+= 16
    }
  }
}

/// Up to sixteen elements, then zeros.
@inline(__always) func floats(_ p: UnsafeRawPointer, _ count: Int) -> Floats {
  if count >= 16 { return p.floats() }
  var v = Floats(repeating: 0)
  cv_copy(&v, p, count &* 4)
  return v
}
@inline(__always) func bytes(_ p: UnsafeRawPointer, _ count: Int) -> Bytes {
  if count >= 16 { return p.bytes() }
  var v = Bytes(repeating: 0)
  cv_copy(&v, p, count)
  return v
}

@inline(never) private func floatMoments(_ x: UnsafeRawPointer, _ length: Int, _ epsilon: Float) -> Moments {
  let mean = sum(x, length, minus: 0, isSquared: false) / cv_double(Int64(length))
  return Moments(
    mean: mean, squares: sum(x, length, minus: cv_narrowed(mean), isSquared: true), count: length, epsilon: epsilon)
}

/// Σ (x − mean), or of its square: in sixteen float sums of at most 64 numbers each, then in double precision.
@inline(never) private func sum(_ x: UnsafeRawPointer, _ length: Int, minus mean: Float, isSquared: Bool) -> Double {
  var total = 0.0, i = 0
  while i < length {
    let stop = min(length, i &+ 1024)
    var partial = Floats(repeating: 0)
    while i < stop {
      let count = min(16, length &- i)
      // What is not there counts as the mean.
      var v = all(mean)
      cv_copy(&v, x + i &* 4, count &* 4)
      let d = v - all(mean)
      partial += isSquared ? d * d : d
      i &+= 16
    }
    for lane in 0..<16 { total += cv_widened(partial[lane]) }
  }
  return total
}

@inline(never) private func byteMoments(
  _ x: UnsafeRawPointer, _ length: Int, _ a: UnsafePointer<cnn_layer_norm>, _ scales: NormScales
) -> Moments {
  var sum: Int64 = 0, squares: Int64 = 0, i = 0
  while i < length {
    let stop = min(length, i &+ 16 &* 16384)
    var s = Ints(repeating: 0), t = Ints(repeating: 0)
    while i < stop {
      let count = min(16, length &- i)
      var v = Bytes(repeating: UInt8(truncatingIfNeeded: scales.xZero))
      cv_copy(&v, x + i, count)
      let q = scales.steps(v)
      s &+= q
      t &+= q &* q
      i &+= 16
    }
    for lane in 0..<16 {
      sum &+= Int64(s[lane])
      squares &+= Int64(t[lane])
    }
  }
  return Moments(
    sum: sum, squares: squares, count: length, scale: scales.xScale, epsilon: a.pointee.epsilon)
}

func layerNormF32(_ a: UnsafePointer<cnn_layer_norm>, _ share: Share) { layerNorm(a, isFloat: true, share) }
func layerNormU8(_ a: UnsafePointer<cnn_layer_norm>, _ share: Share) { layerNorm(a, isFloat: false, share) }
