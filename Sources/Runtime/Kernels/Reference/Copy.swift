import CKernels

/// Between the caller's strided memory and the session's tensors.
///
/// - float to uint8: q = Int32(roundTiesToEven(clamp(x / scale, −zero_point, 255 − zero_point))) + zero_point, an IEEE
///   division; a NaN becomes 0.
/// - uint8 to float: x = Float(q − zero_point) · scale.
/// - Between equal types the bits stay.
///
/// Import also does QuantizeLinear and DequantizeLinear, between two tensors of one layout.
func quantized(_ x: Float, _ a: cnn_copy) -> UInt8 { quantized(x, a.scale, a.zero_point) }
func dequantized(_ q: Int32, _ a: cnn_copy) -> Float { Float(q - a.zero_point) * a.scale }

extension cnn_copy {
  func address(_ n: Int, _ c: Int, _ y: Int, _ x: Int) -> UnsafeMutableRawPointer {
    let bytes: Int32 = plain_is_f32 != 0 ? 4 : 1
    if is_alike != 0 {
      var other = view
      (other.data, other.image, other.block, other.row) = (plain, strides.0, strides.1, strides.2)
      other.pixel = view.pixel / (view_is_f32 != 0 ? 4 : 1) * bytes
      return other.address(n, c, y, x, bytes: Int(bytes))
    }
    let place = Int(strides.0) * n + Int(strides.1) * c + Int(strides.2) * y + Int(strides.3) * x
    return UnsafeMutableRawPointer(plain) + place
  }
}

func importPlain(_ a: cnn_copy) {
  a.view.forEachElement { n, c, y, x in
    let from = a.address(n, c, y, x)
    switch (a.plain_is_f32 != 0, a.view_is_f32 != 0) {
    case (true, true): a.view.set(n, c, y, x, from.loadUnaligned(as: Float.self))
    case (true, false): a.view.set(n, c, y, x, quantized(from.loadUnaligned(as: Float.self), a))
    case (false, true): a.view.set(n, c, y, x, dequantized(Int32(from.load(as: UInt8.self)), a))
    case (false, false): a.view.set(n, c, y, x, from.load(as: UInt8.self))
    }
  }
  a.view.fillAround(bytes: a.view_is_f32 != 0 ? 4 : 1)
}

func exportPlain(_ a: cnn_copy) {
  a.view.forEachElement { n, c, y, x in
    let to = a.address(n, c, y, x)
    switch (a.plain_is_f32 != 0, a.view_is_f32 != 0) {
    case (true, true): to.storeBytes(of: a.view.f32(n, c, y, x), as: Float.self)
    case (true, false): to.storeBytes(of: dequantized(a.view.u8(n, c, y, x), a), as: Float.self)
    case (false, true): to.storeBytes(of: quantized(a.view.f32(n, c, y, x), a), as: UInt8.self)
    case (false, false): to.storeBytes(of: UInt8(a.view.u8(n, c, y, x)), as: UInt8.self)
    }
  }
}
