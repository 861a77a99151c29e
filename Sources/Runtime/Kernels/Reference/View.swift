import CKernels

/// Elements of a tensor by image, channel, row and column: the one place where the reference kernels know a layout.
extension cnn_view {
  /// Channels of one pixel that lie together: 16 in blocks; in the pixel layout, all of them.
  func address(_ n: Int, _ c: Int, _ y: Int, _ x: Int, bytes: Int) -> UnsafeMutableRawPointer {
    let place = Int(image) * n + Int(block) * (c / 16) + Int(row) * y + Int(pixel) * x + (c % 16) * bytes
    return UnsafeMutableRawPointer(data) + place
  }
  func f32(_ n: Int, _ c: Int, _ y: Int, _ x: Int) -> Float {
    address(n, c, y, x, bytes: 4).loadUnaligned(as: Float.self)
  }
  func u8(_ n: Int, _ c: Int, _ y: Int, _ x: Int) -> Int32 { Int32(address(n, c, y, x, bytes: 1).load(as: UInt8.self)) }
  func set(_ n: Int, _ c: Int, _ y: Int, _ x: Int, _ value: Float) {
    address(n, c, y, x, bytes: 4).storeBytes(of: value, as: Float.self)
  }
  func set(_ n: Int, _ c: Int, _ y: Int, _ x: Int, _ value: UInt8) {
    address(n, c, y, x, bytes: 1).storeBytes(of: value, as: UInt8.self)
  }

  func contains(_ y: Int, _ x: Int) -> Bool { y >= 0 && y < height && x >= 0 && x < width }

  /// Images, then rows, then columns.
  func forEachPixel(_ body: (_ n: Int, _ y: Int, _ x: Int) -> Void) {
    for n in 0..<Int(batch) {
      for y in 0..<Int(height) {
        for x in 0..<Int(width) { body(n, y, x) }
      }
    }
  }
  func forEachElement(_ body: (_ n: Int, _ c: Int, _ y: Int, _ x: Int) -> Void) {
    forEachPixel { n, y, x in
      for c in 0..<Int(channels) { body(n, c, y, x) }
    }
  }

  /// What every kernel owes the tensor it writes: zeros (float) or `halo_value` (uint8) in the halo, and something
  /// finite, here zero, in the lanes behind the last channel.
  func fillAround(bytes: Int) {
    let h = Int(halo), lanes = block == 0 ? Int(channels) : (Int(channels) + 15) / 16 * 16
    for n in 0..<Int(batch) {
      for y in -h..<Int(height) + h {
        for x in -h..<Int(width) + h {
          for c in 0..<lanes where c >= channels || !contains(y, x) {
            if bytes == 4 { set(n, c, y, x, Float(0)) } else { set(n, c, y, x, UInt8(contains(y, x) ? 0 : halo_value)) }
          }
        }
      }
    }
  }
}

extension cnn_view {
  /// The halo alone, also behind the channels.
  func fillHalo(bytes: Int) {
    let h = Int(halo), lanes = block == 0 ? Int(channels) : (Int(channels) + 15) / 16 * 16
    for n in 0..<Int(batch) {
      for y in -h..<Int(height) + h {
        for x in -h..<Int(width) + h where !contains(y, x) {
          for c in 0..<lanes {
            if bytes == 4 { set(n, c, y, x, Float(0)) } else { set(n, c, y, x, UInt8(halo_value)) }
          }
        }
      }
    }
  }
}

/// v between low and high. A NaN stays one.
func clamp(_ v: Float, _ low: Float, _ high: Float) -> Float {
  let raised = low > v ? low : v
  return high < raised ? high : raised
}

/// A real number in steps of the output's scale, and its zero point, to the stored byte. The clamp comes before the
/// conversion, in float, so that no conversion is ever out of range; ties go to the even integer.
func stored(_ v: Float, _ low: Float, _ high: Float, _ zeroPoint: Int32) -> UInt8 {
  UInt8(truncatingIfNeeded: Int32(clamp(v, low, high).rounded(.toNearestOrEven)) + zeroPoint)
}
