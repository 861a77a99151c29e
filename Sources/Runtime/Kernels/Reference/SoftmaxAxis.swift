import CKernels

/// Softmax along any axis: the rule of Softmax.swift; a uint8 result is quantized.
func softmaxAxis(_ a: cnn_softmax_axis) {
  let length = Int(a.length), inner = Int(a.inner)
  for outer in 0..<Int(a.outer) {
    for position in 0..<inner {
      func place(_ k: Int) -> Int { (outer * length + k) * inner + position }
      softmax(
        length,
        { k in
          a.x_is_u8 != 0
            ? Float(Int32(a.x[place(k)]) - a.x_zero_point) * a.x_scale
            : UnsafeRawPointer(a.x).loadUnaligned(fromByteOffset: place(k) * 4, as: Float.self)
        },
        { k, y in
          if a.y_is_u8 != 0 {
            a.y[place(k)] = quantized(y, a.y_scale, a.y_zero_point)
          } else {
            UnsafeMutableRawPointer(a.y).storeBytes(of: y, toByteOffset: place(k) * 4, as: Float.self)
          }
        })
    }
  }
}
