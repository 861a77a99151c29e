import CKernels

/// MatMul: y[i][j] = Σ over l: a[i][l] · b[l][j]. uint8: S = Σ (qa − za) · (qb − zb), exact, wrapping at 32 bits;
/// y = Int32(roundTiesToEven(clamp(Float(S) · scale, low, high))) + zy.
func matmulF32(_ a: cnn_matmul) {
  a.forEachElement { y, left, right in
    var sum: Float = 0
    for l in 0..<Int(a.k) {
      sum +=
        (left + l * 4).loadUnaligned(as: Float.self)
        * (right + l * Int(a.b_row)).loadUnaligned(as: Float.self)
    }
    y.storeBytes(of: sum, as: Float.self)
  }
}

func matmulU8(_ a: cnn_matmul) {
  a.forEachElement(bytes: 1) { y, left, right in
    var sum: Int32 = 0
    for l in 0..<Int(a.k) {
      let qa = Int32((left + l).load(as: UInt8.self)), qb = Int32((right + l * Int(a.b_row)).load(as: UInt8.self))
      sum &+= (qa - a.a_zero_point) &* (qb - a.b_zero_point)
    }
    y.storeBytes(of: stored(Float(sum) * a.scale, a.low, a.high, a.y_zero_point), as: UInt8.self)
  }
}

extension cnn_matmul {
  /// Calls `body` with each element of y, and where its row of a and its column of b begin.
  func forEachElement(
    bytes: Int = 4,
    _ body: (_ y: UnsafeMutableRawPointer, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer) -> Void
  ) {
    for i0 in 0..<Int(counts.0) {
      for i1 in 0..<Int(counts.1) {
        for i2 in 0..<Int(counts.2) {
          for i3 in 0..<Int(counts.3) {
            func offset(_ s: (Int64, Int64, Int64, Int64)) -> Int {
              i0 * Int(s.0) + i1 * Int(s.1) + i2 * Int(s.2) + i3 * Int(s.3)
            }
            for i in 0..<Int(m) {
              for j in 0..<Int(p) {
                body(
                  UnsafeMutableRawPointer(y) + offset(y_strides) + i * Int(y_row) + j * bytes,
                  UnsafeRawPointer(a) + offset(a_strides) + i * Int(a_row),
                  UnsafeRawPointer(b) + offset(b_strides) + j * bytes)
              }
            }
          }
        }
      }
    }
  }
}
