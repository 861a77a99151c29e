import CKernels
import CVector

/// What a pool does with the pixels of a window. Vectors are one block of channels of one pixel.
protocol Pool {
  associatedtype State
  associatedtype Stored: BitwiseCopyable
  init(_ a: UnsafePointer<cnn_pool>)
  var start: State { get }
  func add(_ state: State, _ x: UnsafeRawPointer) -> State
  func finish(_ state: State, count: Int) -> Stored
}

struct MaxPoolF32: Pool {
  let low: Floats, high: Floats
  @inline(__always) init(_ a: UnsafePointer<cnn_pool>) {
    low = all(a.pointee.low)
    high = all(a.pointee.high)
  }
  @inline(__always) var start: Floats { all(-Float.infinity) }
  @inline(__always) func add(_ state: Floats, _ x: UnsafeRawPointer) -> Floats { cv_maximum(state, x.floats()) }
  @inline(__always) func finish(_ state: Floats, count: Int) -> Floats { cv_clamp(state, low, high) }
}

struct MaxPoolU8: Pool {
  @inline(__always) init(_ a: UnsafePointer<cnn_pool>) {}
  @inline(__always) var start: Bytes { Bytes(repeating: 0) }
  @inline(__always) func add(_ state: Bytes, _ x: UnsafeRawPointer) -> Bytes { cv_maximum_u8(state, x.bytes()) }
  @inline(__always) func finish(_ state: Bytes, count: Int) -> Bytes { state }
}

struct AveragePoolF32: Pool {
  let low: Floats, high: Floats
  @inline(__always) init(_ a: UnsafePointer<cnn_pool>) {
    low = all(a.pointee.low)
    high = all(a.pointee.high)
  }
  @inline(__always) var start: Floats { all(0) }
  @inline(__always) func add(_ state: Floats, _ x: UnsafeRawPointer) -> Floats { state + x.floats() }
  @inline(__always) func finish(_ state: Floats, count: Int) -> Floats {
    cv_clamp(state / all(cv_float(Int32(truncatingIfNeeded: count))), low, high)
  }
}

struct AveragePoolU8: Pool {
  let xScale: Floats, xZero: Ints, yScale: Floats, yZero: Floats, quantize: Quantizer
  @inline(__always) init(_ a: UnsafePointer<cnn_pool>) {
    xScale = all(a.pointee.x_scale)
    xZero = all(a.pointee.x_zero_point)
    yScale = all(a.pointee.y_scale)
    let offset = a.pointee.y_offset
    yZero = all(cv_float(a.pointee.y_zero_point &- offset))
    quantize = Quantizer(0 - cv_float(offset), 255 - cv_float(offset), offset)
  }
  @inline(__always) var start: Floats { all(0) }
  @inline(__always) func add(_ state: Floats, _ x: UnsafeRawPointer) -> Floats {
    state + cv_to_float(cv_widen(x.bytes()) &- xZero) * xScale
  }
  @inline(__always) func finish(_ state: Floats, count: Int) -> Bytes {
    quantize(state / all(cv_float(Int32(truncatingIfNeeded: count))) / yScale + yZero)
  }
}

struct ExactAveragePoolU8: Pool {
  let scale: Float, zeroPoint: Ints, quantize: Quantizer
  @inline(__always) init(_ a: UnsafePointer<cnn_pool>) {
    scale = a.pointee.x_scale / a.pointee.y_scale
    zeroPoint = all(a.pointee.x_zero_point)
    let low = 0 - cv_float(a.pointee.y_zero_point)
    quantize = Quantizer(low, 255 + low, a.pointee.y_zero_point)
  }
  @inline(__always) var start: Ints { all(0) }
  @inline(__always) func add(_ state: Ints, _ x: UnsafeRawPointer) -> Ints {
    state &+ (cv_widen(x.bytes()) &- zeroPoint)
  }
  @inline(__always) func finish(_ state: Ints, count: Int) -> Bytes {
    quantize(cv_to_float(state) * all(scale / cv_float(Int32(truncatingIfNeeded: count))))
  }
}

/// Some output pixels side by side.
@inline(__always) private func reduceWindow<P: Pool>(
  _: P.Type, _ a: UnsafePointer<cnn_pool>?, _ window: UnsafePointer<cnn_window>?, _ y: UnsafeMutablePointer<UInt8>?
) {
  let pool = P(a.unsafelyUnwrapped), w = window.unsafelyUnwrapped.pointee
  var first = UnsafeRawPointer(w.x!), to = UnsafeMutableRawPointer(y.unsafelyUnwrapped), pixels = w.pixels
  while pixels > 0 {
    var state = pool.start, line = first, rows = w.rows
    while rows > 0 {
      var from = line, columns = w.columns
      while columns > 0 {
        state = pool.add(state, from)
        from += Int(w.pixel)
        columns &-= 1
      }
      line += Int(w.row)
      rows &-= 1
    }
    to.put(pool.finish(state, count: Int(w.count)))
    to += MemoryLayout<P.Stored>.size
    first += Int(w.step)
    pixels &-= 1
  }
}

@inline(__always)
private func pool(_ a: UnsafePointer<cnn_pool>, _ share: Share, isFloat: Bool, _ reduce: cnn_window_reduce) {
  cnn_pool_windows(
    a, Int32(truncatingIfNeeded: share.part), Int32(truncatingIfNeeded: share.parts), reduce, isFloat ? 1 : 0)
}

func maxPoolF32(_ a: UnsafePointer<cnn_pool>, _ share: Share) {
  pool(a, share, isFloat: true) { reduceWindow(MaxPoolF32.self, $0, $1, $2) }
}
func maxPoolU8(_ a: UnsafePointer<cnn_pool>, _ share: Share) {
  pool(a, share, isFloat: false) { reduceWindow(MaxPoolU8.self, $0, $1, $2) }
}
func averagePoolF32(_ a: UnsafePointer<cnn_pool>, _ share: Share) {
  pool(a, share, isFloat: true) { reduceWindow(AveragePoolF32.self, $0, $1, $2) }
}
func averagePoolU8(_ a: UnsafePointer<cnn_pool>, _ share: Share) {
  if a.pointee.is_exact != 0 {
    pool(a, share, isFloat: false) { reduceWindow(ExactAveragePoolU8.self, $0, $1, $2) }
  } else {
    pool(a, share, isFloat: false) { reduceWindow(AveragePoolU8.self, $0, $1, $2) }
  }
}
