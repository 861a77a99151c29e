import CTrainingKernels
import CVector

/// Gradient of a depthwise convolution's weights: a few taps at a time, summed in registers over all output pixels of
/// an image.
func depthwiseWeights(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_depthwise_weights.self)
  let partial = Int(share) &* Int(a.pointee.share), taps = Int(a.pointee.tap_count)
  for image in Int(first)..<Int(first &+ count) {
    for block in 0..<a.pointee.dy.blocks {
      let x = UnsafeRawPointer(a.pointee.x.at(image: image, share: Int(share), block: block))
      let dy = UnsafeRawPointer(a.pointee.dy.at(image: image, share: Int(share), block: block))
      let weights = UnsafeMutableRawPointer(a.pointee.weights)! + (partial &+ block &* taps &* blockBytes)
      var tap = 0
      while tap < taps {
        sumTaps(a, x, dy, weights + tap &* blockBytes, tap, min(Int(CNN_DEPTHWISE_TAPS), taps &- tap))
        tap &+= Int(CNN_DEPTHWISE_TAPS)
      }
      if let bias = a.pointee.bias {
        let sum = UnsafeMutableRawPointer(bias) + (partial &+ block &* blockBytes)
        sum.put(UnsafeRawPointer(sum).floats() + pixelSum(a.pointee.dy, dy))
      }
    }
  }
}

/// Taps `first` … of one block of channels; those behind `count` repeat the first and are dropped.
@_optimize(speed) @inline(never) private func sumTaps(
  _ a: UnsafePointer<cnn_depthwise_weights>, _ x: UnsafeRawPointer, _ dy: UnsafeRawPointer,
  _ weights: UnsafeMutableRawPointer, _ first: Int, _ count: Int
) {
  let tile = Int(CNN_DEPTHWISE_TAPS), taps = a.pointee.taps.unsafelyUnwrapped
  var inputs = InlineArray<9, UnsafeRawPointer>(repeating: x)
  unroll(tile) { t in inputs[unchecked: t] = x + Int(taps[first &+ (t < count ? t : 0)].pixel) }
  var sums = InlineArray<9, Floats>(repeating: Floats(repeating: 0))
  let xRow = Int(a.pointee.stride_y) &* a.pointee.x.row, xPixel = Int(a.pointee.stride_x) &* blockBytes
  for y in 0..<a.pointee.dy.height {
    var d = dy + y &* a.pointee.dy.row, offset = y &* xRow
    for _ in 0..<a.pointee.dy.width {
      let gradient = d.floats()
      unroll(tile) { t in
        sums[unchecked: t] = cv_multiply_add_each(sums[unchecked: t], inputs[unchecked: t].floats(offset), gradient)
      }
      d += blockBytes
      offset &+= xPixel
    }
  }
  unroll(tile) { t in
    if t < count {
      let p = weights + t &* blockBytes
      p.put(UnsafeRawPointer(p).floats() + sums[unchecked: t])
    }
  }
}

@inline(__always) private func pixelSum(_ slot: cnn_slot, _ dy: UnsafeRawPointer) -> Floats {
  var total = Floats(repeating: 0)
  for y in 0..<slot.height {
    var line = Floats(repeating: 0)
    for x in 0..<slot.width { line += dy.floats(y &* slot.row &+ x &* blockBytes) }
    total += line
  }
  return total
}

/// Gradient of a depthwise convolution's input, four pixels at a time.
func depthwiseData(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_depthwise_data.self)
  for image in Int(first)..<Int(first &+ count) {
    for block in 0..<a.pointee.dx.blocks {
      dataBlock(
        a, UnsafeRawPointer(a.pointee.dy.at(image: image, share: Int(share), block: block)),
        a.pointee.dx.at(image: image, share: Int(share), block: block),
        UnsafeRawPointer(a.pointee.weights.unsafelyUnwrapped) + block &* Int(a.pointee.weight_block))
    }
  }
}

@_optimize(speed) @inline(never) private func dataBlock(
  _ a: UnsafePointer<cnn_depthwise_data>, _ dy: UnsafeRawPointer, _ dx: UnsafeMutableRawPointer,
  _ weights: UnsafeRawPointer
) {
  let width = a.pointee.dx.width, pixel = Int(a.pointee.dx.view.pixel)
  for y in 0..<a.pointee.dx.height {
    var d = dy + y &* a.pointee.dy.row, target = dx + y &* a.pointee.dx.row, left = width
    while left >= 4 {
      dataTile(4, a, d, target, pixel, weights)
      d += 4 &* blockBytes
      target += 4 &* pixel
      left &-= 4
    }
    if left >= 2 {
      dataTile(2, a, d, target, pixel, weights)
      d += 2 &* blockBytes
      target += 2 &* pixel
      left &-= 2
    }
    if left == 1 { dataTile(1, a, d, target, pixel, weights) }
  }
}

@inline(__always) private func dataTile(
  _ pixels: Int, _ a: UnsafePointer<cnn_depthwise_data>, _ dy: UnsafeRawPointer, _ dx: UnsafeMutableRawPointer,
  _ pixel: Int, _ weights: UnsafeRawPointer
) {
  var sums = InlineArray<4, Floats>(repeating: Floats(repeating: 0))
  for t in 0..<Int(a.pointee.tap_count) {
    let tap = a.pointee.taps.unsafelyUnwrapped[t]
    let d = dy + Int(tap.pixel), weight = weights.floats(Int(tap.weight))
    unroll(pixels) { p in
      sums[unchecked: p] = cv_multiply_add_each(sums[unchecked: p], d.floats(p &* blockBytes), weight)
    }
  }
  unroll(pixels) { p in dx.put(sums[unchecked: p], p &* pixel) }
}
