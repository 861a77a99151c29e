import Bundle
import CBundle
import CKernels

/// What takes many elements to one: pools, reductions, softmax, normalisations, MatMul, and linear Resize.
extension SessionBuilder {
  mutating func preparePool(_ i: Int, isMax: Bool) {
    let (x, y, o) = (operand(i), result(i), model.operation(i))
    var a = cnn_pool()
    (a.x, a.y) = (x.view, y.view)
    (a.kernel_height, a.kernel_width, a.stride_y, a.stride_x) = (a.x.height, a.x.width, 1, 1)
    (a.dilation_y, a.dilation_x) = (1, 1)
    if Int(o.kind) == CNNB_OP_MAX_POOL || Int(o.kind) == CNNB_OP_AVERAGE_POOL {
      let w = o.window
      (a.kernel_height, a.kernel_width) = (Int32(w.kernel_height), Int32(w.kernel_width))
      (a.stride_y, a.stride_x) = (Int32(w.stride_y), Int32(w.stride_x))
      (a.pad_top, a.pad_left) = (Int32(w.pad_top), Int32(w.pad_left))
      (a.pad_bottom, a.pad_right) = (Int32(w.pad_bottom), Int32(w.pad_right))
      (a.dilation_y, a.dilation_x) = (Int32(w.dilation_y), Int32(w.dilation_x))
      a.count_include_pad = Int32(w.count_include_pad)
    }
    (a.low, a.high) = (-.infinity, .infinity)
    a.is_exact = Int(o.kind) == CNNB_OP_AVERAGE_POOL ? 0 : 1
    (a.x_scale, a.y_scale) = (x.scale, y.scale)
    (a.x_zero_point, a.y_zero_point, a.y_offset) = (x.zeroPoint, y.zeroPoint, y.offset)
    let kernel =
      isMax
      ? x.isFloat ? kernels.max_pool_f32 : kernels.max_pool_u8
      : x.isFloat ? kernels.average_pool_f32 : kernels.average_pool_u8
    add(i, kernel, a)
  }

  mutating func prepareReduce(_ i: Int) {
    let (x, y, o) = (operand(i), result(i), model.operation(i))
    let (from, to) = (x.place, y.place)
    var kept = Axes(unit: from.elementBytes), reduced = Axes(unit: from.elementBytes)
    var (elements, next) = (1, 1)
    for axis in 1..<Int(x.tensor.rank) {
      let count = x.tensor.dim(axis)
      if model.isReduced(i, axis) {
        reduced.add(count, x: from.line(axis), y: Line(step: 0), &arena)
        elements *= count
      } else {
        kept.add(count, x: from.line(axis), y: to.line(next), &arena)
      }
      if !model.isReduced(i, axis) || o.integers.1 == 1 { next += 1 }
    }
    var a = cnn_reduce()
    a.kind = Int32(o.kind)
    a.lanes = kept.takeLanes() ? 16 : 1
    (a.x, a.y) = (UnsafePointer(from.data), to.data)
    (a.x_image, a.y_image, a.batch) = (Int64(from.image), Int64(to.image), Int32(options.batch))
    (a.kept_count, a.reduced_count) = (Int32(kept.count), Int32(reduced.count))
    a.kept = kept.tables(&arena)
    a.reduced = reduced.tables(&arena)
    a.scale = x.scale / y.scale
    if Int(o.kind) == CNNB_OP_REDUCE_MEAN { a.scale /= Float(elements) }
    (a.x_zero_point, a.y_zero_point) = (x.zeroPoint, y.zeroPoint)
    (a.low, a.high) = fullRange(y)
    a.halo = y.view
    add(i, x.isFloat ? kernels.reduce_f32 : kernels.reduce_u8, a)
  }

  mutating func prepareSoftmax(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    if y.layout == .blocks {
      let arguments = cnn_softmax(
        x: x.view, y: y.view, x_is_u8: x.isFloat ? 0 : 1, x_scale: x.scale, x_zero_point: x.zeroPoint)
      return add(i, kernels.softmax, arguments)
    }
    let (shape, axis) = (TensorShape(y.tensor), Int(model.operation(i).integers.0))
    let arguments = cnn_softmax_axis(
      x: UnsafePointer(x.view.data), y: y.view.data, outer: Int64(options.batch * shape.product(1..<axis)),
      length: Int32(shape[axis]), inner: Int32(shape.product(axis + 1..<6)), x_is_u8: x.isFloat ? 0 : 1,
      y_is_u8: y.isFloat ? 0 : 1, x_scale: x.scale, y_scale: y.scale, x_zero_point: x.zeroPoint,
      y_zero_point: y.zeroPoint)
    add(i, kernels.softmax_axis, arguments)
  }

  // MARK: - Normalisations

