import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan

// Layers whose calls module Plan prepares, as it does for inference: with pointers to the first image of the first share. For
// another image, or for the gradients, they are shifted.

extension TrainingPlan {
  /// An operator's operand `k`; nil where it is a constant or left out. Where the operator needs another layout, a layer that
  /// copies it comes first.
  mutating func operand(_ model: Model, _ i: Int, _ k: Int) throws(Failure) -> Int? {
    guard let tensor = model.input(i, k), !model.isConstant(tensor) else { return nil }
    var slot = OperatorCalls.copySlot(model, i, min(k, 1)), layout = planner.layout(slot)
    let kind = Int(model.operation(i).kind)
    if kind == CNNB_OP_DROPOUT {
      // Works in one layout.
      layout = planner.layout(model.output(i))
      guard layout != planner.layout(tensor) else { return tensor }
      shape(slot, model.tensor(tensor), layout)
    } else {
      // A convolution can do without pixels.
      let reads = planner.isUsed(slot) && k < 2
      guard reads, !(layout == .pixels && planner.layout(tensor) == .blocks) else { return tensor }
      shape(slot, model.tensor(tensor), layout)
    }
    var copy = try Layer(.copy, model, i, x: tensor)
    (copy.y, copy.clamp) = (slot, Clamp())
    marks[slot].uses = 1
    append(copy)
    slot = copy.y
    return slot
  }

  /// The calls of a layer, those behind the copies of its operands.
  func prepare(_ i: Int, _ model: Model, _ arena: inout Arena) throws(Failure) {
    let number = layers[i].number
    if layers[i].part > 0 {
      // They were prepared with the first operand's.
      layers[i].calls = layers[i - layers[i].part].calls
      return
    }
    // With a clamp behind it, the layer writes another tensor than its operator.
    let y = buffers[value(layers[i].y)]
    planner.place(model.output(number), at: y.start, halo: y.halo)
    let (calls, count) = try planner.prepare(number, &arena)
    var copies = 0
    for k in 0..<2 where planner.isUsed(OperatorCalls.copySlot(model, number, k)) { copies += 1 }
    layers[i].calls = calls.map { $0 + copies }
    layers[i].callCount = count - copies
  }

  /// Where the planner finds a slot.
  func tell(_ slot: Int) {
    planner.place(slot, at: buffers[value(slot)].start, halo: buffers[value(slot)].halo)
  }

  func isPlain(_ slot: Int) -> Bool { planner.layout(slot) == .plain }

  /// As many floats for each share.
  func takeSums(_ i: Int, _ count: Int, _ arena: inout Arena) {
    layers[i].sumStride = (count + 15) & ~15
    layers[i].sums = zeros(layers[i].sumStride * shares, &arena)
  }
}

extension Call {
  func load<Arguments>(as type: Arguments.Type) -> Arguments { arguments.load(as: type) }
}

extension Trainer {
  /// From where the calls find a slot's values to those of an image.
  func shift(_ slot: Int, _ image: Int, _ share: Int) -> Int {
    let place = plan.buffers[plan.value(slot)].slot
    return image * Int(place.view.image) + share * Int(place.share)
  }

  func shift(_ slot: Int, _ images: Images) -> Int { shift(slot, images.first, images.share) }

  /// … to the first image in another buffer of the same shape and halo.
  func shift(_ slot: Int, to buffer: Int, _ images: Images) -> Int {
    let own = UnsafeRawPointer(plan.buffers[plan.value(slot)].slot.view.data!)
    return UnsafeRawPointer(plan.buffers[buffer].slot.view(images.first, images.share).data!) - own
  }

  /// The elements of a plain tensor.
  func floats(_ buffer: Int, _ images: Images) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer(plan.buffers[buffer].slot.view(images.first, images.share).data!)
      .assumingMemoryBound(to: Float.self)
  }

  func clear(_ buffer: Int, _ images: Images) {
    let all = view(buffer, images)
    all.forEach { all[$0, $1, $2] = Floats(repeating: 0) }
  }

  /// Zeros behind the last channel.
  func clearLanes(_ buffer: Int, _ images: Images) {
    let shape = plan.buffers[buffer].shape
    if plan.buffers[buffer].isPixelLayout { return }
    images.forEach { image in
      let one = view(buffer, Images(first: image, share: images.share))
      for channel in shape.channels..<(shape.channels + 15) & ~15 {
        for y in 0..<shape.height {
          for x in 0..<shape.width { one.element(channel, y, x).storeBytes(of: 0, as: Float.self) }
        }
      }
    }
  }

  // MARK: - Copies

  /// Between blocks and another layout, whichever of the two buffers has blocks.
  func copy(from source: Int, to target: Int, _ images: Images) {
    images.forEach { image in
      let isExport = plan.buffers[target].isPixelLayout
      let (blocks, other) = isExport ? (source, target) : (target, source)
      let shape = plan.buffers[blocks].shape, view = plan.buffers[other].slot.view(image, images.share)
      var call = cnn_copy()
      (call.plain_is_f32, call.view_is_f32, call.scale) = (1, 1, 1)
      call.view = plan.buffers[blocks].slot.view(image, images.share)
      call.plain = view.data
      call.strides = (0, 4, view.row, Int64(view.pixel))
      if plan.buffers[other].shape != shape {
        call.strides = (0, Int64(4 * shape.pixels), Int64(4 * shape.width), 4)
      }
      if isExport { kernels.export_plain(&call, 0, 1) } else { kernels.import_plain(&call, 0, 1) }
    }
  }
}
