import CKernels

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

/// The body of `cnn_pool_windows`, which only one module defines. A share is a range of rows.
@inline(__always) func poolWindows(
  _ a: UnsafePointer<cnn_pool>, _ share: Share, _ reduce: cnn_window_reduce, isFloat: Bool
) {
  let args = a.pointee, view = args.y, pixel = Int(args.x.pixel), row = Int(args.x.row)
  var window = cnn_window()
  window.row = Int64(args.dilation_y) &* args.x.row
  window.pixel = Int64(args.dilation_x) &* Int64(pixel)
  window.step = Int64(args.stride_x) &* Int64(pixel)
  let reach = (Int(args.kernel_width) &- 1) &* Int(args.dilation_x)
  forEachRow(view, share) { n, block, oy in
    let top = oy &* Int(args.stride_y) &- Int(args.pad_top)
    let rows = Taps(
      at: top, kernel: Int(args.kernel_height), dilation: Int(args.dilation_y), size: Int(args.x.height),
      padEnd: Int(args.pad_bottom))
    let image = args.x.data! + (n &* Int(args.x.image) &+ block &* Int(args.x.block))
    let line = image + (top &+ rows.first &* Int(args.dilation_y)) &* row
    var to = view.address(n, block, oy).assumingMemoryBound(to: UInt8.self), left = 0 &- Int(args.pad_left)
    window.rows = Int64(rows.end &- rows.first)
    var column = 0
    while column < Int(view.width) {
      let columns = Taps(
        at: left, kernel: Int(args.kernel_width), dilation: Int(args.dilation_x), size: Int(args.x.width),
        padEnd: Int(args.pad_right))
      // Windows that are not cut go together.
      let room = Int(args.x.width) &- 1 &- reach &- left, isWhole = left >= 0 && room >= 0
      let pixels = isWhole ? min(Int(view.width) &- column, room / Int(args.stride_x) &+ 1) : 1
      window.x = UnsafePointer(line + (left &+ columns.first &* Int(args.dilation_x)) &* pixel)
      window.columns = Int64(columns.end &- columns.first)
      window.pixels = Int64(pixels)
      window.count =
        args.count_include_pad != 0 ? Int64(rows.padded &* columns.padded) : window.rows &* window.columns
      reduce(a, &window, to)
      to += pixels &* Int(view.pixel)
      left &+= pixels &* Int(args.stride_x)
      column &+= pixels
    }
  }
  view.fillHalo(isFloat: isFloat, share)
}
