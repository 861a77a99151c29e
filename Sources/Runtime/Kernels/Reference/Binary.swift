import CBundle
import CKernels

/// Add, Sub, Mul and Div with broadcasting. float: y = clamp(a ∘ b, low, high). uint8, every operation
/// rounded by itself, fma being one:
///
///     Add, Sub   v = fma(Float(a − offset), scale_a, fma(Float(b − offset), scale_b, shift))
///     Mul        v = Float((a − za) · (b − zb)) · scale_a + shift
///     Div        v = (Float(a − za) · scale_a) / (Float(b − zb) · scale_b) + shift
///     y = Int32(roundTiesToEven(clamp(v, low, high))) + offset, a NaN becoming the lowest
func binaryF32(_ a: cnn_binary) {
  a.forEachElement(bytes: 4) { left, right, y in
    let l = left.loadUnaligned(as: Float.self), r = right.loadUnaligned(as: Float.self)
    let v =
      switch Int(a.kind) {
      case CNNB_OP_ADD: l + r
      case CNNB_OP_SUB: l - r
      case CNNB_OP_MUL: l * r
      default: l / r
      }
    y.storeBytes(of: clamp(v, a.low, a.high), as: Float.self)
  }
  a.halo.fillHalo(bytes: 4)
}

func binaryU8(_ a: cnn_binary) {
  a.forEachElement(bytes: 1) { left, right, y in
    let l = Int32(left.load(as: UInt8.self)), r = Int32(right.load(as: UInt8.self))
    let (fromZeroA, fromZeroB) = (l - a.a_zero_point, r - a.b_zero_point)
    let v =
      switch Int(a.kind) {
      case CNNB_OP_MUL: Float(fromZeroA * fromZeroB) * a.scale_a + a.shift
      case CNNB_OP_DIV: (Float(fromZeroA) * a.scale_a) / (Float(fromZeroB) * a.scale_b) + a.shift
      default: a.shift.addingProduct(Float(r - a.offset), a.scale_b).addingProduct(Float(l - a.offset), a.scale_a)
      }
    y.storeBytes(of: stored(v != v ? a.low : v, a.low, a.high, a.offset), as: UInt8.self)
  }
  a.halo.fillHalo(bytes: 1)
}

extension cnn_binary {
  func forEachElement(
    bytes: Int,
    _ body: (_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: UnsafeMutableRawPointer) -> Void
  ) {
    func place(_ n: Int, _ image: Int64, _ i: (Int, Int, Int, Int), _ s: (Int32, Int32, Int32, Int32)) -> Int {
      n * Int(image) + i.0 * Int(s.0) + i.1 * Int(s.1) + i.2 * Int(s.2) + i.3 * Int(s.3)
    }
    for n in 0..<Int(batch) {
      for i0 in 0..<Int(counts.0) {
        for i1 in 0..<Int(counts.1) {
          for i2 in 0..<Int(counts.2) {
            for i3 in 0..<Int(counts.3) {
              let i = (i0, i1, i2, i3)
              for e in 0..<Int(run) {
                body(
                  UnsafeRawPointer(a) + place(n, a_image, i, a_strides) + e * Int(a_step) * bytes,
                  UnsafeRawPointer(b) + place(n, b_image, i, b_strides) + e * Int(b_step) * bytes,
                  UnsafeMutableRawPointer(y) + place(n, y_image, i, y_strides) + e * bytes)
              }
            }
          }
        }
      }
    }
  }
}
