import CKernels
import CVector

/// The register tiles of an instruction set: pixels of a large, a middle and a small one, and blocks of output channels.
enum Tiles<let large: Int, let middle: Int, let small: Int, let blocks: Int> {}
enum RegisterTile<let pixels: Int, let blocks: Int> {}

/// The largest: 14 pixels × 2 blocks.
let maxTilePixels = 14

/// The sums of a tile on their way from the multiplication to whoever scales and stores them, and where its pixels lie.
struct Tile {
  /// [block][pixel][16]
  private var sums = InlineArray<28, Ints>(repeating: Ints(repeating: 0))
  /// Bytes from x.data to a pixel's input.
  var inputs = InlineArray<14, Int>(repeating: 0)
  /// Bytes from y.data to its output in block 0.
  var outputs = InlineArray<14, Int>(repeating: 0)

  @inline(__always) init() {}

  /// The next `count` pixels. A tile that is not full computes the last of them again and again.
  @inline(__always) mutating func place(_ cursor: inout PixelCursor, count: Int, of size: Int) {
    for i in 0..<count {
      inputs[unchecked: i] = cursor.x
      outputs[unchecked: i] = cursor.y
      cursor.advance()
    }
    for i in count..<size { inputs[unchecked: i] = inputs[unchecked: count &- 1] }
  }
}

/// Multiplies all segments for `pixels` pixels and one or two blocks of output channels. The sums stay in registers; the
/// order of the additions is the order of the segments and steps.
@inline(never)
func multiply<M: Multiplier, let pixels: Int, let blocks: Int>(
  _: M.Type, _: RegisterTile<pixels, blocks>.Type, _ a: UnsafePointer<cnn_conv>, block: Int,
  _ tile: UnsafeMutablePointer<Tile>
) {
  let bias = a.pointee.bias! + block &* 64
  let start = bias.loadUnaligned(as: M.Sums.self)
  var sums0 = InlineArray<pixels, M.Sums>(repeating: start)
  var sums1 = InlineArray<pixels, M.Sums>(repeating: start)
  if blocks == 2 {
    let next = bias.loadUnaligned(fromByteOffset: 64, as: M.Sums.self)
    unroll(pixels) { sums1[unchecked: $0] = next }
  }
  var inputs = InlineArray<pixels, Int>(repeating: 0)
  unroll(pixels) { inputs[unchecked: $0] = tile.pointee.inputs[unchecked: $0] }

  let blockBytes = Int(a.pointee.weight_block)
  var weights = UnsafeRawPointer(a.pointee.weights!) + block &* blockBytes
  let data = UnsafeRawPointer(a.pointee.x.data!), offsets = a.pointee.offsets!
  let full = Int(a.pointee.full_segments), segments = full &+ Int(a.pointee.last_segments)
  for segment in 0..<segments {
    var x = data + Int(offsets[segment])
    // The number of steps must not be known: unrolled, the loop's weight loads would be hoisted and the sums spilled.
    var steps = segment < full ? a.pointee.full_steps : a.pointee.last_steps
    while steps > 0 {
      let w0 = weights.loadUnaligned(as: M.Weights.self)
      let w1 = blocks == 2 ? weights.loadUnaligned(fromByteOffset: blockBytes, as: M.Weights.self) : w0
      unroll(pixels) { i in
        let input = x.loadUnaligned(fromByteOffset: inputs[unchecked: i], as: M.Input.self)
        sums0[unchecked: i] = M.add(sums0[unchecked: i], input, w0)
        if blocks == 2 { sums1[unchecked: i] = M.add(sums1[unchecked: i], input, w1) }
      }
      weights += 64
      x += 4
      steps &-= 1
    }
  }

  let out = UnsafeMutableRawPointer(tile)
  unroll(pixels) { i in
    M.store(sums0[unchecked: i], out + i &* 64)
    if blocks == 2 { M.store(sums1[unchecked: i], out + (maxTilePixels &+ i) &* 64) }
  }
}

/// One pixel, one block: the sums of every fourth step apart, because one chain of additions would wait for itself.
@inline(never)
func multiplyVector<M: Multiplier>(
  _: M.Type, _ a: UnsafePointer<cnn_conv>, block: Int, _ tile: UnsafeMutablePointer<Tile>
) {
  var s0 = a.pointee.bias!.loadUnaligned(fromByteOffset: block &* 64, as: M.Sums.self)
  var s1 = M.zero
  var s2 = M.zero
  var s3 = M.zero
  var w = UnsafeRawPointer(a.pointee.weights!) + block &* Int(a.pointee.weight_block)
  let data = UnsafeRawPointer(a.pointee.x.data!), offsets = a.pointee.offsets!
  let full = Int(a.pointee.full_segments), segments = full &+ Int(a.pointee.last_segments)
  for segment in 0..<segments {
    var x = data + Int(offsets[segment])
    var steps = segment < full ? a.pointee.full_steps : a.pointee.last_steps
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
  M.store(M.sum(M.sum(s0, s1), M.sum(s2, s3)), UnsafeMutableRawPointer(tile))
}
