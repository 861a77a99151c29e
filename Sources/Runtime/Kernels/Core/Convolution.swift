import CKernels
import CVector

/// The output pixels of a tensor one after another: rows, then images; and where each begins in input and output.
struct PixelCursor {
  private let width: Int, height: Int
  private let xColumn: Int, xRow: Int, xImage: Int, yColumn: Int, yRow: Int, yImage: Int
  private var column: Int, row: Int, image: Int
  private(set) var x: Int, y: Int

  @inline(never) init(_ a: UnsafePointer<cnn_conv>, at pixel: Int) {
    let input = a.pointee.x, output = a.pointee.y
    width = Int(output.width)
    height = Int(output.height)
    xColumn = Int(a.pointee.stride_x) &* Int(input.pixel)
    xRow = Int(a.pointee.stride_y) &* Int(input.row)
    xImage = Int(input.image)
    yColumn = Int(output.pixel)
    yRow = Int(output.row)
    yImage = Int(output.image)
    column = pixel % width
    row = pixel / width % height
    image = pixel / width / height
    x = image &* xImage &+ row &* xRow &+ column &* xColumn
    y = image &* yImage &+ row &* yRow &+ column &* yColumn
  }

  @inline(__always) mutating func advance() {
    column &+= 1
    x &+= xColumn
    y &+= yColumn
    if column == width { wrap() }
  }
  private mutating func wrap() {
    column = 0
    row &+= 1
    if row == height {
      row = 0
      image &+= 1
    }
    x = image &* xImage &+ row &* xRow
    y = image &* yImage &+ row &* yRow
  }
}

/// Scales the sums of a batch and stores them.
protocol Finish {
  static var isFloat: Bool { get }
  static func store(
    _ a: UnsafePointer<cnn_conv>, _ sums: UnsafeRawPointer, block: Int, pixels: Int, _ batch: UnsafePointer<Batch>)
}

enum FinishF32: Finish {
  @inline(__always) static var isFloat: Bool { true }
  @inline(never) static func store(
    _ a: UnsafePointer<cnn_conv>, _ sums: UnsafeRawPointer, block: Int, pixels: Int, _ batch: UnsafePointer<Batch>
  ) {
    let low = all(a.pointee.low), high = all(a.pointee.high), y = a.pointee.y.address(0, block, 0)
    for i in 0..<pixels { y.put(cv_clamp(sums.floats(i &* 64), low, high), batch.pointee.outputs[unchecked: i]) }
  }
}

enum FinishU8: Finish {
  @inline(__always) static var isFloat: Bool { false }
  @inline(never) static func store(
    _ a: UnsafePointer<cnn_conv>, _ sums: UnsafeRawPointer, block: Int, pixels: Int, _ batch: UnsafePointer<Batch>
  ) {
    let q = a.pointee.requantize, quantize = Quantizer(q.low, q.high, q.zero_point)
    let scale = UnsafeRawPointer(q.scale!).floats(block &* 64), y = a.pointee.y.address(0, block, 0)
    for i in 0..<pixels {
      y.put(quantize(cv_to_float(sums.ints(i &* 64)) * scale), batch.pointee.outputs[unchecked: i])
    }
  }
}

enum FinishU8F32: Finish {
  @inline(__always) static var isFloat: Bool { true }
  @inline(never) static func store(
    _ a: UnsafePointer<cnn_conv>, _ sums: UnsafeRawPointer, block: Int, pixels: Int, _ batch: UnsafePointer<Batch>
  ) {
    let low = all(a.pointee.low), high = all(a.pointee.high), y = a.pointee.y.address(0, block, 0)
    let scale = UnsafeRawPointer(a.pointee.requantize.scale!).floats(block &* 64)
    for i in 0..<pixels {
      y.put(cv_clamp(cv_to_float(sums.ints(i &* 64)) * scale, low, high), batch.pointee.outputs[unchecked: i])
    }
  }
}

/// The first `count` pixels of the batch: large tiles, and a small one for what is left if it fits.
@inline(__always)
func multiply<M: Multiplier, let large: Int, let small: Int, let blocks: Int>(
  _: M.Type, _: Tiles<large, small, blocks>.Type, _ a: UnsafePointer<cnn_conv>, block: Int, count: Int,
  _ batch: UnsafeMutablePointer<Batch>
) {
  let rest = count % large, whole = rest > small ? count : count &- rest
  if whole > 0 { multiply(M.self, RegisterTile<large, blocks>.self, a, block: block, 0..<whole, batch) }
  if whole < count { multiply(M.self, RegisterTile<small, blocks>.self, a, block: block, whole..<count, batch) }
}

