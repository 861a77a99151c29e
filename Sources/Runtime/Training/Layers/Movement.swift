import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan

// What moves elements: Flatten, Reshape, Transpose, Concat, Slice, Pad, nearest Resize, DepthToSpace, SpaceToDepth. The
// gradient of each element goes where the element came from, along the same tables.

extension TrainingPlan {
  /// A layer for each operand, which moves it to its part of the result.
  mutating func addConcat(_ model: Model, _ i: Int) throws(Failure) {
    for k in 0..<Int(model.operation(i).input_count) {
      guard let x = try operand(model, i, k) else { throw .unsupported("its operand % is a constant", k) }
      var layer = try Layer(.concat, model, i, x: x)
      layer.part = k
      append(layer)
    }
  }

  /// Flatten and Reshape. Between tensors neither of which lies in the order of its indices, by way of one that does.
  mutating func addReshape(_ model: Model, _ layer: Layer) {
    var layer = layer
    let isImage = buffers[layer.x].rank == 4 && !isPlain(layer.x)
    if isImage && buffers[layer.y].rank == 2 && !isPlain(layer.y) { layer.kind = .flatten }
    let temporary = OperatorCalls.temporarySlot(model, layer.number)
    if planner.isUsed(temporary) {
      layer.scratch = temporary
      shape(temporary, model.tensor(layer.y), .plain)
    }
    append(layer)
  }
}

extension Trainer {
  func move(_ layer: Layer, _ images: Images) {
    // A Reshape may go by a plain copy; a Concat has a call for each operand.
    let calls = (layer.kind == .concat) ? layer.part..<layer.part + 1 : 0..<layer.callCount
    images.forEach { image in
      for i in calls {
        var m = layer.calls![i].load(as: cnn_move.self)
        m.x += shift(i == calls.lowerBound ? layer.x : layer.scratch, image, images.share)
        let target = i == calls.upperBound - 1 ? layer.y : layer.scratch
        m.y += shift(target, image, images.share)
        m.halo = target == layer.y ? plan.buffers[layer.y].slot.view(image, images.share) : cnn_view()
        kernels.move(&m, 0, 1)
      }
    }
  }

  func moveGradient(_ layer: Layer, target: Int, _ images: Images) {
    let calls = (layer.kind == .concat) ? layer.part..<layer.part + 1 : 0..<layer.callCount
    for i in calls.reversed() {
      var m = layer.calls![i].load(as: cnn_move.self)
      let from = i == calls.upperBound - 1 ? layer.y : layer.scratch
      let to = i == calls.lowerBound ? target : plan.gradient(layer.scratch)
      m.y += shift(from, to: plan.gradient(from), images)
      m.x += shift(i == calls.lowerBound ? layer.x : layer.scratch, to: to, images)
      clear(to, images)
      scatter(m)
    }
  }

  /// x[…] += y[…]
  private func scatter(_ m: cnn_move) {
    let x = UnsafeMutableRawPointer(mutating: m.x!), y = UnsafeRawPointer(m.y!), unit = Int(m.unit)
    forEachPlace(m.axes, Int(m.axis_count)) { from, to in
      add(y + to, to: x + from, bytes: unit)
    }
  }

  private func add(_ from: UnsafeRawPointer, to: UnsafeMutableRawPointer, bytes: Int) {
    var i = 0
    while i &+ 16 <= bytes {
      let sum =
        to.loadUnaligned(fromByteOffset: i, as: Floats.self) + from.loadUnaligned(fromByteOffset: i, as: Floats.self)
      to.storeBytes(of: sum, toByteOffset: i, as: Floats.self)
      i &+= 16
    }
    while i < bytes {
      let sum = to.load(fromByteOffset: i, as: Float.self) + from.load(fromByteOffset: i, as: Float.self)
      to.storeBytes(of: sum, toByteOffset: i, as: Float.self)
      i &+= 4
    }
  }
}
