import CTrainingKernels
import CVector

/// A block of channels of one image, and what batch normalisation knows of them.
private struct NormBlock {
  let a: UnsafePointer<cnn_batch_norm>
  let x: UnsafeRawPointer
  let image: Int, share: Int, block: Int
  let scale: Floats, shift: Floats

  @inline(__always) var height: Int { a.pointee.x.height }
  @inline(__always) var width: Int { a.pointee.x.width }
  @inline(__always) var row: Int { a.pointee.x.row }

  @inline(__always) func channels(_ array: UnsafePointer<Float>?) -> Floats {
    UnsafeRawPointer(array.unsafelyUnwrapped).floats(block &* blockBytes)
  }
  @inline(__always) func at(_ slot: cnn_slot) -> UnsafeMutableRawPointer {
    slot.at(image: image, share: share, block: block)
  }
  /// The `index`-th of the block's sums.
  @inline(__always) func setSum(_ index: Int, _ value: Floats) {
    let sums = UnsafeMutableRawPointer(a.pointee.sums.unsafelyUnwrapped)
    sums.put(value, (index &* a.pointee.x.blocks &+ block) &* blockBytes)
  }
}

@inline(__always) private func forEachBlock(
  _ arguments: UnsafeRawPointer?, _ first: Int32, _ share: Int32, needsScale: Bool = true, _ body: (NormBlock) -> Void
) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_batch_norm.self)
  for block in 0..<a.pointee.x.blocks {
    let x = UnsafeRawPointer(a.pointee.x.at(image: Int(first), share: Int(share), block: block))
    let none = Floats(repeating: 0)
    let scale = needsScale ? UnsafeRawPointer(a.pointee.scale.unsafelyUnwrapped).floats(block &* blockBytes) : none
    let shift = needsScale ? UnsafeRawPointer(a.pointee.shift.unsafelyUnwrapped).floats(block &* blockBytes) : none
    body(NormBlock(a: a, x: x, image: Int(first), share: Int(share), block: block, scale: scale, shift: shift))
  }
}

func batchNormStatistics(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  forEachBlock(arguments, first, share, needsScale: false) { $0.statistics() }
}

extension NormBlock {
  /// By two passes over the image, which is in the cache: nothing cancels, however large the mean. Two sums each, which
  /// need not wait for each other.
  @_optimize(speed) @inline(never) fileprivate func statistics() {
    var sum0 = Floats(repeating: 0), sum1 = sum0
    for y in 0..<height {
      var p = x + y &* row, left = width
      while left > 1 {
        sum0 += p.floats()
        sum1 += p.floats(blockBytes)
        p += 2 &* blockBytes
        left &-= 2
      }
      if left == 1 { sum0 += p.floats() }
    }
    let mean = (sum0 + sum1) / all(cv_float(Int32(truncatingIfNeeded: height &* width)))
    var rest = Floats(repeating: 0), squares0 = rest, squares1 = rest
    for y in 0..<height {
      var p = x + y &* row, left = width
      while left > 1 {
        let d0 = p.floats() - mean, d1 = p.floats(blockBytes) - mean
        rest += d0 + d1
        squares0 += d0 * d0
        squares1 += d1 * d1
        p += 2 &* blockBytes
        left &-= 2
      }
      if left == 1 {
        let d = p.floats() - mean
        rest += d
        squares0 += d * d
      }
    }
    setSum(0, mean)
    setSum(1, rest)
    setSum(2, squares0 + squares1)
  }
}

// MARK: - With a max pool

/// The part of a window that lies in the image: the last ones may reach over its edge.
private struct NormWindow {
  let x: UnsafeRawPointer
  let offset: (y: Int, x: Int)
  let rows: Int, columns: Int, row: Int

  @inline(__always) func forEachTap(_ body: (_ tap: Int32, _ y: Int, _ x: Int) -> Void) {
    var tap: Int32 = 0
    for i in 0..<rows {
      for j in 0..<columns {
        body(tap, i, j)
        tap &+= 1
      }
    }
  }

  /// The first largest of x · scale + shift, the x it came from and where that is.
  @inline(__always) func largest(_ b: NormBlock) -> (value: Floats, x: Floats, tap: Ints) {
    var best = all(-Float.infinity), from = Floats(repeating: 0), winner = all(Int32(0))
    var tap: Int32 = 0
    for i in 0..<rows {
      for j in 0..<columns {
        let x = self.x.floats(i &* row &+ j &* blockBytes), value = x * b.scale + b.shift
        let isBetter = value .> best .| value .!= value
        best.replace(with: value, where: isBetter)
        from.replace(with: x, where: isBetter)
        winner.replace(with: all(tap), where: isBetter)
        tap &+= 1
      }
    }
    return (best, from, winner)
  }
}

