import Bundle
import CBundle
import CKernels
import CTrainingKernels

// Grouped and transposed convolution. Forward, a grouped one is a convolution with the layer's strides, a transposed one a
// convolution of stride 1 for each phase of the strides, on every stride-th pixel of y. For the gradient of x the two change
// places.

/// A convolution with some of the kernel's places, to every stride-th pixel of its output from one on.
struct PackedCall {
  /// Those of the output's pixels that it writes.
  var phase = Phase()
  /// Which places of the kernel: those that meet the phase, or all.
  var isPhase = false
  /// Of its weights, in the layer's or in memory of its own.
  var start = 0
  var order: BlockOrder
  var weights: UnsafeMutablePointer<Float>?
  var blocks: UnsafeMutablePointer<cnn_conv_block>?
}

struct PackedCalls {
  var list: UnsafeMutablePointer<PackedCall>?
  var count = 0
}

extension TrainingPlan {
  mutating func addGrouped(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.kind = .grouped
    layer.weight = try parameters.add(
      model, model.input(layer.number, 1), packed: order(layer))
    layer.bias = try parameters.add(model, model.input(layer.number, 2))
    widenHalo(layer)
    append(layer)
  }

  mutating func addTransposed(_ model: Model, _ layer: Layer) throws(Failure) {
    var layer = layer
    layer.weight = try parameters.add(
      model, model.input(layer.number, 1), packed: order(layer))
    layer.bias = try parameters.add(model, model.input(layer.number, 2))
    let x = value(layer.x)
    buffers[x].halo = max(buffers[x].halo, max(transposedRows(layer).reach, transposedColumns(layer).reach))
    append(layer)
  }

  private func order(_ layer: Layer) -> PackedOrder {
    var (rows, columns) = (transposedRows(layer), transposedColumns(layer))
    if layer.kind == .grouped { (rows, columns) = (rows.withoutStride, columns.withoutStride) }
    return PackedOrder(
      outputs: buffers[value(layer.y)].shape.channels, inputs: buffers[value(layer.x)].shape.channels,
      group: Int(layer.op.window.group), rows: rows, columns: columns, isTransposed: layer.kind == .transposed)
  }

  private func transposedRows(_ layer: Layer) -> TransposedAxis {
    TransposedAxis(
      window: layer.vertical, input: buffers[value(layer.x)].shape.height, output: buffers[value(layer.y)].shape.height)
  }

  private func transposedColumns(_ layer: Layer) -> TransposedAxis {
    TransposedAxis(
      window: layer.horizontal, input: buffers[value(layer.x)].shape.width, output: buffers[value(layer.y)].shape.width)
  }

  mutating func packedBackward(_ i: Int) {
    emit(.parameterGradient, i, source: gradient(layers[i].y), value(layers[i].x))
    emitGradient(i)
  }

  /// The zeros around dy that the gradient of x reads.
  func shapePackedGradient(_ i: Int) {
    let layer = layers[i], dy = gradient(layer.y), v = layer.vertical, h = layer.horizontal
    let reach =
      layer.kind == .grouped
      ? max(rows(layer).reach, columns(layer).reach)
      : max(max(v.padBefore, v.padAfter), max(h.padBefore, h.padAfter))
    buffers[dy].halo = max(buffers[dy].halo, reach)
  }

  func placePacked(_ i: Int, _ arena: inout Arena) {
    let layer = layers[i], isGrouped = layer.kind == .grouped
    layers[i].packedForward = isGrouped ? whole(layer, turned: false, &arena) : byPhases(layer, turned: false, &arena)
    guard marks[layer.x].needsGradient else { return }
    layers[i].packedBackward = isGrouped ? byPhases(layer, turned: true, &arena) : whole(layer, turned: true, &arena)
  }

  /// One call for all: y[o] = Σ x[o · stride + k · dilation − pad].
  private func whole(_ layer: Layer, turned: Bool, _ arena: inout Arena) -> PackedCalls {
    let order = parameters.list[layer.weight].packed!
    let target = buffers[value(turned ? layer.x : layer.y)].shape
    let source = buffers[turned ? gradient(layer.y) : value(layer.x)].slot.view
    let list = arena.take(PackedCall.self, 1)
    let taps = layer.vertical.kernel * layer.horizontal.kernel
    var call = PackedCall(order: turned ? order.turned(taps: taps) : order.order(0, 0))
    (call.phase.height, call.phase.width, call.phase.taps) = (target.height, target.width, taps)
    finish(&call, layer, source, turned, &arena) { ky, kx in
      (
        ky * layer.vertical.dilation - layer.vertical.padBefore,
        kx * layer.horizontal.dilation - layer.horizontal.padBefore
      )
    }
    list?.initialize(to: call)
    return PackedCalls(list: list, count: 1)
  }

