import CVector

/// The multiplication at the heart of a convolution: sums for a block of output channels (or half a block) of one pixel.
protocol Multiplier {
  associatedtype Sums: BitwiseCopyable
  associatedtype Weights: BitwiseCopyable
  associatedtype Input: BitwiseCopyable
  /// sums + x · weights: one input channel (float), or four (uint8).
  static func add(_ sums: Sums, _ x: Input, _ weights: Weights) -> Sums
  /// Sixteen sums; of half a block the others are zero.
  static func store(_ sums: Sums, _ p: UnsafeMutableRawPointer)
  static func sum(_ a: Sums, _ b: Sums) -> Sums
  static var zero: Sums { get }
}

extension Multiplier {
  @inline(__always)
  static func add(_ sums: Sums, _ x: UnsafeRawPointer, _ weights: UnsafeRawPointer, step: Int) -> Sums {
    add(
      sums, x.loadUnaligned(fromByteOffset: step &* 4, as: Input.self),
      weights.loadUnaligned(fromByteOffset: step &* 64, as: Weights.self))
  }
}

enum F32: Multiplier {
  @inline(__always) static func add(_ sums: Floats, _ x: Float, _ weights: Floats) -> Floats {
    cv_multiply_add(sums, x, weights)
  }
  @inline(__always) static func store(_ sums: Floats, _ p: UnsafeMutableRawPointer) { p.put(sums) }
  @inline(__always) static func sum(_ a: Floats, _ b: Floats) -> Floats { a + b }
  @inline(__always) static var zero: Floats { Floats(repeating: 0) }
}

enum HalfF32: Multiplier {
  @inline(__always) static func add(_ sums: SIMD8<Float>, _ x: Float, _ weights: SIMD8<Float>) -> SIMD8<Float> {
    cv_multiply_add_half(sums, x, weights)
  }
  @inline(__always) static func store(_ sums: SIMD8<Float>, _ p: UnsafeMutableRawPointer) {
    p.put(sums)
    p.put(zero, 32)
  }
  @inline(__always) static func sum(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> { a + b }
  @inline(__always) static var zero: SIMD8<Float> { SIMD8(repeating: 0) }
}

enum U8: Multiplier {
  @inline(__always) static func add(_ sums: Ints, _ x: Int32, _ weights: Ints) -> Ints { cv_dot(sums, x, weights) }
  @inline(__always) static func store(_ sums: Ints, _ p: UnsafeMutableRawPointer) { p.put(sums) }
  @inline(__always) static func sum(_ a: Ints, _ b: Ints) -> Ints { a &+ b }
  @inline(__always) static var zero: Ints { Ints(repeating: 0) }
}

enum HalfU8: Multiplier {
  @inline(__always) static func add(_ sums: SIMD8<Int32>, _ x: Int32, _ weights: SIMD8<Int32>) -> SIMD8<Int32> {
    cv_dot_half(sums, x, weights)
  }
  @inline(__always) static func store(_ sums: SIMD8<Int32>, _ p: UnsafeMutableRawPointer) {
    p.put(sums)
    p.put(zero, 32)
  }
  @inline(__always) static func sum(_ a: SIMD8<Int32>, _ b: SIMD8<Int32>) -> SIMD8<Int32> { a &+ b }
  @inline(__always) static var zero: SIMD8<Int32> { SIMD8(repeating: 0) }
}
