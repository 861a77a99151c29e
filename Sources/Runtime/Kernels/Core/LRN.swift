import CKernels
import CVector

/// A share is a range of rows. The same bits everywhere: see Reference/LRN.swift.
@inline(never)
private func lrn(_ a: UnsafePointer<cnn_lrn>, isFloat: Bool, _ share: Share) {
  let x = a.pointee.x, y = a.pointee.y, channels = Int(y.channels), size = isFloat ? 4 : 1
  let before = (Int(a.pointee.size) &- 1) / 2, after = Int(a.pointee.size) / 2
  let bias = all(a.pointee.bias), alpha = all(a.pointee.alpha_over_size), beta = all(-a.pointee.beta)
  let zero = a.pointee.y_zero_point
  let quantize = Quantizer(cv_float(0 &- zero), cv_float(255 &- zero), zero)
  forEachRow(y, share) { n, block, row in
    let to = y.address(n, block, row)
    for column in 0..<Int(y.width) {
      let pixel = UnsafeRawPointer(x.address(n, 0, row)) + column &* Int(x.pixel)
      @inline(__always) func value(_ c: Int) -> Float {
        let p = pixel + ((c >> 4) &* Int(x.block) &+ (c & 15) &* size)
        if isFloat { return p.float() }
        return cv_float(Int32(truncatingIfNeeded: p.byte()) &- a.pointee.x_zero_point) * a.pointee.x_scale
      }
      var values = Floats(repeating: 0), sums = Floats(repeating: 0)
      for lane in 0..<min(16, channels &- block &* 16) {
        let c = block &* 16 &+ lane
        var sum: Float = 0
        for i in max(0, c &- before)...min(channels &- 1, c &+ after) {
          let v = value(i)
          sum += v * v
        }
        values[lane] = value(c)
        sums[lane] = sum
      }
      let v = values * anyExponential(beta * logarithm(bias + alpha * sums))
      if isFloat {
        to.put(v, column &* 64)
      } else {
        to.put(quantize(v / all(a.pointee.y_scale)), column &* 16)
      }
    }
  }
  y.fillHalo(isFloat: isFloat, share)
}

/// eˣ for any x, clamped to −87 … 88.
@inline(__always) private func anyExponential(_ x: Floats) -> Floats { exponential(cv_clamp(x, all(-87.0), all(88.0))) }

/// Reference/LRN.swift, sixteen at a time.
@inline(__always) private func logarithm(_ d: Floats) -> Floats {
  let smallest = all(Float.leastNormalMagnitude)
  let bits = unsafeBitCast(d.replacing(with: smallest, where: d .< smallest), to: Ints.self)
  // So that the mantissa's bits carry into the exponent from √2 on.
  let e = ((bits &- all(Int32(0x3F35_04F3))) &>> all(Int32(23)))
  let m = unsafeBitCast(bits &- (e &<< all(Int32(23))), to: Floats.self)
  let t = (m - all(1.0)) / (m + all(1.0)), u = t * t
  var p = all(0.285714298) + u * all(0.222222224)
  p = all(0.400000006) + u * p
  p = all(0.666666687) + u * p
  p = all(2.0) + u * p
  return cv_to_float(e) * all(0.693147182) + t * p
}

func lrnF32(_ a: UnsafePointer<cnn_lrn>, _ share: Share) { lrn(a, isFloat: true, share) }
func lrnU8(_ a: UnsafePointer<cnn_lrn>, _ share: Share) { lrn(a, isFloat: false, share) }
