import Bundle
import CKernels
import CTrainingKernels

// The gradients of pools, sums, ReLU and changes of shape, one image at a time. They are a small part of the time of
// any network, so they are compiled once, for every processor.
extension Trainer {
  func view(_ buffer: Int, _ image: Int, _ share: Int) -> GradientView {
    GradientView(plan.buffers[buffer].slot.view(image, share))
  }

  /// The gradient goes to the first largest element of each window, as in PyTorch.
  func maxPoolGradient(_ layer: Layer, target: Int, _ image: Int, _ share: Int) {
    let x = view(layer.x, image, share), dy = view(plan.gradient(layer.y), image, share)
    let dx = view(target, image, share)
    dx.forEach { b, y, x in dx[b, y, x] = Floats(repeating: 0) }
    dy.forEach { b, oy, v in
      let rows = layer.vertical.taps(at: oy, of: x.height), columns = layer.horizontal.taps(at: v / 4, of: x.width)
      var best = Floats(repeating: -.infinity), winner = SIMD4<Int32>(repeating: -1), tap: Int32 = 0
      forEachTap(rows, columns, v % 4) { y, column in
        let value = x[b, y, column], isBetter = value .> best .| value .!= value
        best.replace(with: value, where: isBetter)
        winner.replace(with: tap, where: isBetter)
        tap &+= 1
      }
      tap = 0
      forEachTap(rows, columns, v % 4) { y, column in
        dx[b, y, column] += dy[b, oy, v].replacing(with: 0, where: winner .!= SIMD4(repeating: tap))
        tap &+= 1
      }
    }
  }

  func averagePoolGradient(_ layer: Layer, target: Int, _ image: Int, _ share: Int) {
    let dy = view(plan.gradient(layer.y), image, share), dx = view(target, image, share)
    dx.forEach { b, y, x in dx[b, y, x] = Floats(repeating: 0) }
    dy.forEach { b, oy, v in
      let ox = v / 4
      let rows = layer.vertical.taps(at: oy, of: dx.height), columns = layer.horizontal.taps(at: ox, of: dx.width)
      var count = rows.count * columns.count
      if layer.countsPadding {
        count =
          layer.vertical.paddedTaps(at: oy, of: dx.height) * layer.horizontal.paddedTaps(at: ox, of: dx.width)
      }
      let value = dy[b, oy, v] / Float(count)
      forEachTap(rows, columns, v % 4) { y, x in dx[b, y, x] += value }
    }
  }

  @inline(__always)
  private func forEachTap(
    _ rows: Taps, _ columns: Taps, _ vector: Int, _ body: (_ y: Int, _ v: Int) -> Void
  ) {
    for i in 0..<rows.count {
      for j in 0..<columns.count {
        body(rows.start &+ i &* rows.step, 4 &* (columns.start &+ j &* columns.step) &+ vector)
      }
    }
  }

  /// The gradient where y is positive (ReLU), else 0.
  func mask(source: Int, y: Int, target: Int, _ image: Int, _ share: Int) {
    let dy = view(source, image, share), dx = view(target, image, share), y = view(y, image, share)
    dx.forEach { dx[$0, $1, $2] = dy[$0, $1, $2].replacing(with: 0, where: y[$0, $1, $2] .<= 0) }
  }

  func copyGradient(source: Int, target: Int, _ image: Int, _ share: Int) {
    let dy = view(source, image, share), dx = view(target, image, share)
    dx.forEach { dx[$0, $1, $2] = dy[$0, $1, $2] }
  }

  func addGradient(source: Int, target: Int, _ image: Int, _ share: Int) {
    let dy = view(source, image, share), dx = view(target, image, share)
    dx.forEach { dx[$0, $1, $2] += dy[$0, $1, $2] }
  }

  /// [C·H·W] in NCHW order → blocks.
  func flattenGradient(_ layer: Layer, target: Int, _ image: Int, _ share: Int) {
    let dy = view(plan.gradient(layer.y), image, share).address(0, 0, 0), dx = view(target, image, share)
    let plane = dx.height * dx.width, channels = plan.buffers[target].shape.channels
    dx.forEach { b, y, v in
      let source = dy + 4 &* (16 &* b &* plane &+ y &* dx.width &+ v / 4), channel = 16 &* b &+ 4 &* (v % 4)
      for c in 0..<min(4, max(0, channels &- channel)) {
        let value = source.load(fromByteOffset: 4 &* (4 &* (v % 4) &+ c) &* plane, as: Float.self)
        dx.address(b, y, v).storeBytes(of: value, toByteOffset: 4 &* c, as: Float.self)
      }
    }
  }
}

/// The elements of a pool's window along one axis that lie in the image: start, start + step, …
struct Taps {
  let start: Int, step: Int, count: Int
}

extension Window {
  func taps(at output: Int, of length: Int) -> Taps {
    let start = output &* stride &- padBefore
    let skipped = start < 0 ? (dilation &- 1 &- start) / dilation : 0
    let end = min(kernel, (length &- start &+ dilation &- 1) / dilation)
    return Taps(start: start &+ skipped &* dilation, step: dilation, count: max(0, end &- skipped))
  }

  /// Those in the image or its padding.
  func paddedTaps(at output: Int, of length: Int) -> Int {
    let start = output &* stride &- padBefore
    return max(1, min(kernel, (length &+ padAfter &- start &+ dilation &- 1) / dilation))
  }
}
