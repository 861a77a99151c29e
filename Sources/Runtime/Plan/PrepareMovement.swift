import Bundle
import CBundle
import CKernels
import CPlatform

/// What moves elements: each operator is a rule, axis by axis, for where an element of the output comes from.
extension SessionBuilder {
  mutating func prepareResize(_ i: Int) {
    let (rows, columns) = (ResizeAxis.vertical(model, i), ResizeAxis.horizontal(model, i))
    guard Int(model.operation(i).integers.0) == CNNB_RESIZE_LINEAR else { return moveByIndex(i) }
    let (x, y) = (operand(i), result(i))
    let arguments = cnn_resize(x: x.view, y: y.view, rows: rows.taps(&arena), columns: columns.taps(&arena))
    add(i, x.isFloat ? kernels.resize_f32 : kernels.resize_u8, arguments)
  }

  mutating func prepareMove(_ i: Int) {
    switch Int(model.operation(i).kind) {
    case CNNB_OP_CONCAT: prepareConcat(i)
    case CNNB_OP_SLICE: prepareSlice(i)
    case CNNB_OP_PAD: moveByIndex(i)
    case CNNB_OP_TRANSPOSE: prepareTranspose(i)
    case CNNB_OP_DEPTH_TO_SPACE: prepareDepthToSpace(i)
    case CNNB_OP_SPACE_TO_DEPTH: prepareSpaceToDepth(i)
    default: prepareReshape(i)
    }
  }

  /// The prepared call, from where the axes begin.
  private mutating func move(
    _ i: Int, _ x: Place, _ y: Place, _ axes: inout Axes, halo: cnn_view? = nil, fill: UInt32 = 0,
    table: UnsafePointer<UInt8>? = nil
  ) {
    axes.join()
    var m = cnn_move()
    (m.x, m.y) = (UnsafePointer(x.data) + axes.xStart, y.data + axes.yStart)
    (m.x_image, m.y_image, m.batch) = (Int64(x.image), Int64(y.image), Int32(options.batch))
    m.axes = axes.tables(&arena)
    (m.axis_count, m.unit, m.element_bytes) = (Int32(axes.count), Int32(axes.unit), Int32(x.elementBytes))
    (m.fill, m.table) = (fill, table)
    if let halo { m.halo = halo }
    add(i, kernels.move, m)
  }

  // MARK: - Shapes

  /// Flatten, Reshape, Dropout.
  private mutating func prepareReshape(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    guard x.view.data != y.view.data else { return }
    if model.hasShape(model.input(i, 0)!, of: model.output(i)) { return prepareTranspose(i) }
    // Into a list of channels there is a kernel for whole planes.
    if x.tensor.rank == 4, x.layout != .plain, y.tensor.rank == 2, y.layout == .blocks {
      let arguments = cnn_flatten(x: x.view, y: y.view, element_bytes: Int32(x.tensor.elementBytes))
      return add(i, kernels.flatten, arguments)
    }
    if x.layout == .blocks, y.layout == .blocks, x.view.channels == y.view.channels, x.view.height == y.view.height {
      return moveBlocks(i, x, y)
    }
    let slot = StoragePlan.temporarySlot(model, i)
    guard network.pointee.storage![slot].bytes > 0 else { return reshape(i, x.place, y.place, halo: y.view) }
    let plain = stored(slot, model.input(i, 0)!)
    reshape(i, x.place, plain.place)
    reshape(i, Place(plain.view, y.tensor, .plain), y.place, halo: y.view)
  }

  /// One of the two lies in the order of its indices, and so walks along the axes of the other.
  private mutating func reshape(_ i: Int, _ x: Place, _ y: Place, halo: cnn_view? = nil) {
    let isByX = y.isPlain || y.shape.rank <= 2
    let shape = isByX ? x.shape : y.shape
    var axes = Axes(unit: x.elementBytes)
    for axis in 1..<max(shape.rank, 1) {
      let line = Line(step: shape.product(axis + 1..<6) * x.elementBytes)
      axes.add(shape[axis], x: isByX ? x.line(axis) : line, y: isByX ? line : y.line(axis), &arena)
    }
    move(i, x, y, &axes, halo: halo)
  }

