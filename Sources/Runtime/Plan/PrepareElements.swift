import Bundle
import CBundle
import CKernels
import CPlatform

/// What works element by element.
extension SessionBuilder {
  mutating func prepareBatchNormalization(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    let range = range(i)
    let (scale, shift) = normalization(i)
    add(
      i, kernels.affine_f32,
      cnn_affine(x: x.view, y: y.view, scale: scale, shift: shift, low: range.low, high: range.high))
  }

  /// y = x · scale + shift with the running statistics.
  private mutating func normalization(_ i: Int) -> (UnsafePointer<Float>?, UnsafePointer<Float>?) {
    let channels = model.tensor(model.output(i)).channels
    let padded = (channels + 15) & ~15
    let (scale, shift) = (zeros(padded), zeros(padded))
    guard let scale, let shift, let gamma = floats(i, 1), let beta = floats(i, 2), let mean = floats(i, 3),
      let variance = floats(i, 4)
    else { return (nil, nil) }
    for c in 0..<channels {
      scale[c] = gamma[c] / cp_square_root(variance[c] + model.operation(i).values.0)
      shift[c] = beta[c] - mean[c] * scale[c]
    }
    return (UnsafePointer(scale), UnsafePointer(shift))
  }

  /// Relu and Clip: of stored values where they are quantized.
  mutating func prepareClamp(_ i: Int) {
    let (x, y, o) = (operand(i), result(i), model.operation(i))
    var range: (low: Float, high: Float) = (0, .infinity)
    if Int(o.kind) == CNNB_OP_CLIP { range = (o.values.0, o.values.1) }
    if !x.isFloat {
      let t = model.output(i), zeroPoint = Float(y.zeroPoint)
      range = (quantized(range.low, t) + zeroPoint, quantized(range.high, t) + zeroPoint)
    }
    let arguments = cnn_affine(x: whole(x), y: whole(y), scale: nil, shift: nil, low: range.low, high: range.high)
    add(i, x.isFloat ? kernels.affine_f32 : kernels.clamp_u8, arguments)
  }

  /// Blocks that cover a plain tensor of any batch: its last may go on behind it, where there is room up to a multiple of 64 bytes.
  private func whole(_ x: Operand) -> cnn_view {
    guard x.layout == .plain else { return x.view }
    let pixels = (x.elements * options.batch + 15) / 16
    var rows = 64
    while pixels % rows != 0 { rows -= 1 }
    var v = x.view
    (v.batch, v.channels, v.height) = (1, 16, Int32(rows))
    v.width = Int32(truncatingIfNeeded: pixels / rows)
    v.pixel = Int32(16 * x.tensor.elementBytes)
    v.row = Int64(pixels / rows) * Int64(v.pixel)
    (v.block, v.image) = (v.row * Int64(rows), v.row * Int64(rows))
    return v
  }

  mutating func prepareUnary(_ i: Int) {
    let (x, y, o) = (operand(i), result(i), model.operation(i))
    let isGelu = Int(o.kind) == CNNB_OP_GELU
    let table = x.isFloat ? nil : model.data(model.input(i, 1)!).assumingMemoryBound(to: UInt8.self)
    let arguments = cnn_unary(
      x: x.view, y: y.view, kind: Int32(o.kind), alpha: isGelu ? Float(o.integers.0) : o.values.0, beta: o.values.1,
      table: table)
    add(i, x.isFloat ? kernels.unary_f32 : kernels.unary_u8, arguments)
  }

  /// QuantizeLinear and DequantizeLinear; the float of the two has the scale and the zero point 0.
  mutating func prepareConversion(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    let arguments = cnn_copy(
      view: y.view, plain: x.view.data, strides: (x.view.image, x.view.block, x.view.row, 0),
      plain_is_f32: x.isFloat ? 1 : 0, view_is_f32: y.isFloat ? 1 : 0, scale: x.scale + y.scale,
      zero_point: x.zeroPoint + y.zeroPoint, is_alike: 1)
    add(i, kernels.import_plain, arguments)
  }

  mutating func preparePRelu(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    let range = fullRange(y)
    let arguments = cnn_prelu(
      x: x.view, y: y.view, slope: floats(i, 1), scale: x.scale / y.scale, x_zero_point: x.zeroPoint,
      y_zero_point: y.zeroPoint, low: range.low, high: range.high)
    add(i, x.isFloat ? kernels.prelu_f32 : kernels.prelu_u8, arguments)
  }

  // MARK: - Arithmetic

