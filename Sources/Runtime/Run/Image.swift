import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform
import Plan

/// Makes an image of input 0 from 8-bit pixels, by the model's recipe, in integers (FORMAT.md, "RECIPE"; ResizeTap). Row by
/// row: each row of the result is the weighted mean of rows that are themselves resized first.
public func setImage(_ session: UnsafeMutablePointer<Session>, _ batchIndex: Int, _ image: cnnrt_image) {
  let input = session.pointee.network.pointee.model.networkInput(0)
  var view = session.pointee.view(input)
  view.data += batchIndex * Int(view.image)
  let resizer = Resizer(image, session.pointee.image!.pointee, view)
  resizer.run()
}

/// How many channels the network's image has, known when a function is compiled.
private protocol Target { static var channels: Int { get } }
private enum Grey: Target { static var channels: Int { 1 } }
private enum Colour: Target { static var channels: Int { 3 } }

private struct WeightedSum<T: Target> {
  var values: (UInt64, UInt64, UInt64) = (0, 0, 0)

  @inline(__always) mutating func add(_ weight: UInt64, _ pixel: (UInt32, UInt32, UInt32)) {
    values.0 &+= weight &* UInt64(pixel.0)
    guard T.channels == 3 else { return }
    values.1 &+= weight &* UInt64(pixel.1)
    values.2 &+= weight &* UInt64(pixel.2)
  }
}

private struct Resizer {
  let image: cnnrt_image
  let tables: ImageTables
  let out: cnn_view
  let width, height, channels: Int
  let sourceWidth, sourceHeight: Int
  /// The whole resized image, and where in it the result's first pixel lies.
  let fullWidth, fullHeight, left, top: Int

  init(_ image: cnnrt_image, _ tables: ImageTables, _ out: cnn_view) {
    self.image = image
    self.tables = tables
    self.out = out
    (width, height, channels) = (Int(out.width), Int(out.height), Int(out.channels))
    (sourceWidth, sourceHeight) = (Int(image.width), Int(image.height))
    let size = Resizer.fullSize(tables.recipe, sourceWidth, sourceHeight)
    (fullWidth, fullHeight) = size
    // Negative for a letterbox; both are rounded towards the upper left.
    let (x, y) = (fullWidth - width, fullHeight - height)
    (left, top) = (x < 0 ? -(-x / 2) : x / 2, y < 0 ? -(-y / 2) : y / 2)
  }

  private static func fullSize(_ recipe: cnnb_recipe, _ w: Int, _ h: Int) -> (Int, Int) {
    let (width, height, shorter) = (Int(recipe.width), Int(recipe.height), Int(recipe.resize_shorter))
    switch Int(recipe.resize) {
    case CNNB_RESIZE_CROP: return w <= h ? (shorter, h * shorter / w) : (w * shorter / h, shorter)
    case CNNB_RESIZE_LETTERBOX:
      return width * h <= height * w
        ? (width, max(1, (2 * h * width + w) / (2 * w))) : (max(1, (2 * w * height + h) / (2 * h)), height)
    default: return (width, height)
    }
  }

  func run() {
    let columns = max(0, -left)..<min(width, fullWidth - left)
    let rows = max(0, -top)..<min(height, fullHeight - top)
    for y in 0..<height {
      let inside = rows.contains(y) ? columns : 0..<0
      for x in 0..<width where !inside.contains(x) {
        let fill = tables.recipe.fill
        put((fill.0, fill.1, fill.2), y, x)
      }
    }
    if fullWidth == sourceWidth, fullHeight == sourceHeight {
      for y in rows {
        let row = sourceRow(y + top)
        for x in columns { put(fetch(row, x + left), y, x) }
      }
    } else {
      for x in columns { tables.columns[x] = ResizeTap(x + left, sourceWidth, fullWidth) }
      resize(rows, columns)
    }
  }

  private func put(_ pixel: (UInt32, UInt32, UInt32), _ y: Int, _ x: Int) {
    put(pixel.0, y, x, 0)
    guard channels == 3 else { return }
    put(pixel.1, y, x, 1)
    put(pixel.2, y, x, 2)
  }

  private func put(_ value: UInt32, _ y: Int, _ x: Int, _ c: Int) {
    let table = c * 256 + Int(value & 255)
    if tables.isFloat {
      let bits = tables.values.load(fromByteOffset: table * 4, as: UInt32.self)
      UnsafeMutableRawPointer(out.data + y * Int(out.row) + x * Int(out.pixel)).storeBytes(
        of: bits, toByteOffset: c * 4, as: UInt32.self)
    } else {
      out.data[y * Int(out.row) + x * Int(out.pixel) + c] = tables.values.load(fromByteOffset: table, as: UInt8.self)
    }
  }