  /// Blocks that hold the same channels, rows and pixels.
  private mutating func moveBlocks(_ i: Int, _ x: Operand, _ y: Operand) {
    let (from, to, size) = (x.view, y.view, x.tensor.elementBytes)
    var axes = Axes(unit: size)
    axes.add(
      Int(from.channels), x: Line(step: size, block: Int(from.block)), y: Line(step: size, block: Int(to.block)), &arena
    )
    axes.add(Int(from.height), x: Line(step: Int(from.row)), y: Line(step: Int(to.row)), &arena)
    axes.add(Int(from.width), x: Line(step: Int(from.pixel)), y: Line(step: Int(to.pixel)), &arena)
    move(i, x.place, y.place, &axes, halo: y.view)
  }

  /// Also what changes nothing at all.
  private mutating func prepareTranspose(_ i: Int) {
    let (x, y, isTranspose) = (operand(i), result(i), Int(model.operation(i).kind) == CNNB_OP_TRANSPOSE)
    let (from, to) = (x.place, y.place)
    var axes = Axes(unit: from.elementBytes)
    for axis in 1..<max(to.shape.rank, 1) {
      axes.add(to.shape[axis], x: from.line(isTranspose ? model.permuted(i, axis) : axis), y: to.line(axis), &arena)
    }
    move(i, from, to, &axes, halo: y.view)
  }

  // MARK: - Parts

  private mutating func prepareConcat(_ i: Int) {
    let (o, y) = (model.operation(i), result(i))
    let to = y.place
    var start = 0
    for k in 0..<Int(o.input_count) {
      let t = model.input(i, k)!
      let x = stored(t, t)
      let from = x.place
      var axes = Axes(unit: from.elementBytes)
      for axis in 1..<to.shape.rank {
        let first = axis == Int(o.integers.0) ? start : 0
        axes.add(from.shape[axis], x: from.line(axis), y: to.line(axis), yFrom: first, &arena)
      }
      start += from.shape[Int(o.integers.0)]
      let isLast = k == Int(o.input_count) - 1
      move(i, from, to, &axes, halo: isLast ? y.view : nil, table: requantization(i, x, y))
    }
  }

  /// From one quantization to another; nil where they are the same.
  private mutating func requantization(_ i: Int, _ x: Operand, _ y: Operand) -> UnsafePointer<UInt8>? {
    guard !model.hasQuantization(of: x.tensor, y.tensor), let table = arena.take(UInt8.self, 256) else { return nil }
    let (ratio, range) = (x.scale / y.scale, fullRange(y))
    for q in 0..<256 {
      let v = Float(Int32(q) - x.zeroPoint) * ratio
      let kept = v > range.low ? (v < range.high ? v : range.high) : range.low
      table[q] = UInt8(truncatingIfNeeded: cp_round(kept) + y.zeroPoint)
    }
    return UnsafePointer(table)
  }

  private mutating func prepareSlice(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    let (from, to) = (x.place, y.place)
    var axes = Axes(unit: from.elementBytes)
    for axis in 1..<max(to.shape.rank, 1) {
      let (count, line) = (to.shape[axis], from.line(axis))
      let (first, step) = (model.integer(i, 1, axis), model.integer(i, 2, axis))
      if step == 1 {
        axes.add(count, x: line, xFrom: first, y: to.line(axis), &arena)
      } else {
        let tables = axes.addTables(count, &arena)
        guard let xs = tables.x, let ys = tables.y else { continue }
        for index in 0..<count {
          xs[index] = Int32(truncatingIfNeeded: line.offset(first + index * step))
          ys[index] = Int32(truncatingIfNeeded: to.line(axis).offset(index))
        }
      }
    }
    move(i, from, to, &axes, halo: y.view)
  }

