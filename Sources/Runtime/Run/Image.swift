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
  var resizer = Resizer(image, session.pointee.image!.pointee, view)
  resizer.run()
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

  mutating func run() {
    let columns = max(0, -left)..<min(width, fullWidth - left)
    let exact = fullWidth == sourceWidth && fullHeight == sourceHeight
    if !exact {
      for x in columns { tables.columns[x] = ResizeTap(x + left, sourceWidth, fullWidth) }
    }
    for y in 0..<height {
      let inside = 0..<fullHeight ~= y + top ? columns : 0..<0
      for x in 0..<width where !inside.contains(x) {
        let fill = tables.recipe.fill
        put(fill.0, y, x, 0)
        if channels == 3 {
          put(fill.1, y, x, 1)
          put(fill.2, y, x, 2)
        }
      }
      if exact { copy(y, inside) } else if !inside.isEmpty { resize(y, inside) }
    }
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

  private func copy(_ y: Int, _ columns: Range<Int>) {
    let row = sourceRow(y + top)
    for x in columns {
      let pixel = fetch(row, x + left)
      put(pixel.0, y, x, 0)
      if channels == 3 {
        put(pixel.1, y, x, 1)
        put(pixel.2, y, x, 2)
      }
    }
  }

  private func resize(_ y: Int, _ columns: Range<Int>) {
    let tap = ResizeTap(y + top, sourceHeight, fullHeight)
    let support = 2 * Int64(max(sourceHeight, fullHeight))
    tables.sums.update(repeating: 0, count: width * channels)
    var distance = tap.distance
    for j in Int(tap.first)..<Int(tap.end) {
      addRow(sourceRow(j), weight: UInt64(support - abs(distance)), columns)
      distance += 2 * Int64(fullHeight)
    }
    for x in columns {
      for c in 0..<channels {
        // 8 bits and 8 behind the point, by Σ weights · 2⁴⁶ / Σ weights.
        put(UInt32(truncatingIfNeeded: (tables.sums[x * channels + c] &* tap.reciprocal &+ 1 << 53) >> 54), y, x, c)
      }
    }
  }

  /// Resizes a source row and adds it, times its weight, to the sums.
  private func addRow(_ row: UnsafePointer<UInt8>, weight: UInt64, _ columns: Range<Int>) {
    let support = 2 * Int64(max(sourceWidth, fullWidth))
    let step = 2 * Int64(fullWidth)
    for x in columns {
      let tap = tables.columns[x]
      var distance = tap.distance
      var sum: (UInt64, UInt64, UInt64) = (0, 0, 0)
      for j in Int(tap.first)..<Int(tap.end) {
        let w = UInt64(truncatingIfNeeded: support &- abs(distance))
        let pixel = fetch(row, j)
        sum.0 &+= w &* UInt64(pixel.0)
        sum.1 &+= w &* UInt64(pixel.1)
        sum.2 &+= w &* UInt64(pixel.2)
        distance &+= step
      }
      let target = tables.sums + x * channels
      target[0] &+= weight &* mean(sum.0, tap.reciprocal)
      if channels == 3 {
        target[1] &+= weight &* mean(sum.1, tap.reciprocal)
        target[2] &+= weight &* mean(sum.2, tap.reciprocal)
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