  mutating func prepareLRN(_ i: Int) {
    let (x, y, o) = (operand(i), result(i), model.operation(i))
    let size = Int32(o.integers.0)
    let arguments = cnn_lrn(
      x: x.view, y: y.view, size: size, alpha_over_size: o.values.0 / Float(size), beta: o.values.1, bias: o.values.2,
      x_scale: x.scale, y_scale: y.scale, x_zero_point: x.zeroPoint, y_zero_point: y.zeroPoint)
    add(i, x.isFloat ? kernels.lrn_f32 : kernels.lrn_u8, arguments)
  }

  mutating func prepareGroupNormalization(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    let arguments = cnn_group_norm(
      x: x.view, y: y.view, groups: Int32(model.groupCount(i)), scale: floats(i, 1), bias: floats(i, 2),
      epsilon: model.operation(i).values.0, x_scale: x.scale, y_scale: y.scale, x_zero_point: x.zeroPoint,
      y_zero_point: y.zeroPoint)
    add(i, x.isFloat ? kernels.group_norm_f32 : kernels.group_norm_u8, arguments)
  }

  mutating func prepareLayerNormalization(_ i: Int) {
    let (x, y, o) = (operand(i), result(i), model.operation(i))
    let shape = TensorShape(x.tensor)
    let length = shape.product(Int(o.integers.0)..<6)
    let row = Int64(length * x.tensor.elementBytes)
    let arguments = cnn_layer_norm(
      x: UnsafePointer(x.view.data), y: y.view.data, rows: Int64(options.batch) * Int64(x.elements / length),
      x_row: row, y_row: row, length: Int32(length), scale: floats(i, 1), bias: floats(i, 2), epsilon: o.values.0,
      x_scale: x.scale, y_scale: y.scale, x_zero_point: x.zeroPoint, y_zero_point: y.zeroPoint)
    add(i, x.isFloat ? kernels.layer_norm_f32 : kernels.layer_norm_u8, arguments)
  }

  // MARK: - MatMul

  mutating func prepareMatMul(_ i: Int) {
    let (a, y, t) = (operand(i), result(i), model.input(i, 1)!)
    let rank = Int(y.tensor.rank), size = y.tensor.elementBytes
    var n = cnn_matmul()
    (n.a, n.y) = (UnsafePointer(a.view.data), y.view.data)
    var b: (scale: Float, zeroPoint: Int32, image: Int64) = (model.scale(t), model.zeroPoint(t), 0)
    if model.isConstant(t) {
      n.b = model.data(t).assumingMemoryBound(to: UInt8.self)
    } else {
      let operand = operand(i, 1)
      n.b = UnsafePointer(operand.view.data)
      b = (operand.scale, operand.zeroPoint, operand.view.image)
    }
    n.k = Int32(a.tensor.dim(Int(a.tensor.rank) - 1))
    n.p = Int32(y.tensor.dim(rank - 1))
    n.m = rank == 2 ? 1 : Int32(y.tensor.dim(rank - 2))
    (n.a_row, n.b_row, n.y_row) = (Int64(Int(n.k) * size), Int64(Int(n.p) * size), Int64(Int(n.p) * size))
    // The images, and at most three axes between them and the last two.
    n.counts.0 = Int32(options.batch)
    (n.a_strides.0, n.b_strides.0, n.y_strides.0) = (a.view.image, b.image, y.view.image)
    let out = model.output(i)
    for axis in 1..<4 {
      withUnsafeMutableBytes(of: &n.counts) {
        $0.bindMemory(to: Int32.self)[axis] = axis < rank - 2 ? Int32(y.tensor.dim(axis)) : 1
      }
      set(&n.a_strides, axis, matrixStep(model.input(i, 0)!, axis, rank))
      set(&n.b_strides, axis, matrixStep(t, axis, rank))
      set(&n.y_strides, axis, matrixStep(out, axis, rank))
    }
    n.scale = (a.scale * b.scale) / y.scale
    (n.a_zero_point, n.b_zero_point, n.y_zero_point) = (a.zeroPoint, b.zeroPoint, y.zeroPoint)
    (n.low, n.high) = fullRange(y)
    add(i, y.isFloat ? kernels.matmul_f32 : kernels.matmul_u8, n, perPart: Self.convolutionWork)
  }

  private func set(_ strides: inout (Int64, Int64, Int64, Int64), _ axis: Int, _ step: Int) {
    withUnsafeMutableBytes(of: &strides) { $0.bindMemory(to: Int64.self)[axis] = Int64(step) }
  }

  /// Bytes along an axis of the result before its matrices; 0 where an operand has one for all of it.
  private func matrixStep(_ t: Int, _ axis: Int, _ rank: Int) -> Int {
    guard axis < rank - 2, let own = model.alignedAxis(t, axis, rank: rank), model.tensor(t).dim(own) > 1 else {
      return 0
    }
    return TensorShape(model.tensor(t)).product(own + 1..<6) * model.tensor(t).elementBytes
  }
}
