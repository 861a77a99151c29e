import Bundle
import CBundle
import CKernels
import CPlatform

/// What `set_image` needs besides the caller's pixels: how each pixel value becomes an element of input 0, and room for a row.
public struct ImageTables {
  public let recipe: cnnb_recipe
  public let isFloat: Bool
  /// [channels][256] elements of input 0: float32, or uint8.
  public let values: UnsafeMutableRawPointer
  /// [2][width][channels] weighted sums, of two rows of the result.
  public let sums: UnsafeMutablePointer<UInt64>
  /// [width]
  public let columns: UnsafeMutablePointer<ResizeTap>

  /// Takes the memory from the arena and fills the tables; nil while it only counts.
  static func make(_ model: Model, _ arena: inout Arena) -> UnsafeMutablePointer<ImageTables>? {
    let recipe = model.recipe!
    let (width, channels) = (Int(recipe.width), Int(recipe.channels))
    let input = model.networkInput(0)
    let elementBytes = model.tensor(input).elementBytes
    let tables = arena.take(ImageTables.self, 1)
    let values = arena.take(channels * 256 * elementBytes)
    let sums = arena.take(UInt64.self, 2 * width * channels)
    let columns = arena.take(ResizeTap.self, width)
    guard let tables, let values, let sums, let columns else { return nil }
    tables.initialize(
      to: ImageTables(recipe: recipe, isFloat: elementBytes == 4, values: values, sums: sums, columns: columns))
    for c in 0..<channels {
      let mean = c == 0 ? recipe.mean.0 : c == 1 ? recipe.mean.1 : recipe.mean.2
      let deviation = c == 0 ? recipe.deviation.0 : c == 1 ? recipe.deviation.1 : recipe.deviation.2
      for pixel in 0..<256 {
        let x = (Float(pixel) / 255 - mean) / deviation
        let i = c * 256 + pixel
        if elementBytes == 4 {
          values.storeBytes(of: x, toByteOffset: i * 4, as: Float.self)
        } else {
          values.storeBytes(
            of: quantize(x, model.scale(input), model.zeroPoint(input)), toByteOffset: i, as: UInt8.self)
        }
      }
    }
    return tables
  }

  /// cnn_copy's rule.
  static func quantize(_ x: Float, _ scale: Float, _ zeroPoint: Int32) -> UInt8 {
    let (low, high) = (Float(-zeroPoint), Float(255 - zeroPoint))
    let q = x / scale
    let clamped = q > low ? (q < high ? q : high) : low  // NaN: low
    return UInt8(truncatingIfNeeded: cp_round(clamped) + zeroPoint)
  }
}

/// One output pixel of a resized axis: a weighted mean of source pixels `first`, `first + 1`, …, with weights that fall off
/// linearly from the centre (the triangle filter), in integers: the weight of source pixel j is
///
///     max(0, 2 · max(n, m) − |(2 j + 1) · m − (2 i + 1) · n|)
///
/// for output pixel i of m, and n source pixels: exact multiples of 1 − |distance| / support, where the support is one
/// source pixel, or n / m where the image shrinks. Pixels outside the source have no weight.
public struct ResizeTap {
  /// Source pixels `first ..< end`.
  public var first: Int32
  public var end: Int32
  /// Weight of source pixel `first`, before its sign is looked at: 2 · max(n, m) − |distance₀|, by `distance₀` …
  public var distance: Int64
  /// 2⁴⁶ / Σ weights, rounded.
  public var reciprocal: UInt64

  /// n source pixels to m, i-th of them.
  public init(_ i: Int, _ n: Int, _ m: Int) {
    let support = 2 * max(n, m)
    let center = (2 * i + 1) * n
    // |(2 j + 1) · m − center| < support
    let low = (center - support) / (2 * m) - 1
    var j = max(0, low)
    while j < n - 1, center - (2 * j + 1) * m >= support { j += 1 }
    first = Int32(truncatingIfNeeded: j)
    distance = Int64((2 * j + 1) * m - center)
    var sum = 0
    var d = (2 * j + 1) * m - center
    while j < n, d < support {
      sum += support - abs(d)
      d += 2 * m
      j += 1
    }
    end = Int32(truncatingIfNeeded: j)
    reciprocal = (1 << 46 + UInt64(sum) / 2) / UInt64(sum)
  }
}
