import CTrainingKernels
import CVector

extension cnn_pool_gradient {
  /// Clears dx and calls `body` for each window of a block: dy's pixel, the input pixel at the window's start (it may lie outside
  /// the image), and the part of the window that does not.
  @inline(__always) fileprivate func forEachWindow(
    _ dy: UnsafeRawPointer, _ dx: UnsafeMutableRawPointer,
    _ body: (_ dy: Floats, _ y: Int, _ x: Int, _ rows: Taps, _ columns: Taps) -> Void
  ) {
    for y in 0..<self.dx.height {
      for x in 0..<self.dx.width { (dx + (y &* self.dx.row &+ x &* blockBytes)).put(Floats(repeating: 0)) }
    }
    for oy in 0..<self.dy.height {
      let y = oy &* Int(stride_y) &- Int(pad_top)
      let rows = Taps(
        at: y, kernel: Int(kernel_height), dilation: Int(dilation_y), size: self.dx.height, padEnd: Int(pad_bottom))
      for ox in 0..<self.dy.width {
        let x = ox &* Int(stride_x) &- Int(pad_left)
        let columns = Taps(
          at: x, kernel: Int(kernel_width), dilation: Int(dilation_x), size: self.dx.width, padEnd: Int(pad_right))
        body(dy.floats(oy &* self.dy.row &+ ox &* blockBytes), y, x, rows, columns)
      }
    }
  }
}

extension cnn_pool_gradient {
  /// Calls `body` with each element of a window that lies in the image, counted through the window.
  @inline(__always) fileprivate func forEachTap(
    _ rows: Taps, _ columns: Taps, _ body: (_ tap: Int, _ row: Int, _ column: Int) -> Void
  ) {
    var i = rows.first
    while i < rows.end {
      var j = columns.first
      while j < columns.end {
        body(i &* Int(kernel_width) &+ j, i &* Int(dilation_y), j &* Int(dilation_x))
        j &+= 1
      }
      i &+= 1
    }
  }
}

func maxPoolGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_pool_gradient.self).pointee
  forEachBlock(first, count, of: a.x) { image, block in
    let x = UnsafeRawPointer(a.x.at(image: image, share: Int(share), block: block))
    let dy = UnsafeRawPointer(a.dy.at(image: image, share: Int(share), block: block))
    let dx = a.dx.at(image: image, share: Int(share), block: block)
    a.forEachWindow(dy, dx) { gradient, y, column, rows, columns in
      let source = x + (y &* a.x.row &+ column &* blockBytes)
      var best = all(-Float.infinity), winner = all(Int32(-1))
      a.forEachTap(rows, columns) { tap, i, j in
        let value = source.floats(i &* a.x.row &+ j &* blockBytes)
        let isBetter = value .> best .| value .!= value
        best.replace(with: value, where: isBetter)
        winner.replace(with: all(Int32(truncatingIfNeeded: tap)), where: isBetter)
      }
      let target = dx + (y &* a.dx.row &+ column &* blockBytes)
      a.forEachTap(rows, columns) { tap, i, j in
        let p = target + (i &* a.dx.row &+ j &* blockBytes)
        let isOther = winner .!= all(Int32(truncatingIfNeeded: tap))
        p.put(UnsafeRawPointer(p).floats() + gradient.replacing(with: 0, where: isOther))
      }
    }
  }
}

func averagePoolGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_pool_gradient.self).pointee
  forEachBlock(first, count, of: a.dx) { image, block in
    let dy = UnsafeRawPointer(a.dy.at(image: image, share: Int(share), block: block))
    let dx = a.dx.at(image: image, share: Int(share), block: block)
    a.forEachWindow(dy, dx) { gradient, y, x, rows, columns in
      let inside = (rows.end &- rows.first) &* (columns.end &- columns.first)
      let elements = a.count_include_pad != 0 ? rows.padded &* columns.padded : inside
      let value = gradient / all(cv_float(Int32(truncatingIfNeeded: elements)))
      let target = dx + (y &* a.dx.row &+ x &* blockBytes)
      a.forEachTap(rows, columns) { _, i, j in
        let p = target + (i &* a.dx.row &+ j &* blockBytes)
        p.put(UnsafeRawPointer(p).floats() + value)
      }
    }
  }
}
