import CKernels
import CVector

/// A tensor [N,C] lies row-major, so this is a softmax along its rows. A share is a range of images. See Reference/Softmax.swift for
/// the rule that fixes every bit.
func softmaxed(_ a: UnsafePointer<cnn_softmax>, _ share: Share) {
  let x = a.pointee.x, y = a.pointee.y
  var rows = cnn_softmax_axis()
  rows.length = x.channels
  rows.inner = 1
  rows.x_is_u8 = a.pointee.x_is_u8
  rows.x_scale = a.pointee.x_scale
  rows.x_zero_point = a.pointee.x_zero_point
  for n in share.range(of: Int(x.batch)) {
    softmaxAlong(&rows, UnsafeRawPointer(x.address(n, 0, 0)), y.address(n, 0, 0))
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