  mutating func prepareBinary(_ i: Int) {
    let (kind, y) = (Int(model.operation(i).kind), result(i))
    if kind == CNNB_OP_ADD, y.layout == .blocks, isWhole(i, 0), isWhole(i, 1) { return prepareAdd(i, y) }
    let (a, b) = (side(i, 0, y), side(i, 1, y))
    var n = cnn_binary()
    n.kind = Int32(kind)
    (n.a, n.b, n.y) = (UnsafePointer(a.data), UnsafePointer(b.data), y.view.data)
    (n.a_image, n.b_image, n.y_image) = (Int64(a.image), Int64(b.image), y.view.image)
    n.batch = Int32(options.batch)
    (n.low, n.high) = storedRange(i, y)
    (n.a_zero_point, n.b_zero_point, n.offset) = (a.zeroPoint, b.zeroPoint, y.offset)
    n.shift = Float(y.zeroPoint - y.offset)
    switch kind {
    case CNNB_OP_MUL: n.scale_a = (a.scale * b.scale) / y.scale
    case CNNB_OP_DIV: (n.scale_a, n.scale_b) = (a.scale / y.scale, b.scale)
    default:
      (n.scale_a, n.scale_b) = (a.scale / y.scale, b.scale / y.scale)
      if kind == CNNB_OP_SUB { n.scale_b = -n.scale_b }
      n.shift = zeroPointShift(n.scale_a, a.zeroPoint, n.scale_b, b.zeroPoint, y)
    }
    n.halo = y.view
    setWalk(&n, steps(a, b, y), y.tensor.elementBytes)
    add(i, y.isFloat ? kernels.binary_f32 : kernels.binary_u8, n)
  }

  /// What the zero points of a, b and y add to a sum in steps of y: z_y − (z_a · scaleA + z_b · scaleB), all of them less the
  /// offset, rounded as ONNX Runtime does (ARITHMETIC.md).
  private func zeroPointShift(
    _ scaleA: Float, _ zeroA: Int32, _ scaleB: Float, _ zeroB: Int32, _ y: Operand
  ) -> Float {
    let (a, b) = (Double(zeroA - y.offset), Float(zeroB - y.offset))
    return Float(y.zeroPoint - y.offset) - Float(Double(scaleA) * a + Double(scaleB * b))
  }

  /// The range of a fused activation; where it is quantized, of stored values less the offset.
  private func storedRange(_ i: Int, _ y: Operand) -> (low: Float, high: Float) {
    let range = range(i), zeroPoint = y.isFloat ? 0 : Float(y.zeroPoint - y.offset)
    return (range.low + zeroPoint, range.high + zeroPoint)
  }

  /// Whether an operand is an activation in blocks that is not repeated.
  private func isWhole(_ i: Int, _ k: Int) -> Bool {
    let t = model.input(i, k)!
    return model.isActivation(t) && model.hasShape(t, of: model.output(i))
      && network.pointee.layout(slot(i, k)) == .blocks
  }

  /// A skip connection: whole blocks.
  private mutating func prepareAdd(_ i: Int, _ y: Operand) {
    let (a, b, range) = (operand(i), operand(i, 1), storedRange(i, y))
    let (scaleA, scaleB) = (a.scale / y.scale, b.scale / y.scale)
    let arguments = cnn_add(
      a: a.view, b: b.view, y: y.view, low: range.low, high: range.high, scale_a: scaleA, scale_b: scaleB,
      shift: zeroPointShift(scaleA, a.zeroPoint, scaleB, b.zeroPoint, y), offset: y.offset)
    add(i, y.isFloat ? kernels.add_f32 : kernels.add_u8, arguments)
  }

  /// An operand of an arithmetic operator: where it is, and its distances along the axes of the result.
  private struct Side {
    var data: UnsafeMutablePointer<UInt8>
    var image = 0
    var scale: Float
    var zeroPoint: Int32
    /// By the result's axes; 0 where it is repeated.
    var lines = InlineArray<6, Line>(repeating: Line(step: 0))
  }

  private mutating func side(_ i: Int, _ k: Int, _ y: Operand) -> Side {
    let t = model.input(i, k)!, rank = Int(y.tensor.rank)
    guard model.isConstant(t) else {
      let x = operand(i, k)
      let place = x.place
      var side = Side(data: place.data, image: place.image, scale: x.scale, zeroPoint: x.zeroPoint)
      for axis in 1..<max(rank, 1) {
        guard let own = model.alignedAxis(t, axis, rank: rank), x.tensor.dim(own) > 1 else { continue }
        side.lines[axis] = place.line(own)
      }
      return side
    }
    let tensor = model.tensor(t)
    var side = Side(
      data: UnsafeMutablePointer(mutating: model.data(t).assumingMemoryBound(to: UInt8.self)),
      scale: model.scale(t), zeroPoint: model.zeroPoint(t))
    let shape = TensorShape(tensor)
    for axis in 1..<max(rank, 1) {
      guard let own = model.alignedAxis(t, axis, rank: rank), tensor.dim(own) > 1 else { continue }
      side.lines[axis] = Line(step: shape.product(own + 1..<6) * tensor.elementBytes)
    }
    if y.layout == .blocks, rank > 2, side.lines[1].step > 0 { spreadConstant(&side, t, y) }
    return side
  }