/// A convolution's work is its large tiles, one group of blocks after another; a share is a range of them. Where the
/// tiles lie does not depend on the shares.
@inline(__always)
func convolution<Full: Multiplier, Half: Multiplier, F: Finish, let large: Int, let small: Int, let blocks: Int>(
  _: Full.Type, _: Half.Type, _: F.Type, _: Tiles<large, small, blocks>.Type, _ a: UnsafePointer<cnn_conv>,
  _ share: Share
) {
  let view = a.pointee.y, pixels = Int(view.batch) &* Int(view.height) &* Int(view.width)
  // Blocks of a grouped convolution read different inputs: each is multiplied alone.
  let together = a.pointee.blocks == nil ? blocks : 1
  let tiles = (pixels &+ large &- 1) / large, groups = (view.blocks &+ together &- 1) / together
  let units = share.range(of: tiles &* groups)
  var storage = Batch()
  withUnsafeMutablePointer(to: &storage) { batch in
    @inline(__always) func store(_ block: Int, _ place: Int, _ count: Int) {
      F.store(a, UnsafeRawPointer(batch) + place &* Batch.capacity &* 64, block: block, pixels: count, batch)
    }
    var unit = units.lowerBound
    while unit < units.upperBound {
      // The tiles of one group of blocks.
      let block = unit / tiles &* together, isPair = together == 2 && block &+ 1 < view.blocks
      let isHalf = !isPair && isHalf(view, block)
      var first = unit % tiles &* large
      let left = min(units.upperBound &- unit, tiles &- unit % tiles), end = min(pixels, first &+ left &* large)
      unit &+= left
      var cursor = PixelCursor(a, at: first)
      while first < end {
        let count = min(Batch.capacity / large &* large, end &- first)
        batch.pointee.place(&cursor, count: count, size: large)
        if isPair {
          multiply(Full.self, Tiles<large, small, blocks>.self, a, block: block, count: count, batch)
          store(block &+ 1, 1, count)
        } else if isHalf {
          multiply(Half.self, Tiles<large, small, 1>.self, a, block: block, count: count, batch)
        } else {
          multiply(Full.self, Tiles<large, small, 1>.self, a, block: block, count: count, batch)
        }
        store(block, 0, count)
        first &+= count
      }
    }
  }
  view.fillHalo(isFloat: F.isFloat, share)
}

/// A single output pixel: matrix times vector, a share being a range of blocks.
@inline(__always)
func convolutionVector<Full: Multiplier, Half: Multiplier, F: Finish>(
  _: Full.Type, _: Half.Type, _: F.Type, _ a: UnsafePointer<cnn_conv>, _ share: Share
) {
  let view = a.pointee.y
  var storage = Batch()
  withUnsafeMutablePointer(to: &storage) { batch in
    for block in share.range(of: view.blocks) {
      if isHalf(view, block) {
        multiplyVector(Half.self, a, block: block, batch)
      } else {
        multiplyVector(Full.self, a, block: block, batch)
      }
      F.store(a, UnsafeRawPointer(batch), block: block, pixels: 1, batch)
    }
  }
  view.fillHalo(isFloat: F.isFloat, share)
}

/// Only eight channels of the block are real, or fewer.
@inline(__always) func isHalf(_ view: cnn_view, _ block: Int) -> Bool { Int(view.channels) &- block &* 16 <= 8 }

@inline(__always)
func convolution<Full: Multiplier, Half: Multiplier, F: Finish>(
  _: Full.Type, _: Half.Type, _: F.Type, floatTiles: Bool, _ a: UnsafePointer<cnn_conv>, _ share: Share
) {
  if a.pointee.y.batch == 1 && a.pointee.y.height == 1 && a.pointee.y.width == 1 {
    convolutionVector(Full.self, Half.self, F.self, a, share)
  } else if floatTiles {
    convolution(Full.self, Half.self, F.self, FloatTiles.self, a, share)
  } else {
    convolution(Full.self, Half.self, F.self, ByteTiles.self, a, share)
  }
}

func convF32(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  convolution(F32.self, HalfF32.self, FinishF32.self, floatTiles: true, a, share)
}
func convU8(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  convolution(U8.self, HalfU8.self, FinishU8.self, floatTiles: false, a, share)
}
func convU8F32(_ a: UnsafePointer<cnn_conv>, _ share: Share) {
  convolution(U8.self, HalfU8.self, FinishU8F32.self, floatTiles: false, a, share)
}
