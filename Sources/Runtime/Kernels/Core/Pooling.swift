import CKernels
import CVector

/// What a pool does with the pixels of a window. Vectors are one block of channels of one pixel.
protocol Pool {
  associatedtype State
  associatedtype Stored: BitwiseCopyable
  static var isFloat: Bool { get }
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
  @inline(__always) static var isFloat: Bool { true }
  @inline(__always) var start: Floats { all(-Float.infinity) }
  @inline(__always) func add(_ state: Floats, _ x: UnsafeRawPointer) -> Floats { cv_maximum(state, x.floats()) }
  @inline(__always) func finish(_ state: Floats, count: Int) -> Floats { cv_clamp(state, low, high) }
}

struct MaxPoolU8: Pool {
  @inline(__always) init(_ a: UnsafePointer<cnn_pool>) {}
  @inline(__always) static var isFloat: Bool { false }
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
  @inline(__always) static var isFloat: Bool { true }
  @inline(__always) var start: Floats { all(0) }
  @inline(__always) func add(_ state: Floats, _ x: UnsafeRawPointer) -> Floats { state + x.floats() }
  @inline(__always) func finish(_ state: Floats, count: Int) -> Floats {
    cv_clamp(state / all(cv_float(Int32(truncatingIfNeeded: count))), low, high)
  }
}

struct AveragePoolU8: Pool {
  let scale: Float, zeroPoint: Ints, quantize: Quantizer
  @inline(__always) init(_ a: UnsafePointer<cnn_pool>) {
    scale = a.pointee.scale
    zeroPoint = all(a.pointee.x_zero_point)
    quantize = Quantizer(a.pointee.q_low, a.pointee.q_high, a.pointee.y_zero_point)
  }
  @inline(__always) static var isFloat: Bool { false }
  @inline(__always) var start: Ints { all(0) }
  @inline(__always) func add(_ state: Ints, _ x: UnsafeRawPointer) -> Ints {
    state &+ (cv_widen(x.bytes()) &- zeroPoint)
  }
  @inline(__always) func finish(_ state: Ints, count: Int) -> Bytes {
    quantize(cv_to_float(state) * all(scale / cv_float(Int32(truncatingIfNeeded: count))))
  }
}

/// The taps of a window along one side that lie in the image, and how many lie in the image or its padding.
struct Taps {
  var first: Int, end: Int, padded: Int

  /// Tap k lies at start + k · dilation.
  @inline(__always) init(at start: Int, kernel: Int, dilation: Int, size: Int, padEnd: Int) {
    first = 0
    end = kernel
    padded = kernel
    if start < 0 || start &+ (kernel &- 1) &* dilation >= size { clip(start, dilation, size, padEnd) }
  }
  @inline(never) private mutating func clip(_ start: Int, _ dilation: Int, _ size: Int, _ padEnd: Int) {
    if start < 0 { first = (dilation &- 1 &- start) / dilation }
    end = min(end, (size &- start &+ dilation &- 1) / dilation)
    padded = min(padded, (size &+ padEnd &- start &+ dilation &- 1) / dilation)
  }
}

@inline(__always) func pool<P: Pool>(_: P.Type, _ a: UnsafePointer<cnn_pool>, _ share: Share) {
  let pool = P(a), view = a.pointee.y, size = MemoryLayout<P.Stored>.size, args = a.pointee
  let pixel = Int(args.x.pixel), row = Int(args.x.row), dilatedPixel = Int(args.dilation_x) &* pixel
  forEachRow(view, share) { n, block, oy in
    let top = oy &* Int(args.stride_y) &- Int(args.pad_top)
    let rows = Taps(
      at: top, kernel: Int(args.kernel_height), dilation: Int(args.dilation_y), size: Int(args.x.height),
      padEnd: Int(args.pad_bottom))
    let image = UnsafeRawPointer(args.x.address(n, block, 0)) + (top &+ rows.first &* Int(args.dilation_y)) &* row
    var to = view.address(n, block, oy), left = 0 &- Int(args.pad_left)
    for _ in 0..<Int(view.width) {
      let columns = Taps(
        at: left, kernel: Int(args.kernel_width), dilation: Int(args.dilation_x), size: Int(args.x.width),
        padEnd: Int(args.pad_right))
      var state = pool.start
      var line = image + (left &* pixel &+ columns.first &* dilatedPixel)
      var ky = rows.end &- rows.first
      while ky > 0 {
        var from = line
        var kx = columns.end &- columns.first
        while kx > 0 {
          state = pool.add(state, from)
          from += dilatedPixel
          kx &-= 1
        }
        line += Int(args.dilation_y) &* row
        ky &-= 1
      }
      let inside = (rows.end &- rows.first) &* (columns.end &- columns.first)
      to.put(pool.finish(state, count: args.count_include_pad != 0 ? rows.padded &* columns.padded : inside))
      to += size
      left &+= Int(args.stride_x)
    }
  }
  view.fillHalo(isFloat: P.isFloat, share)
}

func maxPoolF32(_ a: UnsafePointer<cnn_pool>, _ share: Share) { pool(MaxPoolF32.self, a, share) }
func maxPoolU8(_ a: UnsafePointer<cnn_pool>, _ share: Share) { pool(MaxPoolU8.self, a, share) }
func averagePoolF32(_ a: UnsafePointer<cnn_pool>, _ share: Share) { pool(AveragePoolF32.self, a, share) }
func averagePoolU8(_ a: UnsafePointer<cnn_pool>, _ share: Share) { pool(AveragePoolU8.self, a, share) }
