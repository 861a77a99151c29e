import CKernels
import CVector

/// A block of 16 channels of a depthwise convolution: where its weights are, and the distances between taps in bytes.
struct DepthwiseWindow {
  let bias: UnsafeRawPointer, weights: UnsafeRawPointer
  let height: Int, width: Int
  let row: Int, tap: Int
  /// From an output pixel's input to the next one's.
  let step: Int

  @inline(__always) init(_ a: UnsafePointer<cnn_conv>, block: Int) {
    bias = a.pointee.bias! + block &* 64
    weights = UnsafeRawPointer(a.pointee.weights!) + block &* Int(a.pointee.weight_block)
    height = Int(a.pointee.kernel_height)
    width = Int(a.pointee.kernel_width)
    row = Int(a.pointee.dilation_y) &* Int(a.pointee.x.row)
    tap = Int(a.pointee.dilation_x) &* Int(a.pointee.x.pixel)
    step = Int(a.pointee.stride_x) &* Int(a.pointee.x.pixel)
  }
}

/// Output pixels side by side that a depthwise convolution sums at once, so that they share the loads of weights.
/// `stride` in pixels and `last`, the taps behind the last whole group of four, are 0 where any will do.
enum DepthwiseTile<let pixels: Int, let stride: Int, let last: Int> {}

/// The multiplication of a depthwise convolution.
protocol DepthwiseMultiplier {
  /// The sums of some tiles side by side, 16 floats or integers for each pixel, to `out`; x lies beneath the first tap of the first pixel.
  static func sum<let pixels: Int, let stride: Int, let last: Int>(
    _: DepthwiseTile<pixels, stride, last>.Type, _ window: UnsafePointer<DepthwiseWindow>, _ x: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, tiles: Int)
  /// The same where `hasTile`.
  static func sum<let pixels: Int>(
    _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ window: UnsafePointer<DepthwiseWindow>,
    _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, tiles: Int)
  /// Whether the shape is one of those that have tiles of several pixels.
  static func hasTile(_ a: UnsafePointer<cnn_conv>) -> Bool
}
enum DepthwisePixels<let pixels: Int> {}

enum DepthwiseF32: DepthwiseMultiplier {
  @inline(never)
  static func sum<let pixels: Int, let stride: Int, let last: Int>(
    _: DepthwiseTile<pixels, stride, last>.Type, _ window: UnsafePointer<DepthwiseWindow>, _ x: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, tiles: Int
  ) {
    let w = window.pointee, step = stride == 0 ? w.step : stride &* 64
    var first = x, out = out, tiles = tiles
    while tiles > 0 {
      var sums = InlineArray<pixels, Floats>(repeating: w.bias.floats())
      var weights = w.weights, line = first, ky = w.height
      while ky > 0 {
        var from = line, kx = w.width
        while kx > 0 {
          let v = weights.floats()
          unroll(pixels) { i in
            sums[unchecked: i] = cv_multiply_add_each(sums[unchecked: i], from.floats(i &* step), v)
          }
          weights += 64
          from += w.tap
          kx &-= 1
        }
        line += w.row
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
    _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ window: UnsafePointer<DepthwiseWindow>,
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
  @inline(never)
  static func sum<let pixels: Int, let stride: Int, let last: Int>(
    _: DepthwiseTile<pixels, stride, last>.Type, _ window: UnsafePointer<DepthwiseWindow>, _ x: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, tiles: Int
  ) {
    let w = window.pointee, step = stride == 0 ? w.step : stride &* 16, tap = stride == 0 ? w.tap : 16
    let groups = (w.width &- 1) >> 2, rest = last == 0 ? w.width &- groups &* 4 : last
    var first = x, out = out, tiles = tiles
    while tiles > 0 {
      var sums = InlineArray<pixels, Ints>(repeating: w.bias.ints())
      var weights = w.weights, line = first, ky = w.height
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
        line += w.row
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
    _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ window: UnsafePointer<DepthwiseWindow>,
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

/// A share is a range of rows. Tiles of a row lie side by side, but the last ends with the row, over the one before it;
/// their sums are collected in a batch over several rows.
@inline(__always)
func depthwise<M: DepthwiseMultiplier, F: Finish, let pixels: Int>(
  _: M.Type, _: F.Type, _: DepthwisePixels<pixels>.Type, _ a: UnsafePointer<cnn_conv>, _ share: Share
) {
  let view = a.pointee.y, width = Int(view.width), height = Int(view.height), blocks = view.blocks
  let x = a.pointee.x, isTiled = width >= pixels && M.hasTile(a), size = isTiled ? pixels : 1
  let left = Int(a.pointee.pad_left) &* Int(x.pixel), step = Int(a.pointee.stride_x) &* Int(x.pixel)
  var storage = Batch()
  withUnsafeMutablePointer(to: &storage) { batch in
    let sums = UnsafeMutableRawPointer(batch)
    var filled = 0, plane = -1, block = 0, image = 0
    var window = DepthwiseWindow(a, block: 0)
    func flush() {
      F.store(a, UnsafeRawPointer(sums), block: block, pixels: filled, batch)
      filled = 0
    }
    for unit in share.range(of: view.rows) {
      let row = unit % height
      if unit / height != plane {
        flush()
        plane = unit / height
        block = plane % blocks
        image = plane / blocks
        window = DepthwiseWindow(a, block: block)
      }
      let top = row &* Int(a.pointee.stride_y) &- Int(a.pointee.pad_top)
      let from = UnsafeRawPointer(x.address(image, block, 0)) + (top &* Int(x.row) &- left)
      let to = image &* Int(view.image) &+ row &* Int(view.row)
      var column = 0
      while column < width {
        // Whole tiles; behind them one that ends with the row.
        let first = min(column, width &- size)
        let tiles = max(1, min((width &- first) / size, (Batch.capacity &- filled) / size))
        let out = sums + filled &* 64, count = tiles &* size
        if isTiled {
          M.sum(DepthwisePixels<pixels>.self, a, &window, from + first &* step, out, tiles: tiles)
        } else {
          M.sum(DepthwiseTile<1, 0, 0>.self, &window, from + first &* step, out, tiles: tiles)
        }
        for i in 0..<count {
          batch.pointee.outputs[unchecked: filled &+ i] = to &+ (first &+ i) &* Int(view.pixel)
        }
        filled &+= count
        column = first &+ count
        if filled &+ size > Batch.capacity { flush() }
      }
    }
    flush()
  }
  view.fillHalo(isFloat: F.isFloat, share)
}

func depthwiseF32(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  depthwise(DepthwiseF32.self, FinishF32.self, DepthwiseTilePixels.self, a, share)
}
func depthwiseU8(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  depthwise(DepthwiseU8.self, FinishU8.self, DepthwiseTilePixels.self, a, share)
}
func depthwiseU8F32(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  depthwise(DepthwiseU8.self, FinishU8F32.self, DepthwiseTilePixels.self, a, share)
}
