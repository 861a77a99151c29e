import CKernels
import CVector

/// Output pixels side by side that a depthwise convolution sums at once, so that they share the loads of weights.
/// `stride` in pixels and `last`, the taps behind the last whole group of four, are 0 where any will do.
enum DepthwiseTile<let pixels: Int, let stride: Int, let last: Int> {}

/// The multiplication of a depthwise convolution.
protocol DepthwiseMultiplier {
  /// The sums of some tiles side by side, 16 floats or integers for each pixel, to `out`; x lies beneath the first tap of the first pixel.
  static func sum<let pixels: Int, let stride: Int, let last: Int>(
    _: DepthwiseTile<pixels, stride, last>.Type, _ window: UnsafePointer<cnn_depthwise_window>, _ x: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, tiles: Int)
  /// The same where `hasTile`.
  static func sum<let pixels: Int>(
    _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ window: UnsafePointer<cnn_depthwise_window>,
    _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, tiles: Int)
  /// Whether the shape is one of those that have tiles of several pixels.
  static func hasTile(_ a: UnsafePointer<cnn_conv>) -> Bool
}
enum DepthwisePixels<let pixels: Int> {}

enum DepthwiseF32: DepthwiseMultiplier {
  @_optimize(speed) @inline(never)
  static func sum<let pixels: Int, let stride: Int, let last: Int>(
    _: DepthwiseTile<pixels, stride, last>.Type, _ window: UnsafePointer<cnn_depthwise_window>, _ x: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, tiles: Int
  ) {
    let w = window.pointee, step = stride == 0 ? Int(w.step) : stride &* 64
    var first = x, out = out, tiles = tiles
    while tiles > 0 {
      var sums = InlineArray<pixels, Floats>(repeating: UnsafeRawPointer(w.bias!).floats())
      var weights = UnsafeRawPointer(w.weights!), line = first, ky = w.height
      while ky > 0 {
        var from = line, kx = w.width
        while kx > 0 {
          let v = weights.floats()
          unroll(pixels) { i in
            sums[unchecked: i] = cv_multiply_add_each(sums[unchecked: i], from.floats(i &* step), v)
          }
          weights += 64
          from += Int(w.tap)
          kx &-= 1
        }
        line += Int(w.row)
        ky &-= 1
      }
      unroll(pixels) { i in out.put(sums[unchecked: i], i &* 64) }
      first += pixels &* step
      out += pixels &* 64
      tiles &-= 1
    }
  }
  @inline(__always) static func hasTile(_ a: UnsafePointer<cnn_conv>) -> Bool { a.pointee.stride_x <= 2 }
  @inline(__always) static func sum<let pixels: Int>(
    _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ window: UnsafePointer<cnn_depthwise_window>,
    _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, tiles: Int
  ) {
    if a.pointee.stride_x == 1 {
      sum(DepthwiseTile<pixels, 1, 0>.self, window, x, out, tiles: tiles)
    } else {
      sum(DepthwiseTile<pixels, 2, 0>.self, window, x, out, tiles: tiles)
    }
  }
}

enum DepthwiseU8: DepthwiseMultiplier {
  @_optimize(speed) @inline(never)
  static func sum<let pixels: Int, let stride: Int, let last: Int>(
    _: DepthwiseTile<pixels, stride, last>.Type, _ window: UnsafePointer<cnn_depthwise_window>, _ x: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, tiles: Int
  ) {
    let w = window.pointee, step = stride == 0 ? Int(w.step) : stride &* 16, tap = stride == 0 ? Int(w.tap) : 16
    let groups = (Int(w.width) &- 1) >> 2, rest = last == 0 ? Int(w.width) &- groups &* 4 : last
    var first = x, out = out, tiles = tiles
    while tiles > 0 {
      var sums = InlineArray<pixels, Ints>(repeating: UnsafeRawPointer(w.bias!).ints())
      var weights = UnsafeRawPointer(w.weights!), line = first, ky = w.height
      while ky > 0 {
        var from = line, group = groups
        while group > 0 {
          add(DepthwiseTile<pixels, stride, last>.self, &sums, from, weights, step: step, tap: tap, count: 4)
          weights += 64
          from += 4 &* tap
          group &-= 1
        }
        add(DepthwiseTile<pixels, stride, last>.self, &sums, from, weights, step: step, tap: tap, count: rest)
        weights += 64
        line += Int(w.row)
        ky &-= 1
      }
      unroll(pixels) { i in out.put(sums[unchecked: i], i &* 64) }
      first += pixels &* step
      out += pixels &* 64
      tiles &-= 1
    }
  }
  /// Adds `count` neighbouring taps to all pixels.
  @inline(__always) private static func add<let pixels: Int, let stride: Int, let last: Int>(
    _: DepthwiseTile<pixels, stride, last>.Type, _ sums: inout InlineArray<pixels, Ints>, _ from: UnsafeRawPointer,
    _ weights: UnsafeRawPointer, step: Int, tap: Int, count: Int
  ) {
    let first = cv_tap_weights_first(weights), second = cv_tap_weights_second(weights)
    // How many pixels one vector of prepared pixels serves.
    let shares = stride == 1 && cv_shares_taps() != 0 ? 5 &- count : 1
    let read = Int32(truncatingIfNeeded: shares > 1 ? 4 : count)
    unroll(pixels) { i in
      let shift = shares > 1 ? i % shares : 0
      let x = (from + (i &- shift) &* step).assumingMemoryBound(to: UInt8.self)
      let moved = shift > 0 ? cv_shift_taps(first, Int32(truncatingIfNeeded: shift)) : first
      sums[unchecked: i] = cv_add_taps(
        sums[unchecked: i], cv_taps_first(x, tap, read), moved, cv_taps_second(x, tap, read), second, read)
    }
  }
  /// An odd number of taps, as kernels have.
  @inline(__always) static func hasTile(_ a: UnsafePointer<cnn_conv>) -> Bool {
    a.pointee.stride_x <= 2 && a.pointee.dilation_x == 1 && a.pointee.kernel_width & 1 == 1
  }
  @inline(__always) static func sum<let pixels: Int>(
    _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ window: UnsafePointer<cnn_depthwise_window>,
    _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, tiles: Int
  ) {
    switch (a.pointee.stride_x, a.pointee.kernel_width & 3) {
    case (1, 3): sum(DepthwiseTile<pixels, 1, 3>.self, window, x, out, tiles: tiles)
    case (1, _): sum(DepthwiseTile<pixels, 1, 1>.self, window, x, out, tiles: tiles)
    case (_, 3): sum(DepthwiseTile<pixels, 2, 3>.self, window, x, out, tiles: tiles)
    default: sum(DepthwiseTile<pixels, 2, 1>.self, window, x, out, tiles: tiles)
    }
  }
}