  /// Where the image shrinks, a source row behind the middle of a row of the result belongs to that and to the next, with
  /// weights that add up to the support: it is resized once and added to both.
  private func resize(_ rows: Range<Int>, _ columns: Range<Int>) {
    let shrinks = sourceHeight >= fullHeight
    let support = 2 * max(sourceHeight, fullHeight)
    let step = 2 * fullHeight
    var (sums, next) = (tables.sums, tables.sums + width * channels)
    var (j, distance) = (0, 0)
    next.update(repeating: 0, count: width * channels)
    for y in rows {
      swap(&sums, &next)
      next.update(repeating: 0, count: width * channels)
      let tap = ResizeTap(y + top, sourceHeight, fullHeight)
      if !shrinks || y == rows.lowerBound { (j, distance) = (Int(tap.first), Int(tap.distance)) }
      while j < Int(tap.end) {
        let row = sourceRow(j)
        let weights = (UInt64(support - abs(distance)), shrinks && distance > 0 ? UInt64(distance) : 0)
        if channels == 1 {
          addRow(Grey.self, row, weights, sums, next, columns)
        } else {
          addRow(Colour.self, row, weights, sums, next, columns)
        }
        j += 1
        distance += step
      }
      distance -= support
      for x in columns {
        for c in 0..<channels {
          // 8 bits and 8 behind the point, by Σ weights · 2⁴⁶ / Σ weights.
          put(UInt32(truncatingIfNeeded: (sums[x * channels + c] &* tap.reciprocal &+ 1 << 53) >> 54), y, x, c)
        }
      }
    }
  }

  /// Resizes a source row and adds it, times a weight each, to the sums of two rows. A source pixel belongs to two pixels of the
  /// row in the same way.
  @_optimize(speed)
  private func addRow<T: Target>(
    _: T.Type, _ row: UnsafePointer<UInt8>, _ weights: (UInt64, UInt64), _ sums: UnsafeMutablePointer<UInt64>,
    _ next: UnsafeMutablePointer<UInt64>, _ columns: Range<Int>
  ) {
    let shrinks = sourceWidth >= fullWidth
    let support = 2 &* max(sourceWidth, fullWidth)
    let step = 2 &* fullWidth
    var (j, distance) = (0, 0)
    var carried = WeightedSum<T>()
    for x in columns {
      let tap = tables.columns[x]
      if !shrinks || x == columns.lowerBound { (j, distance) = (Int(tap.first), Int(tap.distance)) }
      var sum = carried
      carried = WeightedSum<T>()
      let end = Int(tap.end)
      while j < end {
        let pixel = fetch(row, j)
        sum.add(UInt64(truncatingIfNeeded: support &- abs(distance)), pixel)
        if shrinks, distance > 0 { carried.add(UInt64(truncatingIfNeeded: distance), pixel) }
        j &+= 1
        distance &+= step
      }
      distance &-= support
      for c in 0..<T.channels {
        let value = mean(c == 0 ? sum.values.0 : c == 1 ? sum.values.1 : sum.values.2, tap.reciprocal)
        sums[x &* T.channels &+ c] &+= weights.0 &* value
        next[x &* T.channels &+ c] &+= weights.1 &* value
      }
    }
  }

  /// With 8 bits behind the point.
  @inline(__always) private func mean(_ sum: UInt64, _ reciprocal: UInt64) -> UInt64 {
    (sum &* reciprocal &+ 1 << 37) >> 38
  }

  private func sourceRow(_ y: Int) -> UnsafePointer<UInt8> { image.pixels + y * Int(image.row_bytes) }

  /// A source pixel in the network's channel order, alpha laid over black; grey in the first.
  @inline(__always) private func fetch(_ row: UnsafePointer<UInt8>, _ x: Int) -> (UInt32, UInt32, UInt32) {
    let p = row + x * Int(image.channels)
    let hasColour = image.channels > 2
    var (r, g, b) = (UInt32(p[0]), UInt32(p[hasColour ? 1 : 0]), UInt32(p[hasColour ? 2 : 0]))
    if image.channels & 1 == 0 {
      let alpha = UInt32(p[hasColour ? 3 : 1])
      r = (r * alpha + 127) / 255
      g = (g * alpha + 127) / 255
      b = (b * alpha + 127) / 255
    }
    if channels == 1 { return (hasColour ? (299 * r + 587 * g + 114 * b + 500) / 1000 : r, 0, 0) }
    return Int(tables.recipe.channel_order) == CNNB_CHANNELS_BGR ? (b, g, r) : (r, g, b)
  }
}
