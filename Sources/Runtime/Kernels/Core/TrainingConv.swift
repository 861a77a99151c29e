import CTrainingKernels

/// Gradient of the weights: an outer product of a few inputs and a block of output channels, summed in registers over
/// all output pixels of an image.
func convGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_conv_gradient.self)
  let dy = a.pointee.dy, partial = Int(share) &* Int(a.pointee.share)
  // Where there is one pixel to an image, the images are the pixels.
  let imagesArePixels = dy.height == 1 && dy.width == 1
  var image = Int(first)
  let end = image &+ Int(count)
  while image < end {
    let grid = imagesArePixels ? PixelGrid(a.pointee, images: Int(count)) : PixelGrid(a.pointee)
    let x = UnsafeRawPointer(a.pointee.x.at(image: image, share: Int(share)))
    for block in 0..<dy.blocks {
      let d = UnsafeRawPointer(dy.at(image: image, share: Int(share), block: block))
      let isHalf = isHalf(dy.view, block)
      let rows = Int(a.pointee.full_segments &* a.pointee.full_steps &+ a.pointee.last_segments &* a.pointee.last_steps)
      let weights = UnsafeMutableRawPointer(a.pointee.weights)! + (partial &+ block &* rows &* blockBytes)
      let tiles = WeightTiles(x: x, dy: d, grid: grid, weights: weights, rows: rows)
      if isHalf { tiles.run(HalfF32.self, a) } else { tiles.run(F32.self, a) }
      if let bias = a.pointee.bias {
        let sum = UnsafeMutableRawPointer(bias) + (partial &+ block &* blockBytes)
        sum.put(UnsafeRawPointer(sum).floats() + grid.sum(d))
      }
    }
    image &+= imagesArePixels ? Int(count) : 1
  }
}

/// The output pixels of an image and the inputs beneath them; distances in bytes.
struct PixelGrid {
  let height: Int, width: Int, dyRow: Int, dyPixel: Int, xRow: Int, xPixel: Int

  @inline(__always) init(_ a: cnn_conv_gradient) {
    height = a.dy.height
    width = a.dy.width
    dyRow = a.dy.row
    dyPixel = Int(a.dy.view.pixel)
    xRow = Int(a.stride_y) &* a.x.row
    xPixel = Int(a.stride_x) &* Int(a.x.view.pixel)
  }

  @inline(__always) init(_ a: cnn_conv_gradient, images: Int) {
    height = 1
    width = images
    dyRow = 0
    dyPixel = Int(a.dy.view.image)
    xRow = 0
    xPixel = Int(a.x.view.image)
  }

  @inline(__always) func sum(_ dy: UnsafeRawPointer) -> Floats {
    var total = Floats(repeating: 0)
    for y in 0..<height {
      var line = Floats(repeating: 0)
      for x in 0..<width { line += dy.floats(y &* dyRow &+ x &* dyPixel) }
      total += line
    }
    return total
  }
}

/// All rows (segment and step) of one block of output channels.
struct WeightTiles {
  let x: UnsafeRawPointer, dy: UnsafeRawPointer, grid: PixelGrid, weights: UnsafeMutableRawPointer, rows: Int

  @inline(__always)
  func run<M: Multiplier>(_: M.Type, _ a: UnsafePointer<cnn_conv_gradient>)
  where M.Weights == M.Sums {
    let tileRows = Int(CNN_GRADIENT_ROWS)
    var walk = RowWalk(a), row = 0
    while row < rows {
      var inputs = InlineArray<8, UnsafeRawPointer>(repeating: x)
      let count = min(rows &- row, tileRows)
      for r in 0..<count { inputs[unchecked: r] = x + walk.next() }
      for r in count..<8 { inputs[unchecked: r] = inputs[unchecked: 0] }
      tile(M.self, tileRows, inputs, row, count)
      row &+= count
    }
  }

  /// Half a block leaves half the registers free: they take a second pixel, so that there are as many independent sums.
  @inline(__always)
  func tile<M: Multiplier>(
    _: M.Type, _ tileRows: Int, _ inputs: InlineArray<8, UnsafeRawPointer>, _ row: Int, _ count: Int
  ) where M.Weights == M.Sums {
    let isHalf = MemoryLayout<M.Sums>.size < blockBytes
    var even = InlineArray<8, M.Sums>(repeating: M.zero), odd = even
    for y in 0..<grid.height {
      var d = dy + y &* grid.dyRow, offset = y &* grid.xRow, left = grid.width
      while left > 0 {
        let weights = d.loadUnaligned(as: M.Sums.self)
        unroll(tileRows) { r in
          even[unchecked: r] = M.add(even[unchecked: r], inputs[unchecked: r] + offset, weights)
        }
        d += grid.dyPixel
        offset &+= grid.xPixel
        left &-= 1
        if isHalf && left > 0 {
          let weights = d.loadUnaligned(as: M.Sums.self)
          unroll(tileRows) { r in
            odd[unchecked: r] = M.add(odd[unchecked: r], inputs[unchecked: r] + offset, weights)
          }
          d += grid.dyPixel
          offset &+= grid.xPixel
          left &-= 1
        }
      }
    }
    let target = weights + row &* blockBytes
    unroll(tileRows) { r in
      if r < count {
        let p = target + r &* blockBytes
        let sum = isHalf ? M.sum(even[unchecked: r], odd[unchecked: r]) : even[unchecked: r]
        p.put(M.sum(p.loadUnaligned(as: M.Sums.self), sum))
      }
    }
  }
}

/// Where each row's input lies, counted from the output pixel's: the table of offsets, step by step.
struct RowWalk {
  let a: UnsafePointer<cnn_conv_gradient>
  var segment = 0, step = 0

  @inline(__always) init(_ a: UnsafePointer<cnn_conv_gradient>) { self.a = a }

  @inline(__always) mutating func next() -> Int {
    let offset = Int(a.pointee.offsets[segment]) &+ 4 &* step
    step &+= 1
    if step == Int(segment < Int(a.pointee.full_segments) ? a.pointee.full_steps : a.pointee.last_steps) {
      step = 0
      segment &+= 1
    }
    return offset
  }
}
