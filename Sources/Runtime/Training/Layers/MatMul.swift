import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan

// MatMul: y = a · b, so da = dy · bᵀ and db = aᵀ · dy, summed up over the axes along which an operand was repeated. A constant
// b is a weight, and learns.

extension TrainingPlan {
  mutating func addMatMul(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    if let b = try operand(model, layer.number, 1) {
      layer.x2 = b
    } else {
      layer.weight = try parameters.addPlain(model, model.input(layer.number, 1))
    }
    append(layer)
  }

  mutating func matMulBackward(_ i: Int) {
    let layer = layers[i]
    if layer.weight >= 0 { emit(.parameterGradient, i, source: gradient(layer.y), value(layer.x)) }
    emitGradient(i, uses: layer.x2 >= 0 ? value(layer.x2) : -1)
    if layer.x2 >= 0 { emitGradient(i, operand: 1, uses: value(layer.x)) }
  }
}

extension Trainer {
  private func product(_ layer: Layer, _ image: Int, _ share: Int) -> cnn_matmul {
    var n = layer.calls![0].load(as: cnn_matmul.self)
    n.a += shift(layer.x, image, share)
    n.y += shift(layer.y, image, share)
    if layer.x2 >= 0 {
      n.b += shift(layer.x2, image, share)
    } else {
      n.b = UnsafePointer(UnsafeRawPointer(values(layer.weight)).assumingMemoryBound(to: UInt8.self))
    }
    return n
  }

  func matMul(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var n = product(layer, image, images.share)
      kernels.matmul_f32(&n, 0, 1)
    }
  }

  func matMulWeights(_ layer: Layer, _ images: Images) {
    let sums = partial(layer.weight)! + images.share * plan.parameters.elements
    addSecond(layer, images, UnsafeMutableRawPointer(sums))
  }

  func matMulGradient(_ layer: Layer, _ step: Step, _ images: Images) {
    clear(step.target, images)
    let target = UnsafeMutableRawPointer(floats(step.target, images))
    if step.operand == 1 { return addSecond(layer, images, target) }
    let n = product(layer, images.first, images.share)
    forEachRow(n, images, layer) { a, b, dy, _ in
      // da[k] += Σ dy[p] · b[k, p]
      let row = target.advanced(by: a).assumingMemoryBound(to: Float.self)
      for k in 0..<Int(n.k) {
        let weights = (UnsafeRawPointer(n.b!) + (b + k * Int(n.b_row))).assumingMemoryBound(to: Float.self)
        row[k] += dot(dy, weights, Int(n.p))
      }
    }
  }

  /// db[k, p] += a[k] · dy[p]
  private func addSecond(_ layer: Layer, _ images: Images, _ target: UnsafeMutableRawPointer) {
    let n = product(layer, images.first, images.share)
    forEachRow(n, images, layer) { a, b, dy, _ in
      let row = (UnsafeRawPointer(n.a!) + a).assumingMemoryBound(to: Float.self)
      for k in 0..<Int(n.k) {
        let sums = target.advanced(by: b + k * Int(n.b_row)).assumingMemoryBound(to: Float.self), factor = row[k]
        for p in 0..<Int(n.p) { sums[p] += factor * dy[p] }
      }
    }
  }

  /// Each row of y: where a's row and b's matrix begin, in bytes, and the row's gradient.
  @inline(__always)
  private func forEachRow(
    _ n: cnn_matmul, _ images: Images, _ layer: Layer,
    _ body: (_ a: Int, _ b: Int, _ dy: UnsafePointer<Float>, _ row: Int) -> Void
  ) {
    let start = UnsafeRawPointer(floats(plan.gradient(layer.y), images))
    let (c, sa, sb, sy) = (n.counts, n.a_strides, n.b_strides, n.y_strides)
    for i in 0..<Int(c.1) {
      for j in 0..<Int(c.2) {
        for k in 0..<Int(c.3) {
          func at(_ s: (Int64, Int64, Int64, Int64)) -> Int { i * Int(s.1) + j * Int(s.2) + k * Int(s.3) }
          for m in 0..<Int(n.m) {
            let dy = start + (at(sy) + m * Int(n.y_row))
            body(at(sa) + m * Int(n.a_row), at(sb), dy.assumingMemoryBound(to: Float.self), m)
          }
        }
      }
    }
  }

  private func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
    var sums = Floats(repeating: 0), i = 0
    while i &+ 4 <= count {
      sums +=
        UnsafeRawPointer(a + i).loadUnaligned(as: Floats.self) * UnsafeRawPointer(b + i).loadUnaligned(as: Floats.self)
      i &+= 4
    }
    var sum = sums.sum()
    while i < count {
      sum += a[i] * b[i]
      i &+= 1
    }
    return sum
  }
}