  /// One for each phase of the strides.
  private func byPhases(_ layer: Layer, turned: Bool, _ arena: inout Arena) -> PackedCalls {
    let order = parameters.list[layer.weight].packed!
    let source = buffers[turned ? gradient(layer.y) : value(layer.x)].slot.view
    let (rows, columns) = (self.rows(layer), self.columns(layer))
    let (up, across) = (transposedRows(layer), transposedColumns(layer))
    let (height, width) =
      turned ? (rows.phases, columns.phases) : (layer.vertical.stride, layer.horizontal.stride)
    let list = arena.take(PackedCall.self, height * width)
    for p in 0..<height * width {
      let (py, px) = (p / width, p % width)
      var call = PackedCall(order: order.order(0, 0))
      call.isPhase = true
      if turned {
        call.phase = Phase(firstRow: py, firstColumn: px, height: rows.count(py), width: columns.count(px))
      } else {
        call.phase = Phase(
          firstRow: up.first(py), firstColumn: across.first(px), height: up.count(py), width: across.count(px))
        (call.phase.py, call.phase.px) = (py, px)
        call.start = order.start(py, px)
      }
      forEachTap(call, layer, turned) { _, _ in call.phase.taps += 1 }
      call.order = turned ? order.turned(taps: call.phase.taps) : order.order(py, px)
      finish(&call, layer, source, turned, &arena) { ky, kx in
        turned ? (rows.output(py, ky), columns.output(px, kx)) : (up.source(py, ky), across.source(px, kx))
      }
      if let list { (list + p).initialize(to: call) }
    }
    return PackedCalls(list: list, count: height * width)
  }

  /// The tables, and the memory of turned weights.
  private func finish(
    _ call: inout PackedCall, _ layer: Layer, _ source: cnn_view, _ turned: Bool, _ arena: inout Arena,
    _ place: (_ ky: Int, _ kx: Int) -> (y: Int, x: Int)
  ) {
    let order = call.order
    if turned { call.weights = arena.take(Float.self, order.bytes / 4) }
    call.blocks = arena.take(cnn_conv_block.self, order.blocks)
    for block in 0..<order.blocks {
      let inputs = order.inputs(ofBlock: block), s = order.segments(ofBlock: block)
      let offsets = arena.take(Int32.self, inputs.count * order.taps)
      guard let blocks = call.blocks, var next = offsets else { continue }
      for input in inputs {
        forEachTap(call, layer, turned) { ky, kx in
          let p = place(ky, kx)
          next.pointee = Int32(input * Int(source.block) + p.y * Int(source.row) + p.x * Int(source.pixel))
          next += 1
        }
      }
      let weights = call.weights.map { UnsafeRawPointer($0 + order.start(block)).assumingMemoryBound(to: UInt8.self) }
      (blocks + block).initialize(
        to: cnn_conv_block(
          weights: weights, offsets: offsets, full_segments: Int32(s.full), full_steps: Int32(s.fullSteps),
          last_segments: Int32(s.last), last_steps: Int32(s.lastSteps)))
    }
  }

  @inline(never)
  func forEachTap(_ call: PackedCall, _ layer: Layer, _ turned: Bool, _ body: (_ ky: Int, _ kx: Int) -> Void) {
    let (rows, columns) = (self.rows(layer), self.columns(layer))
    let (up, across) = (transposedRows(layer), transposedColumns(layer))
    for ky in 0..<layer.vertical.kernel {
      if call.isPhase && !(turned ? rows.meets(call.phase.firstRow, ky) : up.meets(ky, call.phase.py)) { continue }
      for kx in 0..<layer.horizontal.kernel {
        if call.isPhase && !(turned ? columns.meets(call.phase.firstColumn, kx) : across.meets(kx, call.phase.px)) {
          continue
        }
        body(ky, kx)
      }
    }
  }
}

extension TransposedAxis {
  fileprivate var withoutStride: TransposedAxis {
    var window = window
    (window.stride, window.dilation) = (1, 1)
    return TransposedAxis(window: window, input: input, output: output)
  }
}

extension Trainer {
  /// Tells the prepared calls where the weights are.
  func bindPacked(_ layer: Layer) {
    guard let list = layer.packedForward.list else { return }
    for i in 0..<layer.packedForward.count {
      let call = list[i], weights = values(layer.weight) + call.start
      for block in 0..<call.order.blocks {
        call.blocks![block].weights = UnsafePointer(
          UnsafeRawPointer(weights + call.order.start(block)).assumingMemoryBound(to: UInt8.self))
      }
    }
  }