  /// A constant of several channels is laid out in blocks like the result, once per session.
  private mutating func spreadConstant(_ side: inout Side, _ t: Int, _ y: Operand) {
    let size = model.tensor(t).elementBytes, rank = Int(y.tensor.rank)
    var plain = side
    let channels = y.tensor.channels
    // Behind the channel, the axes as they lie; an index of them is a pixel.
    var pixels = 1
    for axis in stride(from: rank - 1, to: 1, by: -1) where side.lines[axis].step > 0 {
      side.lines[axis] = Line(step: pixels * 16 * size)
      pixels *= y.tensor.dim(axis)
    }
    side.lines[1] = Line(step: size, block: pixels * 16 * size)
    guard let data = arena.take((channels + 15) / 16 * pixels * 16 * size) else { return }
    data.initializeMemory(as: UInt8.self, repeating: 0, count: (channels + 15) / 16 * pixels * 16 * size)
    side.data = data.assumingMemoryBound(to: UInt8.self)
    // The axes behind the channel lie row-major in the constant too.
    plain.lines[1] = Line(step: pixels * size)
    for c in 0..<channels {
      for p in 0..<pixels {
        (data + (side.lines[1].offset(c) + p * 16 * size)).copyMemory(
          from: plain.data + plain.lines[1].offset(c) + p * size, byteCount: size)
      }
    }
  }

  /// One axis of the walk over the result, with all three distances.
  private struct Step {
    var count = 1
    var a = 0
    var b = 0
    var y = 0

    /// Whether this, `inner` and no more are one longer axis.
    func continues(_ inner: Step) -> Bool {
      y == inner.y * inner.count && a == inner.a * inner.count && b == inner.b * inner.count
    }
  }

  /// From the outermost; blocks of channels first, and the channels of a block last.
  private func steps(_ a: Side, _ b: Side, _ y: Operand) -> InlineArray<6, Step> {
    var steps = InlineArray<6, Step>(repeating: Step())
    let (rank, place) = (Int(y.tensor.rank), y.place)
    let isBlocked = y.layout == .blocks && rank > 2
    for axis in 1..<max(rank, 1) {
      var step = Step(
        count: y.tensor.dim(axis), a: a.lines[axis].step, b: b.lines[axis].step, y: place.line(axis).step)
      if axis == 1, isBlocked {
        steps[5] = Step(count: 16, a: step.a, b: step.b, y: step.y)
        step = Step(
          count: (step.count + 15) / 16, a: a.lines[1].block, b: b.lines[1].block, y: place.line(1).block)
      }
      steps[axis - 1] = step
    }
    return steps
  }

  /// Joins axes that continue one another, and gives the kernel the rest.
  private func setWalk(_ n: inout cnn_binary, _ steps: InlineArray<6, Step>, _ elementBytes: Int) {
    var joined = InlineArray<6, Step>(repeating: Step())
    var count = 0
    for k in 0..<6 where steps[k].count > 1 {
      if count > 0, joined[count - 1].continues(steps[k]) {
        let outer = joined[count - 1].count
        joined[count - 1] = steps[k]
        joined[count - 1].count *= outer
      } else {
        joined[count] = steps[k]
        count += 1
      }
    }
    // Innermost, the elements that lie side by side.
    n.run = 1
    if count > 0 {
      let inner = joined[count - 1]
      n.run = Int32(inner.count)
      (n.a_step, n.b_step) = (inner.a == 0 ? 0 : 1, inner.b == 0 ? 0 : 1)
      count -= 1
    }
    func set(_ out: inout (Int32, Int32, Int32, Int32), _ other: Int32, _ value: (Step) -> Int) {
      func at(_ k: Int) -> Int32 { k < count ? Int32(value(joined[k])) : other }
      out = (at(0), at(1), at(2), at(3))
    }
    set(&n.counts, 1) { $0.count }
    set(&n.a_strides, 0) { $0.a }
    set(&n.b_strides, 0) { $0.b }
    set(&n.y_strides, 0) { $0.y }
  }
}
