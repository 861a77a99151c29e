import CKernels

typealias AxisTables = (cnn_axis, cnn_axis, cnn_axis, cnn_axis, cnn_axis)

/// Calls `body` with the distances in x and y of each place of up to five axes, the last innermost; places outside of x are
/// left out.
@inline(__always)
func forEachPlace(_ axes: AxisTables, _ count: Int, _ body: (_ x: Int, _ y: Int) -> Void) {
  // As if five, the first ones of one place.
  func axis(_ i: Int) -> cnn_axis {
    switch i + count - 5 {
    case 0: axes.0
    case 1: axes.1
    case 2: axes.2
    case 3: axes.3
    case 4: axes.4
    default: cnn_axis(count: 1, x: nil, y: nil)
    }
  }
  let (a, b, c, d, e) = (axis(0), axis(1), axis(2), axis(3), axis(4))
  forEach(a, 0, 0) { x, y in
    forEach(b, x, y) { x, y in
      forEach(c, x, y) { x, y in
        forEach(d, x, y) { x, y in
          forEach(e, x, y, body)
        }
      }
    }
  }
}

@inline(__always)
private func forEach(_ axis: cnn_axis, _ x: Int, _ y: Int, _ body: (_ x: Int, _ y: Int) -> Void) {
  for i in 0..<Int(axis.count) {
    let dx = axis.x.map { $0[i] } ?? 0
    if dx != Int32.min { body(x &+ Int(dx), y &+ Int(axis.y.map { $0[i] } ?? 0)) }
  }
}
