import Bundle
import CKernels
import CTrainingKernels

// Max and average pools; a global one has a window as large as the image.

extension TrainingPlan {
  mutating func addPool(_ layer: Layer) { if layer.kind != .maxPool || !fusePool(layer) { append(layer) } }

  mutating func addGlobalPool(_ layer: Layer) {
    var layer = layer
    layer.setWindow(buffers[layer.x].shape.height, buffers[layer.x].shape.width)
    append(layer)
  }

  /// A max pool that alone reads a batch normalisation becomes part of it where its windows touch and are not padded.
  private func fusePool(_ pool: Layer) -> Bool {
    guard let producer = producer(of: pool), layers[producer].kind == .batchNormalization,
      !layers[producer].norm.isPooled, pool.vertical.touches, pool.horizontal.touches
    else { return false }
    layers[producer].norm.windowHeight = pool.vertical.kernel
    layers[producer].norm.windowWidth = pool.horizontal.kernel
    extend(producer, to: pool)
    return true
  }
}

extension Trainer {
  func pool(_ kernel: cnn_kernel, _ layer: Layer, _ images: Images) {
    var call = cnn_pool()
    let v = layer.vertical, h = layer.horizontal
    (call.kernel_height, call.kernel_width) = (Int32(v.kernel), Int32(h.kernel))
    (call.stride_y, call.stride_x) = (Int32(v.stride), Int32(h.stride))
    (call.pad_top, call.pad_left) = (Int32(v.padBefore), Int32(h.padBefore))
    (call.pad_bottom, call.pad_right) = (Int32(v.padAfter), Int32(h.padAfter))
    (call.dilation_y, call.dilation_x) = (Int32(v.dilation), Int32(h.dilation))
    call.count_include_pad = Int32(bitPattern: layer.op.window.count_include_pad)
    call.low = -.infinity
    call.high = .infinity
    images.forEach { image in
      call.x = plan.buffers[layer.x].slot.view(image, images.share)
      call.y = plan.buffers[layer.y].slot.view(image, images.share)
      kernel(&call, 0, 1)
    }
  }

  /// The gradient goes to the first largest element of each window, as in PyTorch.
  func maxPoolGradient(_ layer: Layer, target: Int, _ images: Images) {
    let x = view(layer.x, images), dy = view(plan.gradient(layer.y), images)
    let dx = view(target, images)
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

  func averagePoolGradient(_ layer: Layer, target: Int, _ images: Images) {
    let dy = view(plan.gradient(layer.y), images), dx = view(target, images)
    dx.forEach { b, y, x in dx[b, y, x] = Floats(repeating: 0) }
    dy.forEach { b, oy, v in
      let ox = v / 4
      let rows = layer.vertical.taps(at: oy, of: dx.height), columns = layer.horizontal.taps(at: ox, of: dx.width)
      var count = rows.count * columns.count
      if layer.op.window.count_include_pad != 0 {
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
