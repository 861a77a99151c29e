import CKernels

/// Flatten: y[n][(c · H + iy) · W + ix] = x[n][c][iy][ix], unchanged.
func flatten(_ a: cnn_flatten) {
  let height = Int(a.x.height), width = Int(a.x.width), bytes = Int(a.element_bytes)
  a.x.forEachElement { n, c, iy, ix in
    let from = a.x.address(n, c, iy, ix, bytes: bytes)
    a.y.address(n, (c * height + iy) * width + ix, 0, 0, bytes: bytes).copyMemory(from: from, byteCount: bytes)
  }
  a.y.fillAround(bytes: bytes)
}