extension cnn_conv {
  /// Whether rows of y are wide enough for tiles.
  @inline(__always) fileprivate func isWide<let pixels: Int>(_: DepthwisePixels<pixels>.Type) -> Bool {
    Int(y.width) >= pixels
  }
}

/// `cnn_depthwise` with the functions of one precision.
@inline(__always)
private func depthwise<M: DepthwiseMultiplier, let pixels: Int>(
  _: M.Type, _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ share: Share, isFloat: Bool,
  tiled: cnn_depthwise_sum, single: cnn_depthwise_sum, finish: cnn_depthwise_finish
) {
  let isTiled = a.pointee.isWide(DepthwisePixels<pixels>.self) && M.hasTile(a)
  cnn_depthwise(
    a, Int32(truncatingIfNeeded: share.part), Int32(truncatingIfNeeded: share.parts), isTiled ? tiled : single, finish,
    isTiled ? Int64(pixels) : 1, isFloat ? 1 : 0)
}

@inline(__always)
private func finish<F: Finish>(
  _: F.Type, _ a: UnsafePointer<cnn_conv>?, _ sums: UnsafeMutablePointer<UInt8>?, _ block: Int64, _ pixels: Int64
) {
  let batch = UnsafeMutableRawPointer(sums.unsafelyUnwrapped)
  F.store(
    a.unsafelyUnwrapped, UnsafeRawPointer(batch), block: Int(block), pixels: Int(pixels),
    UnsafePointer(batch.assumingMemoryBound(to: Batch.self)))
}

@inline(__always)
private func sumTiled<M: DepthwiseMultiplier>(
  _: M.Type, _ a: UnsafePointer<cnn_conv>?, _ window: UnsafePointer<cnn_depthwise_window>?, _ x: UnsafePointer<UInt8>?,
  _ sums: UnsafeMutablePointer<UInt8>?, _ tiles: Int64
) {
  M.sum(
    DepthwiseTilePixels.self, a.unsafelyUnwrapped, window.unsafelyUnwrapped, UnsafeRawPointer(x.unsafelyUnwrapped),
    UnsafeMutableRawPointer(sums.unsafelyUnwrapped), tiles: Int(tiles))
}
@inline(__always)
private func sumSingle<M: DepthwiseMultiplier>(
  _: M.Type, _ window: UnsafePointer<cnn_depthwise_window>?, _ x: UnsafePointer<UInt8>?,
  _ sums: UnsafeMutablePointer<UInt8>?, _ tiles: Int64
) {
  M.sum(
    DepthwiseTile<1, 0, 0>.self, window.unsafelyUnwrapped, UnsafeRawPointer(x.unsafelyUnwrapped),
    UnsafeMutableRawPointer(sums.unsafelyUnwrapped), tiles: Int(tiles))
}

func depthwiseF32(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  depthwise(
    DepthwiseF32.self, DepthwiseTilePixels.self, a, share, isFloat: true,
    tiled: { sumTiled(DepthwiseF32.self, $0, $1, $2, $3, $4) },
    single: { sumSingle(DepthwiseF32.self, $1, $2, $3, $4) },
    finish: { finish(FinishF32.self, $0, $1, $2, $3) })
}
func depthwiseU8(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  depthwise(
    DepthwiseU8.self, DepthwiseTilePixels.self, a, share, isFloat: false,
    tiled: { sumTiled(DepthwiseU8.self, $0, $1, $2, $3, $4) }, single: { sumSingle(DepthwiseU8.self, $1, $2, $3, $4) },
    finish: { finish(FinishU8.self, $0, $1, $2, $3) })
}
func depthwiseU8F32(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  depthwise(
    DepthwiseU8.self, DepthwiseTilePixels.self, a, share, isFloat: true,
    tiled: { sumTiled(DepthwiseU8.self, $0, $1, $2, $3, $4) }, single: { sumSingle(DepthwiseU8.self, $1, $2, $3, $4) },
    finish: { finish(FinishU8F32.self, $0, $1, $2, $3) })
}
