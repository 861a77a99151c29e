import CVector

/// One block of 16 channels of one pixel.
typealias Floats = SIMD16<Float>
typealias Ints = SIMD16<Int32>
typealias Bytes = SIMD16<UInt8>

extension UnsafeRawPointer {
  @inline(__always) func floats(_ offset: Int = 0) -> Floats {
    loadUnaligned(fromByteOffset: offset, as: Floats.self)
  }
  @inline(__always) func ints(_ offset: Int = 0) -> Ints { loadUnaligned(fromByteOffset: offset, as: Ints.self) }
  @inline(__always) func bytes(_ offset: Int = 0) -> Bytes { loadUnaligned(fromByteOffset: offset, as: Bytes.self) }
  @inline(__always) func float(_ offset: Int = 0) -> Float { loadUnaligned(fromByteOffset: offset, as: Float.self) }
  @inline(__always) func int(_ offset: Int = 0) -> Int32 { loadUnaligned(fromByteOffset: offset, as: Int32.self) }
  @inline(__always) func byte(_ offset: Int = 0) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }
}

extension UnsafeMutableRawPointer {
  /// Stores without asking for alignment.
  @inline(__always) func put<Value: BitwiseCopyable>(_ value: Value, _ offset: Int = 0) {
    storeBytes(of: value, toByteOffset: offset, as: Value.self)
  }
}

/// The repetition of one number in all lanes.
@inline(__always) func all(_ v: Float) -> Floats { Floats(repeating: v) }
@inline(__always) func all(_ v: Int32) -> Ints { Ints(repeating: v) }

/// From steps of the output's scale to stored bytes: clamped in float, rounded to nearest even, moved by the zero point.
struct Quantizer {
  let low: Floats, high: Floats, zeroPoint: Ints

  @inline(__always) init(_ low: Float, _ high: Float, _ zeroPoint: Int32) {
    self.low = all(low)
    self.high = all(high)
    self.zeroPoint = all(zeroPoint)
  }
  /// A NaN becomes the lowest byte.
  @inline(__always) func callAsFunction(_ v: Floats) -> Bytes {
    cv_narrow(cv_round(cv_clamp_number(v, low, high)) &+ zeroPoint)
  }
}

/// A loop written out, for bodies that index an InlineArray of registers: as a `for` loop the array would live in
/// memory. `n` must be known at compile time, so that the comparisons fold away.
@inline(__always) func unroll(_ n: Int, _ body: (Int) -> Void) {
  if n > 0 { body(0) }
  if n > 1 { body(1) }
  if n > 2 { body(2) }
  if n > 3 { body(3) }
  if n > 4 { body(4) }
  if n > 5 { body(5) }
  if n > 6 { body(6) }
  if n > 7 { body(7) }
  if n > 8 { body(8) }
  if n > 9 { body(9) }
  if n > 10 { body(10) }
  if n > 11 { body(11) }
  if n > 12 { body(12) }
  if n > 13 { body(13) }
}
