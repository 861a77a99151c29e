import CKernels
import CVector

/// A share is a range of images. See Reference/Softmax.swift for the rule that fixes every bit.
func softmaxed(_ a: UnsafePointer<cnn_softmax>, _ share: Share) {
  let x = a.pointee.x, y = a.pointee.y, channels = Int(x.channels), blocks = x.blocks
  let scale = all(a.pointee.x_scale), zeroPoint = all(a.pointee.x_zero_point), isBytes = a.pointee.x_is_u8 != 0
  let lanes = Ints(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  for n in share.range(of: Int(x.batch)) {
    let from = UnsafeRawPointer(x.address(n, 0, 0)), to = y.address(n, 0, 0)
    /// The values of one block; −∞ behind the last channel, which neither the maximum nor the sum notices.
    @inline(__always) func values(_ block: Int) -> Floats {
      let v = isBytes ? cv_to_float(cv_widen(from.bytes(block &* 16)) &- zeroPoint) * scale : from.floats(block &* 64)
      let left = Int32(truncatingIfNeeded: channels &- block &* 16)
      return v.replacing(with: -Float.infinity, where: lanes .>= left)
    }
    var largest = all(-Float.infinity)
    for block in 0..<blocks { largest = cv_maximum(largest, values(block)) }
    var width = 8
    while width > 0 {
      for i in 0..<width { largest[i] = largest[i] > largest[i &+ width] ? largest[i] : largest[i &+ width] }
      width >>= 1
    }
    let highest = all(largest[0])
    var sums = Floats(repeating: 0)
    for block in 0..<blocks {
      let e = exponential(values(block) - highest)
      to.put(e, block &* 64)
      sums += e
    }
    width = 8
    while width > 0 {
      for i in 0..<width { sums[i] += sums[i &+ width] }
      width >>= 1
    }
    let total = all(sums[0])
    for block in 0..<blocks { to.put(UnsafeRawPointer(to).floats(block &* 64) / total, block &* 64) }
  }
  y.fillHalo(isFloat: true, share)
}

/// eˣ for x ≤ 0: Reference/Softmax.swift, sixteen at a time.
@inline(__always) func exponential(_ x: Floats) -> Floats {
  let tiny = x .< all(-87)
  let x = x.replacing(with: 0, where: tiny)
  let whole = cv_round(x * all(1.44269504))
  let k = cv_to_float(whole)
  let r = (x - k * all(0.693359375)) - k * all(-2.12194440e-4)
  var p = all(1.98412698e-4)
  p = p * r + all(1.38888889e-3)
  p = p * r + all(8.33333333e-3)
  p = p * r + all(4.16666667e-2)
  p = p * r + all(1.66666667e-1)
  p = p * r + all(0.5)
  p = p * r + all(1)
  p = p * r + all(1)
  let power = unsafeBitCast((whole &+ all(127)) &<< all(23), to: Floats.self)
  return (p * power).replacing(with: 0, where: tiny)
}
