import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan

// Add, Sub, Mul, Div with broadcasting. A gradient is summed up over the axes along which its operand was repeated. A
// constant operand stays as it is.

extension TrainingPlan {
  mutating func addArithmetic(_ model: Model, _ i: Int) throws(Failure) {
    let a = try operand(model, i, 0), b = try operand(model, i, 1)
    guard let x = a ?? b else { throw .unsupported("an operator on constants cannot be trained") }
    var layer = try Layer(.arithmetic, model, i, x: x)
    layer.isSecond = a == nil
    if a != nil, let b { layer.x2 = b }
    if Int(layer.op.kind) == CNNB_OP_ADD, layer.x2 >= 0, hasShape(layer.x, of: layer.y), hasShape(layer.x2, of: layer.y)
    {
      layer.kind = .add
    }
    append(layer)
  }

  private func hasShape(_ a: Int, of b: Int) -> Bool {
    buffers[a].rank == buffers[b].rank && buffers[a].shape == buffers[b].shape
      && buffers[a].isPixelLayout == buffers[b].isPixelLayout
  }

  /// The model may be closed while the trainer lives.
  func keepConstant(_ i: Int, _ model: Model, _ arena: inout Arena) {
    let number = layers[i].number
    for k in 0..<2 {
      guard let t = model.input(number, k), model.isConstant(t) else { continue }
      let count = model.tensor(t).elementCount!
      guard let copy = arena.take(Float.self, count), let call = layers[i].calls else { continue }
      copy.initialize(from: model.data(t).assumingMemoryBound(to: Float.self), count: count)
      let n = UnsafeMutableRawPointer(mutating: call[0].arguments).assumingMemoryBound(to: cnn_binary.self)
      let own = UnsafePointer(UnsafeRawPointer(copy).assumingMemoryBound(to: UInt8.self))
      let data = model.data(t).assumingMemoryBound(to: UInt8.self)
      if n.pointee.a == data { n.pointee.a = own }
      if n.pointee.b == data { n.pointee.b = own }
    }
  }

  mutating func arithmeticBackward(_ i: Int) {
    let layer = layers[i], isProduct = Int(layer.op.kind) == CNNB_OP_MUL || Int(layer.op.kind) == CNNB_OP_DIV
    let x = isProduct ? value(layer.x) : -1, x2 = isProduct && layer.x2 >= 0 ? value(layer.x2) : -1
    emitGradient(i, uses: x, x2)
    if layer.x2 >= 0 { emitGradient(i, operand: 1, uses: x, x2) }
  }
}

extension Trainer {
  /// The prepared call, for one image of `y` and its operands.
  private func binary(_ layer: Layer, _ image: Int, _ share: Int) -> cnn_binary {
    var n = layer.calls![0].load(as: cnn_binary.self)
    let first = layer.isSecond ? -1 : layer.x, second = layer.isSecond ? layer.x : layer.x2
    if first >= 0 { n.a += shift(first, image, share) }
    if second >= 0 { n.b += shift(second, image, share) }
    n.y += shift(layer.y, image, share)
    n.halo = plan.buffers[layer.y].slot.view(image, share)
    (n.low, n.high) = (layer.clamp.low, layer.clamp.high)
    return n
  }

  func arithmetic(_ layer: Layer, _ images: Images) {
    images.forEach { image in
      var n = binary(layer, image, images.share)
      kernels.binary_f32(&n, 0, 1)
    }
    // Where there is no channel, 0 / 0.
    if Int(layer.op.kind) == CNNB_OP_DIV { clearLanes(layer.y, images) }
  }

  func arithmeticGradient(_ layer: Layer, _ step: Step, _ images: Images) {
    let isFirst = step.operand == 0 && !layer.isSecond
    var n = binary(layer, images.first, images.share)
    n.y += shift(layer.y, to: plan.gradient(layer.y), images) - shift(layer.y, images)
    clear(step.target, images)
    let own = step.operand == 0 ? layer.x : layer.x2
    let target =
      UnsafeMutableRawPointer(mutating: isFirst ? n.a! : n.b!)
      + (shift(own, to: step.target, images) - shift(own, images))
    let (c, sa, sb, sy) = (n.counts, n.a_strides, n.b_strides, n.y_strides)
    for i0 in 0..<c.0 {
      for i1 in 0..<c.1 {
        for i2 in 0..<c.2 {
          for i3 in 0..<c.3 {
            func at(_ s: (Int32, Int32, Int32, Int32)) -> Int {
              Int(i0) * Int(s.0) + Int(i1) * Int(s.1) + Int(i2) * Int(s.2) + Int(i3) * Int(s.3)
            }
            let (a, b) = (UnsafeRawPointer(n.a!) + at(sa), UnsafeRawPointer(n.b!) + at(sb))
            let run = Run(
              kind: Int(n.kind), a: a, b: b, dy: UnsafeRawPointer(n.y!) + at(sy), count: Int(n.run),
              aStep: Int(n.a_step), bStep: Int(n.b_step), isFirst: isFirst)
            run.add(to: target + at(isFirst ? sa : sb))
          }
        }
      }
    }
  }

  /// Elements that lie side by side in y.
  private struct Run {
    let kind: Int
    let a: UnsafeRawPointer, b: UnsafeRawPointer, dy: UnsafeRawPointer
    let count: Int, aStep: Int, bStep: Int
    /// The gradient of a, or of b.
    let isFirst: Bool

    func add(to target: UnsafeMutableRawPointer) {
      if (isFirst ? aStep : bStep) == 0 {
        var sum = target.load(as: Float.self)
        for i in 0..<count { sum += gradient(i)[0] }
        return target.storeBytes(of: sum, as: Float.self)
      }
      var i = 0
      while i &+ 4 <= count {
        let p = target + 4 &* i
        p.storeBytes(of: p.loadUnaligned(as: Floats.self) + gradients(i), as: Floats.self)
        i &+= 4
      }
      while i < count {
        let p = target + 4 &* i
        p.storeBytes(of: p.load(as: Float.self) + gradient(i)[0], as: Float.self)
        i &+= 1
      }
    }

    private func gradients(_ i: Int) -> Floats {
      func load(_ p: UnsafeRawPointer, _ step: Int) -> Floats {
        step == 0 ? Floats(repeating: p.load(as: Float.self)) : (p + 4 &* i).loadUnaligned(as: Floats.self)
      }
      return derivative(load(dy, 1), load(a, aStep), load(b, bStep))
    }

    private func gradient(_ i: Int) -> Floats {
      func load(_ p: UnsafeRawPointer, _ step: Int) -> Floats {
        Floats(repeating: p.load(fromByteOffset: 4 &* i &* step, as: Float.self))
      }
      return derivative(load(dy, 1), load(a, aStep), load(b, bStep))
    }

    /// Nothing comes of nothing, also where there is no channel and b is 0.
    private func derivative(_ g: Floats, _ a: Floats, _ b: Floats) -> Floats {
      let d: Floats
      switch kind {
      case CNNB_OP_ADD: return g
      case CNNB_OP_SUB: return isFirst ? g : -g
      case CNNB_OP_MUL: d = isFirst ? g * b : g * a
      default: d = isFirst ? g / b : -g * a / (b * b)
      }
      return d.replacing(with: 0, where: g .== 0)
    }
  }
}
