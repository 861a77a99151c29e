import CKernels
import CVector

/// Sixteen neighbours along the inner axis at once, each with its own softmax; so every operation is that of the rule, and a share is a range
/// of such vectors. Where the softmax runs along the innermost axis, lanes are its elements instead.
func softmaxAxis(_ a: UnsafePointer<cnn_softmax_axis>, _ share: Share) {
  let inner = Int(a.pointee.inner), length = Int(a.pointee.length), vectors = (inner &+ 15) >> 4
  let xSize = a.pointee.x_is_u8 != 0 ? 1 : 4, ySize = a.pointee.y_is_u8 != 0 ? 1 : 4
  for unit in share.range(of: Int(a.pointee.outer) &* vectors) {
    let first = unit % vectors &* 16, place = unit / vectors &* length &* inner &+ first
    let x = UnsafeRawPointer(a.pointee.x!) + place &* xSize
    let y = UnsafeMutableRawPointer(a.pointee.y!) + place &* ySize
    if inner == 1 { softmaxAlong(a, x, y) } else { softmaxAcross(a, x, y, count: min(16, inner &- first)) }
  }
}

/// The values in float, of up to sixteen elements that lie side by side.
@inline(never)
private func values(_ a: UnsafePointer<cnn_softmax_axis>, _ x: UnsafeRawPointer, _ count: Int) -> Floats {
  if a.pointee.x_is_u8 == 0 { return floats(x, count) }
  return cv_to_float(cv_widen(bytes(x, count)) &- all(a.pointee.x_zero_point)) * all(a.pointee.x_scale)
}

@inline(__always)
private func store(_ a: UnsafePointer<cnn_softmax_axis>, _ value: Floats, _ y: UnsafeMutableRawPointer, _ count: Int) {
  if a.pointee.y_is_u8 == 0 {
    var v = value
    return cv_copy(y, &v, count &* 4)
  }
  let zero = a.pointee.y_zero_point
  var q = Quantizer(cv_float(0 &- zero), cv_float(255 &- zero), zero)(value / all(a.pointee.y_scale))
  cv_copy(y, &q, count)
}

@inline(never) func softmaxAlong(
  _ a: UnsafePointer<cnn_softmax_axis>, _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer
) {
  let length = Int(a.pointee.length), xSize = a.pointee.x_is_u8 != 0 ? 1 : 4, ySize = a.pointee.y_is_u8 != 0 ? 1 : 4
  let lanes = Ints(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  /// −∞ behind the last, which neither the maximum nor the sum notices.
  @inline(__always) func load(_ i: Int) -> Floats {
    let left = Int32(truncatingIfNeeded: min(16, length &- i))
    return values(a, x + i &* xSize, min(16, length &- i)).replacing(with: -Float.infinity, where: lanes .>= left)
  }
  var largest = all(-Float.infinity), i = 0
  while i < length {
    largest = cv_maximum(largest, load(i))
    i &+= 16
  }
  var width = 8
  while width > 0 {
    for i in 0..<width { largest[i] = largest[i] > largest[i &+ width] ? largest[i] : largest[i &+ width] }
    width >>= 1
  }
  let highest = all(largest[0])
  var sums = Floats(repeating: 0)
  i = 0
  while i < length {
    sums += exponential(load(i) - highest)
    i &+= 16
  }
  width = 8
  while width > 0 {
    for i in 0..<width { sums[i] += sums[i &+ width] }
    width >>= 1
  }
  let total = all(sums[0])
  i = 0
  while i < length {
    store(a, exponential(load(i) - highest) / total, y + i &* ySize, min(16, length &- i))
    i &+= 16
  }
}

@inline(never) private func softmaxAcross(
  _ a: UnsafePointer<cnn_softmax_axis>, _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, count: Int
) {
  let length = Int(a.pointee.length), inner = Int(a.pointee.inner)
  let xStep = inner &* (a.pointee.x_is_u8 != 0 ? 1 : 4), yStep = inner &* (a.pointee.y_is_u8 != 0 ? 1 : 4)
  var largest = all(-Float.infinity)
  for k in 0..<length { largest = cv_maximum(largest, values(a, x + k &* xStep, count)) }
  var sums = InlineArray<16, Floats>(repeating: all(0.0))
  for k in 0..<length { sums[unchecked: k & 15] += exponential(values(a, x + k &* xStep, count) - largest) }
  var width = 8
  while width > 0 {
    for i in 0..<width { sums[unchecked: i] += sums[unchecked: i &+ width] }
    width >>= 1
  }
  let total = sums[unchecked: 0]
  for k in 0..<length {
    store(a, exponential(values(a, x + k &* xStep, count) - largest) / total, y + k &* yStep, count)
  }
}