  /// Pad and nearest Resize: along each axis, from an index of x for each of y, or from none.
  private mutating func moveByIndex(_ i: Int) {
    let (x, y, isPad) = (operand(i), result(i), Int(model.operation(i).kind) == CNNB_OP_PAD)
    let (from, to) = (x.place, y.place)
    var axes = Axes(unit: from.elementBytes)
    for axis in 1..<max(to.shape.rank, 1) {
      let (count, a, b) = (to.shape[axis], from.line(axis), to.line(axis))
      if count == from.shape[axis], isPad ? model.integer(i, 1, axis) == 0 : axis == 1 {
        axes.add(count, x: a, y: b, &arena)
      } else {
        let tables = axes.addTables(count, &arena)
        guard let xs = tables.x, let ys = tables.y else { continue }
        for index in 0..<count {
          let source = isPad ? padded(i, axis, index, from.shape[axis]) : resized(i, axis, index)
          xs[index] = source.map { Int32(truncatingIfNeeded: a.offset($0)) } ?? Int32.min
          ys[index] = Int32(truncatingIfNeeded: b.offset(index))
        }
      }
    }
    let (value, t) = (model.operation(i).values.0, model.output(i))
    let fill =
      y.isFloat ? value.bitPattern : UInt32(ImageTables.quantize(value, y.scale, model.zeroPoint(t)))
    move(i, from, to, &axes, halo: y.view, fill: fill)
  }

  private func resized(_ i: Int, _ axis: Int, _ index: Int) -> Int? {
    (axis == 2 ? ResizeAxis.vertical(model, i) : .horizontal(model, i)).nearest(index)
  }

  private func padded(_ i: Int, _ axis: Int, _ index: Int, _ length: Int) -> Int? {
    let place = index - model.integer(i, 1, axis)
    if 0..<length ~= place { return place }
    switch Int(model.operation(i).integers.0) {
    case CNNB_PAD_EDGE: return min(max(place, 0), length - 1)
    case CNNB_PAD_REFLECT: return place < 0 ? -place : 2 * (length - 1) - place
    case CNNB_PAD_WRAP: return (place % length + length) % length
    default: return nil
    }
  }

  // MARK: - Depth and space

  private mutating func prepareDepthToSpace(_ i: Int) {
    spread(i, space: result(i), depth: operand(i), isToSpace: true, isCRD: model.operation(i).integers.1 == 1)
  }

  private mutating func prepareSpaceToDepth(_ i: Int) {
    spread(i, space: operand(i), depth: result(i), isToSpace: false, isCRD: false)
  }

  /// Between [C·b·b, H, W] (`depth`) and [C, H·b, W·b] (`space`).
  private mutating func spread(_ i: Int, space: Operand, depth: Operand, isToSpace: Bool, isCRD: Bool) {
    let (wide, deep) = (space.place, depth.place)
    let b = Int(model.operation(i).integers.0), channels = wide.shape[1]
    // The channels of a place in a block, 16 at a time where they lie together in both.
    let isTogether =
      !isCRD && channels % 16 == 0 && space.layout == .blocks && depth.layout == .blocks
    let lanes = isTogether ? 16 : 1
    var axes = Axes(unit: deep.elementBytes * lanes)
    let tables = axes.addTables(deep.shape[1] / lanes, &arena)
    if let xs = tables.x, let ys = tables.y {
      for index in 0..<deep.shape[1] / lanes {
        let channel = index * lanes
        let (c, place) = isCRD ? (channel / (b * b), channel % (b * b)) : (channel % channels, channel / channels)
        let far = wide.line(1).offset(c) + wide.line(2).step * (place / b) + wide.line(3).step * (place % b)
        (isToSpace ? ys : xs)[index] = Int32(truncatingIfNeeded: far)
        (isToSpace ? xs : ys)[index] = Int32(truncatingIfNeeded: deep.line(1).offset(channel))
      }
    }
    for axis in 2..<4 {
      let (near, far) = (deep.line(axis), Line(step: wide.line(axis).step * b))
      axes.add(deep.shape[axis], x: isToSpace ? near : far, y: isToSpace ? far : near, &arena)
    }
    let (x, y) = isToSpace ? (deep, wide) : (wide, deep)
    move(i, x, y, &axes, halo: isToSpace ? space.view : depth.view)
  }
}
