import CKernels
import CVector

/// The register tiles of an instruction set: pixels of a large and of a small one, and blocks of output channels.
enum Tiles<let large: Int, let small: Int, let blocks: Int> {}
enum RegisterTile<let pixels: Int, let blocks: Int> {}

/// Some pixels on their way from the multiplication to whoever scales and stores them: enough to make what is done once
/// for all of them cheap, and few enough for the first-level cache.
struct Batch {
  /// Large enough for one large tile at least; cut down to a multiple of the instruction set's.
  @inline(__always) static var capacity: Int { 28 }

  /// [2 blocks][28 pixels][16 channels], int32 or float.
  private var sums = InlineArray<56, Ints>(repeating: Ints(repeating: 0))
  /// Bytes from x.data to a pixel's input.
  var inputs = InlineArray<28, Int>(repeating: 0)
  /// Bytes from y.data to a pixel's output in block 0.
  var outputs = InlineArray<28, Int>(repeating: 0)

  @inline(__always) init() {}

  /// The next `count` pixels; the last is repeated until the number is a multiple of the tile's `size`.
  @inline(never) mutating func place(_ cursor: inout PixelCursor, count: Int, size: Int) {
    var i = 0
    while i < count {
      inputs[unchecked: i] = cursor.x
      outputs[unchecked: i] = cursor.y
      cursor.advance()
      i &+= 1
    }
    while i % size != 0 {
      inputs[unchecked: i] = inputs[unchecked: count &- 1]
      i &+= 1
    }
  }
}

extension cnn_conv {
  /// Where the weights and inputs of a block of output channels are.
  @inline(__always) func part(_ block: Int) -> cnn_conv_block {
    if let blocks { return blocks[block] }
    return cnn_conv_block(
      weights: weights + block &* Int(weight_block), offsets: offsets, full_segments: full_segments,
      full_steps: full_steps, last_segments: last_segments, last_steps: last_steps)
  }
}

/// Multiplies all segments for the pixels `range` of the batch, one tile after another, and one or two blocks of output
/// channels. A tile's sums stay in registers; the order of the additions is the order of the segments and steps.
@_optimize(speed) @inline(never)
func multiply<M: Multiplier, let pixels: Int, let blocks: Int>(
  _: M.Type, _: RegisterTile<pixels, blocks>.Type, _ a: UnsafePointer<cnn_conv>, block: Int, _ range: Range<Int>,
  _ batch: UnsafeMutablePointer<Batch>
) {
  let bias = a.pointee.bias! + block &* 64, blockBytes = Int(a.pointee.weight_block)
  let part = a.pointee.part(block), data = UnsafeRawPointer(a.pointee.x.data!)
  let full = Int(part.full_segments), segments = full &+ Int(part.last_segments)
  var first = range.lowerBound
  while first < range.upperBound {
    let start = bias.loadUnaligned(as: M.Sums.self)
    var sums0 = InlineArray<pixels, M.Sums>(repeating: start)
    var sums1 = InlineArray<pixels, M.Sums>(repeating: start)
    if blocks == 2 {
      let next = bias.loadUnaligned(fromByteOffset: 64, as: M.Sums.self)
      unroll(pixels) { sums1[unchecked: $0] = next }
    }
    var inputs = InlineArray<pixels, Int>(repeating: 0)
    unroll(pixels) { inputs[unchecked: $0] = batch.pointee.inputs[unchecked: first &+ $0] }

    var weights = UnsafeRawPointer(part.weights.unsafelyUnwrapped)
    for segment in 0..<segments {
      var x = data + Int(part.offsets[segment])
      // The number of steps must not be known: unrolled, the loop's weight loads would be hoisted and the sums spilled.
      var steps = segment < full ? part.full_steps : part.last_steps
      while steps > 0 {
        let w0 = weights.loadUnaligned(as: M.Weights.self)
        let w1 = blocks == 2 ? weights.loadUnaligned(fromByteOffset: blockBytes, as: M.Weights.self) : w0
        unroll(pixels) { i in
          let input = x + inputs[unchecked: i]
          sums0[unchecked: i] = M.add(sums0[unchecked: i], input, w0)
          if blocks == 2 { sums1[unchecked: i] = M.add(sums1[unchecked: i], input, w1) }
        }
        weights += 64
        x = cv_opaque(x + 4)
        steps &-= 1
      }
    }

    let out = UnsafeMutableRawPointer(batch) + first &* 64
    unroll(pixels) { i in
      M.store(sums0[unchecked: i], out + i &* 64)
      if blocks == 2 { M.store(sums1[unchecked: i], out + (Batch.capacity &+ i) &* 64) }
    }
    first &+= pixels
  }
}

/// One pixel, one block: the sums of every fourth step apart, because one chain of additions would wait for itself.
@_optimize(speed) @inline(never)
func multiplyVector<M: Multiplier>(
  _: M.Type, _ a: UnsafePointer<cnn_conv>, block: Int, _ batch: UnsafeMutablePointer<Batch>
) {
  var s0 = a.pointee.bias!.loadUnaligned(fromByteOffset: block &* 64, as: M.Sums.self)
  var s1 = M.zero
  var s2 = M.zero
  var s3 = M.zero
  let part = a.pointee.part(block), data = UnsafeRawPointer(a.pointee.x.data!)
  var w = UnsafeRawPointer(part.weights.unsafelyUnwrapped)
  let full = Int(part.full_segments), segments = full &+ Int(part.last_segments)
  for segment in 0..<segments {
    var x = data + Int(part.offsets[segment])
    var steps = segment < full ? part.full_steps : part.last_steps
    while steps >= 4 {
      s0 = M.add(s0, x, w, step: 0)
      s1 = M.add(s1, x, w, step: 1)
      s2 = M.add(s2, x, w, step: 2)
      s3 = M.add(s3, x, w, step: 3)
      w += 256
      x += 16
      steps &-= 4
    }
    while steps > 0 {
      s0 = M.add(s0, x, w, step: 0)
      w += 64
      x += 4
      steps &-= 1
    }
  }
  M.store(M.sum(M.sum(s0, s1), M.sum(s2, s3)), UnsafeMutableRawPointer(batch))
}