/// All windows, also those at the edge that are not whole and have no output (`hasOutput` false).
@inline(__always) private func forEachWindow(
  _ b: NormBlock, _ output: cnn_slot, _ body: (NormWindow, _ outputOffset: Int, _ hasOutput: Bool) -> Void
) {
  let kh = Int(b.a.pointee.window_height), kw = Int(b.a.pointee.window_width)
  var y = 0, oy = 0
  while y < b.height {
    var x = 0, ox = 0
    while x < b.width {
      let window = NormWindow(
        x: b.x + (y &* b.row &+ x &* blockBytes), offset: (y, x), rows: min(kh, b.height &- y),
        columns: min(kw, b.width &- x), row: b.row)
      body(window, oy &* output.row &+ ox &* blockBytes, oy < output.height && ox < output.width)
      x &+= kw
      ox &+= 1
    }
    y &+= kh
    oy &+= 1
  }
}

func batchNormPool(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  forEachBlock(arguments, first, share) { poolBlock($0) }
}

@_optimize(speed) @inline(never) private func poolBlock(_ b: NormBlock) {
  let y = b.at(b.a.pointee.y), low = all(b.a.pointee.low), high = all(b.a.pointee.high)
  forEachWindow(b, b.a.pointee.y) { window, offset, hasOutput in
    if hasOutput { y.put(cv_clamp(window.largest(b).value, low, high), offset) }
  }
}

// MARK: - Backward

/// Where a gradient passes: strictly between the limits of the clamp.
private struct Passage {
  let low: Floats, high: Floats

  @inline(__always) init(_ b: NormBlock) {
    low = all(b.a.pointee.low)
    high = all(b.a.pointee.high)
  }

  @inline(__always) func callAsFunction(_ gradient: Floats, _ value: Floats) -> Floats {
    gradient.replacing(with: 0, where: value .<= low .| value .>= high)
  }
}

private struct NormSums {
  let mean: Floats, passage: Passage
  var sum = Floats(repeating: 0), product = Floats(repeating: 0)

  @inline(__always) init(_ b: NormBlock) {
    mean = b.channels(b.a.pointee.mean)
    passage = Passage(b)
  }

  /// A gradient, x and what x was normalised to.
  @inline(__always) mutating func add(_ gradient: Floats, _ value: Floats, _ x: Floats) {
    let g = passage(gradient, value)
    sum += g
    product += g * (x - mean)
  }
}

func batchNormReduce(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  forEachBlock(arguments, first, share) { reduceBlock($0) }
}

@_optimize(speed) @inline(never) private func reduceBlock(_ b: NormBlock) {
  let dy = UnsafeRawPointer(b.at(b.a.pointee.dy))
  var sums = NormSums(b)
  if isPooled(b) {
    forEachWindow(b, b.a.pointee.dy) { window, offset, hasOutput in
      guard hasOutput else { return }
      let best = window.largest(b)
      sums.add(dy.floats(offset), best.value, best.x)
    }
  } else {
    for y in 0..<b.height {
      var p = b.x + y &* b.row, d = dy + y &* b.a.pointee.dy.row
      for _ in 0..<b.width {
        let x = p.floats()
        sums.add(d.floats(), x * b.scale + b.shift, x)
        p += blockBytes
        d += blockBytes
      }
    }
  }
  b.setSum(0, sums.sum)
  b.setSum(1, sums.product)
}

func batchNormApply(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  forEachBlock(arguments, first, share) { applyBlock($0) }
}

@_optimize(speed) @inline(never) private func applyBlock(_ b: NormBlock) {
  let dy = UnsafeRawPointer(b.at(b.a.pointee.dy)), dx = b.at(b.a.pointee.dx), passage = Passage(b)
  let mean = b.channels(b.a.pointee.mean), slope = b.channels(b.a.pointee.slope)
  let dyMean = b.channels(b.a.pointee.dy_mean)
  @inline(__always) func derivative(_ g: Floats, _ x: Floats) -> Floats {
    b.scale * ((g - dyMean) - (x - mean) * slope)
  }
  if isPooled(b) {
    forEachWindow(b, b.a.pointee.dy) { window, offset, hasOutput in
      let best = window.largest(b)
      let g = hasOutput ? passage(dy.floats(offset), best.value) : Floats(repeating: 0)
      let target = dx + (window.offset.y &* b.a.pointee.dx.row &+ window.offset.x &* blockBytes)
      window.forEachTap { tap, i, j in
        let x = window.x.floats(i &* b.row &+ j &* blockBytes)
        let own = g.replacing(with: 0, where: best.tap .!= all(tap))
        target.put(derivative(own, x), i &* b.a.pointee.dx.row &+ j &* blockBytes)
      }
    }
  } else {
    for y in 0..<b.height {
      var p = b.x + y &* b.row, d = dy + y &* b.a.pointee.dy.row, t = dx + y &* b.a.pointee.dx.row
      for _ in 0..<b.width {
        let x = p.floats(), g = passage(d.floats(), x * b.scale + b.shift)
        t.put(derivative(g, x))
        p += blockBytes
        d += blockBytes
        t += blockBytes
      }
    }
  }
}

@inline(__always) private func isPooled(_ b: NormBlock) -> Bool {
  b.a.pointee.window_height &* b.a.pointee.window_width > 1
}
