import CVector

/// The multiplication at the heart of a convolution: sums for a block of output channels (or half a block) of one pixel.
protocol Multiplier {
  associatedtype Sums: BitwiseCopyable
  associatedtype Weights: BitwiseCopyable
  /// sums + x · weights: one input channel (float), or four (uint8).
  static func add(_ sums: Sums, _ x: UnsafeRawPointer, _ weights: Weights) -> Sums
  /// Sixteen sums; of half a block the others are zero.
  static func store(_ sums: Sums, _ p: UnsafeMutableRawPointer)
  static func sum(_ a: Sums, _ b: Sums) -> Sums
  static var zero: Sums { get }
}

enum F32: Multiplier {
  @inline(__always) static func add(_ sums: Floats, _ x: UnsafeRawPointer, _ weights: Floats) -> Floats {
    cv_multiply_add(sums, x.float(), weights)
  }
  @inline(__always) static func store(_ sums: Floats, _ p: UnsafeMutableRawPointer) { p.put(sums) }
  @inline(__always) static func sum(_ a: Floats, _ b: Floats) -> Floats { a + b }
  @inline(__always) static var zero: Floats { Floats(repeating: 0) }
}

enum HalfF32: Multiplier {
  @inline(__always) static func add(_ sums: SIMD8<Float>, _ x: UnsafeRawPointer, _ weights: SIMD8<Float>) -> SIMD8<
    Float
  > {
    cv_multiply_add_half(sums, x.float(), weights)
  }
  @inline(__always) static func store(_ sums: SIMD8<Float>, _ p: UnsafeMutableRawPointer) {
    p.put(sums)
    p.put(zero, 32)
  }
  @inline(__always) static func sum(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> { a + b }
  @inline(__always) static var zero: SIMD8<Float> { SIMD8(repeating: 0) }
}

enum U8: Multiplier {
  @inline(__always) static func add(_ sums: Ints, _ x: UnsafeRawPointer, _ weights: Ints) -> Ints {
    cv_dot(sums, x.int(), weights)
  }
  @inline(__always) static func store(_ sums: Ints, _ p: UnsafeMutableRawPointer) { p.put(sums) }
  @inline(__always) static func sum(_ a: Ints, _ b: Ints) -> Ints { a &+ b }
  @inline(__always) static var zero: Ints { Ints(repeating: 0) }
}

enum HalfU8: Multiplier {
  @inline(__always) static func add(_ sums: SIMD8<Int32>, _ x: UnsafeRawPointer, _ weights: SIMD8<Int32>) -> SIMD8<
    Int32
  > {
    cv_dot_half(sums, x.int(), weights)
  }
  @inline(__always) static func store(_ sums: SIMD8<Int32>, _ p: UnsafeMutableRawPointer) {
    p.put(sums)
    p.put(zero, 32)
  }
  @inline(__always) static func sum(_ a: SIMD8<Int32>, _ b: SIMD8<Int32>) -> SIMD8<Int32> { a &+ b }
  @inline(__always) static var zero: SIMD8<Int32> { SIMD8(repeating: 0) }
}

extension Multiplier {
  @inline(__always)
  static func add(_ sums: Sums, _ x: UnsafeRawPointer, _ weights: UnsafeRawPointer, step: Int) -> Sums {
    add(sums, x + step &* 4, weights.loadUnaligned(fromByteOffset: step &* 64, as: Weights.self))
  }
}