  /// Turns the weights for the gradient of x: blocks of 16 channels of x of which each reads the dy that its groups touch.
  func turnPacked(_ layer: Layer, share: Int) {
    guard let list = layer.packedBackward.list else { return }
    let order = parameter(layer.weight).packed!, weights = values(layer.weight)
    for i in 0..<layer.packedBackward.count {
      let call = list[i]
      var block = share
      while block < call.order.blocks {
        for outputBlock in call.order.inputs(ofBlock: block) {
          var tap = 0
          plan.forEachTap(call, layer, true) { ky, kx in
            let target = call.weights! + call.order.tile(block, outputBlock, tap)!
            let source = weights + order.tile(outputBlock: outputBlock, inputBlock: block, ky, kx)!
            transpose(source, min(16, order.inputs - 16 * block), call.order.steps(outputBlock), target)
            tap += 1
          }
        }
        block += plan.shares
      }
    }
  }

  func packed(_ layer: Layer, _ images: Images) {
    let isGrouped = layer.kind == .grouped
    images.forEach { image in
      var y = plan.buffers[layer.y].slot.view(image, images.share)
      y.halo = 0
      for i in 0..<layer.packedForward.count {
        let call = layer.packedForward.list![i]
        var conv = cnn_conv(call, plan.buffers[layer.x].slot.view(image, images.share), y)
        conv.bias = UnsafeRawPointer(layer.bias >= 0 ? UnsafePointer(values(layer.bias)) : UnsafePointer(plan.noBias!))
        if isGrouped { conv.setStrides(layer) } else { conv.y.select(call.phase, layer) }
        (conv.low, conv.high) = (layer.clamp.low, layer.clamp.high)
        if conv.y.width > 0 && conv.y.height > 0 { kernels.conv_f32(&conv, 0, 1) }
      }
    }
  }

  func packedData(_ layer: Layer, target: Int, _ images: Images) {
    let isGrouped = layer.kind == .grouped
    let dy = plan.buffers[plan.gradient(layer.y)].slot.view(images.first, images.share)
    var dx = plan.buffers[target].slot.view(images.first, images.share)
    dx.halo = 0
    for i in 0..<layer.packedBackward.count {
      let call = layer.packedBackward.list![i]
      var conv = cnn_conv(call, dy, dx)
      conv.bias = UnsafeRawPointer(plan.noBias)
      if isGrouped { conv.y.select(call.phase, layer) } else { conv.setStrides(layer) }
      if conv.y.width > 0 && conv.y.height > 0 { kernels.conv_f32(&conv, 0, 1) }
    }
  }

  /// A block of outputs at a time, each with the inputs it reads. What comes about between channels of different groups is
  /// cleared: those weights are always 0.
  func packedWeights(_ layer: Layer, _ images: Images) {
    let isGrouped = layer.kind == .grouped, dy = plan.buffers[plan.gradient(layer.y)].slot
    for i in 0..<layer.packedForward.count {
      let call = layer.packedForward.list![i]
      for block in 0..<call.order.blocks {
        let b = call.blocks![block]
        var g = cnn_conv_gradient()
        (g.x, g.dy, g.offsets) = (plan.buffers[layer.x].slot, dy, b.offsets)
        if !isGrouped { g.dy.view.select(call.phase, layer) }
        if g.dy.view.width == 0 || g.dy.view.height == 0 { continue }
        g.dy.view.data += block * Int(g.dy.view.block)
        g.dy.view.channels = min(16, g.dy.view.channels - Int32(16 * block))
        (g.full_segments, g.full_steps) = (b.full_segments, b.full_steps)
        (g.last_segments, g.last_steps) = (b.last_segments, b.last_steps)
        (g.stride_y, g.stride_x) = isGrouped ? (Int32(layer.vertical.stride), Int32(layer.horizontal.stride)) : (1, 1)
        g.weights = partial(layer.weight)! + (call.start + call.order.start(block))
        g.bias = partial(layer.bias).map { $0 + 16 * block }
        g.share = Int64(partialBytes)
        training.conv_gradient(&g, Int32(images.first), 1, Int32(images.share))
      }
    }
    let order = parameter(layer.weight).packed!
    if order.group > 1, isLast(images) {
      order.clearStrangers(partial(layer.weight)! + images.share * plan.parameters.elements)
    }
  }
}

extension cnn_conv {
  fileprivate init(_ call: PackedCall, _ x: cnn_view, _ y: cnn_view) {
    self.init()
    (self.x, self.y) = (x, y)
    blocks = UnsafePointer(call.blocks)
    (stride_y, stride_x, dilation_y, dilation_x) = (1, 1, 1, 1)
    (low, high) = (-.infinity, .infinity)
  }

  fileprivate mutating func setStrides(_ layer: Layer) {
    (stride_y, stride_x) = (Int32(layer.vertical.stride), Int32(layer.horizontal.stride))
  }
}
