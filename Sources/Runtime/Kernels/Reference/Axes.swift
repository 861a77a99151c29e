import CKernels

/// Calls `body` with the bytes from x and y of each place of some axes, the last innermost; x is nil where an axis lies
/// outside (CNN_OUTSIDE).
func forEachPlace(
  _ axes: (cnn_axis, cnn_axis, cnn_axis, cnn_axis, cnn_axis), _ count: Int32, _ body: (_ x: Int?, _ y: Int) -> Void
) {
  func walk(_ depth: Int32, _ x: Int?, _ y: Int) {
    if depth == count { return body(x, y) }
    let axis = axis(axes, depth)
    for i in 0..<Int(axis.count) {
      let isOutside = axis.x[i] == Int32.min
      walk(depth + 1, isOutside ? nil : x.map { $0 + Int(axis.x[i]) }, axis.y == nil ? y : y + Int(axis.y[i]))
    }
  }
  walk(0, 0, 0)
}

private func axis(_ axes: (cnn_axis, cnn_axis, cnn_axis, cnn_axis, cnn_axis), _ i: Int32) -> cnn_axis {
  switch i {
  case 0: axes.0
  case 1: axes.1
  case 2: axes.2
  case 3: axes.3
  default: axes.4
  }
}
