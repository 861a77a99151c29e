import CBundle
import CKernels
import CVector

/// a ∘ b for sixteen elements: see Reference/Binary.swift.
protocol BinaryRule {
  associatedtype Vector: BitwiseCopyable
  init(_ a: UnsafePointer<cnn_binary>)
  func callAsFunction(_ a: Vector, _ b: Vector) -> Vector
  static func load(_ p: UnsafeRawPointer) -> Vector
  /// One element sixteen times.
  static func spread(_ p: UnsafeRawPointer) -> Vector
  static var zero: Vector { get }
}

struct BinaryF32: BinaryRule {
  private let kind: Int, low: Floats, high: Floats
  @inline(__always) init(_ a: UnsafePointer<cnn_binary>) {
    kind = Int(a.pointee.kind)
    low = all(a.pointee.low)
    high = all(a.pointee.high)
  }
  @inline(__always) func callAsFunction(_ a: Floats, _ b: Floats) -> Floats {
    let v: Floats
    switch kind {
    case CNNB_OP_ADD: v = a + b
    case CNNB_OP_SUB: v = a - b
    case CNNB_OP_MUL: v = a * b
    default: v = a / b
    }
    return cv_clamp(v, low, high)
  }
  @inline(__always) static func load(_ p: UnsafeRawPointer) -> Floats { p.floats() }
  @inline(__always) static func spread(_ p: UnsafeRawPointer) -> Floats { all(p.float()) }
  @inline(__always) static var zero: Floats { all(0.0) }
}

struct BinaryU8: BinaryRule {
  private let kind: Int, quantize: Quantizer
  private let scaleA: Floats, scaleB: Floats, shift: Floats, offset: Ints, zeroA: Ints, zeroB: Ints
  @inline(__always) init(_ a: UnsafePointer<cnn_binary>) {
    kind = Int(a.pointee.kind)
    quantize = Quantizer(a.pointee.low, a.pointee.high, a.pointee.offset)
    scaleA = all(a.pointee.scale_a)
    scaleB = all(a.pointee.scale_b)
    shift = all(a.pointee.shift)
    offset = all(a.pointee.offset)
    zeroA = all(a.pointee.a_zero_point)
    zeroB = all(a.pointee.b_zero_point)
  }
  @inline(__always) func callAsFunction(_ a: Bytes, _ b: Bytes) -> Bytes {
    if kind != CNNB_OP_MUL && kind != CNNB_OP_DIV {
      let right = cv_fused(cv_to_float(cv_widen(b) &- offset), scaleB, shift)
      return quantize(cv_fused(cv_to_float(cv_widen(a) &- offset), scaleA, right))
    }
    let left = cv_to_float(cv_widen(a) &- zeroA), right = cv_to_float(cv_widen(b) &- zeroB)
    // |left · right| < 2¹⁶: exact.
    return quantize((kind == CNNB_OP_MUL ? left * right * scaleA : (left * scaleA) / (right * scaleB)) + shift)
  }
  @inline(__always) static func load(_ p: UnsafeRawPointer) -> Bytes { p.bytes() }
  @inline(__always) static func spread(_ p: UnsafeRawPointer) -> Bytes { Bytes(repeating: p.byte()) }
  @inline(__always) static var zero: Bytes { Bytes(repeating: 0) }
}

/// A share is a range of runs; where there are few, of pieces of them.
@inline(__always)
func binary<R: BinaryRule>(_: R.Type, _ a: UnsafePointer<cnn_binary>, _ share: Share) {
  let rule = R(a), size = MemoryLayout<R.Vector>.size >> 4, length = Int(a.pointee.run)
  let c = a.pointee.counts, sa = a.pointee.a_strides, sb = a.pointee.b_strides, sy = a.pointee.y_strides
  let inner = Int(c.3), rows = Int(a.pointee.batch) &* Int(c.0) &* Int(c.1) &* Int(c.2) &* inner
  let aIsOne = a.pointee.a_step == 0, bIsOne = a.pointee.b_step == 0

  @inline(__always) func run(
    _ pa: UnsafeRawPointer, _ pb: UnsafeRawPointer, _ py: UnsafeMutableRawPointer, _ count: Int
  ) {
    let spreadA = R.spread(pa), spreadB = R.spread(pb)
    /// Sixteen elements, or the last of a run.
    @inline(__always) func load(_ p: UnsafeRawPointer, _ left: Int, _ rest: R.Vector) -> R.Vector {
      if left >= 16 { return R.load(p) }
      var v = rest
      cv_copy(&v, p, left &* size)
      return v
    }
    var i = 0
    while i < count {
      let offset = i &* size, left = count &- i
      var v = rule(
        aIsOne ? spreadA : load(pa + offset, left, spreadA), bIsOne ? spreadB : load(pb + offset, left, spreadB))
      if left >= 16 { py.put(v, offset) } else { cv_copy(py + offset, &v, left &* size) }
      i &+= 16
    }
  }

  let pieces = rows >= 4 &* share.parts ? 1 : max(1, min(share.parts, length >> 8))
  let units = share.range(of: rows &* pieces)
  var unit = units.lowerBound
  while unit < units.upperBound {
    let piece = unit % pieces, row = unit / pieces, i3 = row % inner
    let outer = row / inner, i2 = outer % Int(c.2), i1 = outer / Int(c.2) % Int(c.1)
    let plane = outer / Int(c.2) / Int(c.1), i0 = plane % Int(c.0), n = plane / Int(c.0)
    @inline(__always) func offset(_ image: Int64, _ s: (Int32, Int32, Int32, Int32)) -> Int {
      n &* Int(image) &+ i0 &* Int(s.0) &+ i1 &* Int(s.1) &+ i2 &* Int(s.2) &+ i3 &* Int(s.3)
    }
    var pa = UnsafeRawPointer(a.pointee.a!) + offset(a.pointee.a_image, sa)
    var pb = UnsafeRawPointer(a.pointee.b!) + offset(a.pointee.b_image, sb)
    var py = UnsafeMutableRawPointer(a.pointee.y!) + offset(a.pointee.y_image, sy)
    var left = 1, first = 0, end = length
    if pieces == 1 {
      left = min(inner &- i3, units.upperBound &- unit)
    } else {
      first = length &* piece / pieces & ~15
      if piece &+ 1 < pieces { end = length &* (piece &+ 1) / pieces & ~15 }
      if !aIsOne { pa += first &* size }
      if !bIsOne { pb += first &* size }
      py += first &* size
    }
    unit &+= left
    while left > 0 {
      run(pa, pb, py, end &- first)
      pa += Int(sa.3)
      pb += Int(sb.3)
      py += Int(sy.3)
      left &-= 1
    }
  }
  a.pointee.halo.fillHalo(isFloat: size == 4, share)
}

func binaryF32(_ a: UnsafePointer<cnn_binary>, _ share: Share) { binary(BinaryF32.self, a, share) }
func binaryU8(_ a: UnsafePointer<cnn_binary>, _ share: Share) { binary(BinaryU8.self, a, share) }
