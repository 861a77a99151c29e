import CTrainingKernels
import CVector

/// Mean and squared deviations of each image by two passes over it (it is in the cache), merged in double precision:
/// nothing cancels, however large the mean.
func batchStatistics(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_batch_statistics.self).pointee
  let partial = Int(share) &* Int(a.share) >> 3
  let mean = a.mean + partial, m2 = a.m2 + partial, seen = a.count + partial
  let pixels = Int32(truncatingIfNeeded: a.x.height &* a.x.width), n = Double(pixels)
  for image in Int(first)..<Int(first &+ count) {
    let before = seen.pointee, after = before + n
    for block in 0..<a.x.blocks {
      let x = UnsafeRawPointer(a.x.at(image: image, share: Int(share), block: block))
      let roughMean = sumOfPixels(x, a.x) { $0 } / all(cv_float(pixels))
      let rest = sumOfPixels(x, a.x) { $0 - roughMean }
      let squares = sumOfPixels(x, a.x) { ($0 - roughMean) * ($0 - roughMean) }
      for lane in 0..<16 {
        let channel = block &* 16 &+ lane
        let correction = Double(rest[lane]) / n
        let imageMean = Double(roughMean[lane]) + correction
        let delta = imageMean - mean[channel]
        mean[channel] += delta * (n / after)
        let own = Double(squares[lane]) - Double(rest[lane]) * correction
        m2[channel] += own + delta * delta * (before * n / after)
      }
    }
    seen.pointee = after
  }
}

/// Four running sums, so that additions need not wait for each other.
@inline(__always) private func sumOfPixels(
  _ x: UnsafeRawPointer, _ slot: cnn_slot, _ value: (Floats) -> Floats
) -> Floats {
  var s0 = Floats(repeating: 0), s1 = s0, s2 = s0, s3 = s0
  for y in 0..<slot.height {
    let line = x + y &* slot.row
    var column = 0
    while column &+ 4 <= slot.width {
      let p = line + column &* blockBytes
      s0 += value(p.floats())
      s1 += value(p.floats(blockBytes))
      s2 += value(p.floats(2 &* blockBytes))
      s3 += value(p.floats(3 &* blockBytes))
      column &+= 4
    }
    while column < slot.width {
      s0 += value(line.floats(column &* blockBytes))
      column &+= 1
    }
  }
  return (s0 + s1) + (s2 + s3)
}

func batchNormReduce(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_batch_norm_gradient.self).pointee
  let partial = Int(share) &* Int(a.share) >> 3
  let relu = a.relu != 0
  forEachBlock(first, count, of: a.x) { image, block in
    let x = UnsafeRawPointer(a.x.at(image: image, share: Int(share), block: block))
    let dy = a.dy.at(image: image, share: Int(share), block: block)
    let channel = block &* blockBytes
    let mean = UnsafeRawPointer(a.mean).floats(channel)
    let scale = UnsafeRawPointer(a.scale).floats(channel), shift = UnsafeRawPointer(a.shift).floats(channel)
    var sum = Floats(repeating: 0), product = Floats(repeating: 0)
    for y in 0..<a.x.height {
      var p = x + y &* a.x.row, d = dy + y &* a.dy.row
      for _ in 0..<a.x.width {
        let value = p.floats()
        var gradient = UnsafeRawPointer(d).floats()
        if relu {
          gradient.replace(with: 0, where: value * scale + shift .<= 0)
          d.put(gradient)
        }
        sum += gradient
        product += gradient * (value - mean)
        p += blockBytes
        d += blockBytes
      }
    }
    let sums = a.sum + (partial &+ block &* 16), products = a.product + (partial &+ block &* 16)
    for lane in 0..<16 {
      sums[lane] += Double(sum[lane])
      products[lane] += Double(product[lane])
    }
  }
}

func batchNormApply(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_batch_norm_gradient.self).pointee
  forEachBlock(first, count, of: a.x) { image, block in
    let x = UnsafeRawPointer(a.x.at(image: image, share: Int(share), block: block))
    let dy = UnsafeRawPointer(a.dy.at(image: image, share: Int(share), block: block))
    let dx = a.dx.at(image: image, share: Int(share), block: block)
    let channel = block &* blockBytes
    let mean = UnsafeRawPointer(a.mean).floats(channel), scale = UnsafeRawPointer(a.scale).floats(channel)
    let dyMean = UnsafeRawPointer(a.dy_mean).floats(channel), slope = UnsafeRawPointer(a.slope).floats(channel)
    for y in 0..<a.x.height {
      var p = x + y &* a.x.row, d = dy + y &* a.dy.row, t = dx + y &* a.dx.row
      for _ in 0..<a.x.width {
        t.put(scale * ((UnsafeRawPointer(d).floats() - dyMean) - (p.floats() - mean) * slope))
        p += blockBytes
        d += blockBytes
        t += blockBytes
      }
    }
  }
}
