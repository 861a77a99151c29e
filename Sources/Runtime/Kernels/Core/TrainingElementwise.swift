import CTrainingKernels

@inline(__always) private func forEachPixel(
  _ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32,
  _ value: (_ source: Floats, _ y: UnsafeRawPointer, _ target: Floats) -> Floats
) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_elementwise_gradient.self).pointee
  forEachBlock(first, count, of: a.target) { image, block in
    let source = UnsafeRawPointer(a.source.at(image: image, share: Int(share), block: block))
    let target = a.target.at(image: image, share: Int(share), block: block)
    let mask = a.y.view.data == nil ? source : UnsafeRawPointer(a.y.at(image: image, share: Int(share), block: block))
    for row in 0..<a.target.height {
      var s = source + row &* a.source.row, t = target + row &* a.target.row, m = mask + row &* a.y.row
      for _ in 0..<a.target.width {
        t.put(value(s.floats(), m, UnsafeRawPointer(t).floats()))
        s += blockBytes
        t += blockBytes
        m += blockBytes
      }
    }
  }
}

func maskGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  forEachPixel(arguments, first, count, share) { source, y, _ in source.replacing(with: 0, where: y.floats() .<= 0) }
}

func copyGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  forEachPixel(arguments, first, count, share) { source, _, _ in source }
}

func addGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  forEachPixel(arguments, first, count, share) { source, _, target in target + source }
}

func flattenGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_flatten_gradient.self).pointee
  let plane = a.dx.height &* a.dx.width
  forEachBlock(first, count, of: a.dx) { image, block in
    let dy = UnsafeRawPointer(a.dy.at(image: image, share: Int(share))) + 4 &* 16 &* block &* plane
    let dx = a.dx.at(image: image, share: Int(share), block: block)
    let channels = min(16, Int(a.dx.view.channels) &- 16 &* block)
    for y in 0..<a.dx.height {
      for x in 0..<a.dx.width {
        let source = dy + 4 &* (y &* a.dx.width &+ x)
        let target = dx + (y &* a.dx.row &+ x &* blockBytes)
        for c in 0..<channels {
          target.storeBytes(
            of: source.load(fromByteOffset: 4 &* c &* plane, as: Float.self), toByteOffset: 4 &* c, as: Float.self)
        }
        for c in channels..<16 { target.storeBytes(of: 0, toByteOffset: 4 &* c, as: Float.self) }
      }
    }
  }
}
