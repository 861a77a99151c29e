import Bundle
import CBundle
import CKernels

/// Conv, Gemm, and ConvTranspose by its phases.
extension SessionBuilder {
  mutating func prepareConvolution(_ i: Int) {
    let o = model.operation(i)
    let isConv = Int(o.kind) == CNNB_OP_CONV
    let (x, y) = (operand(i), result(i))
    var a = convolution(i, x, y)
    a.weights = model.data(model.input(i, 1)!).assumingMemoryBound(to: UInt8.self)
    (a.stride_y, a.stride_x, a.dilation_y, a.dilation_x) = (1, 1, 1, 1)
    if isConv {
      (a.stride_y, a.stride_x) = (Int32(o.window.stride_y), Int32(o.window.stride_x))
      (a.dilation_y, a.dilation_x) = (Int32(o.window.dilation_y), Int32(o.window.dilation_x))
      (a.pad_top, a.pad_left) = (Int32(o.window.pad_top), Int32(o.window.pad_left))
    }
    let order = model.convOrder(i)
    (a.kernel_height, a.kernel_width) = (Int32(order.kernelHeight), Int32(order.kernelWidth))
    (a.bias, a.requantize.scale) = channels(i, x, phase: 0)
    let columns = order.isPixels && x.layout == .pixels ? 1 : order.kernelWidth
    let (row, pixel) = (Int(a.x.row), Int(a.x.pixel))
    let taps = Taps(
      count: order.kernelHeight * columns, columns: columns, start: -Int(a.pad_top) * row - Int(a.pad_left) * pixel,
      row: Int(a.dilation_y) * row, column: Int(a.dilation_x) * pixel)
    if model.isDepthwise(i) {
      a.weight_block = Int64(model.depthwiseBlockBytes(i))
      let kernel =
        x.isFloat ? kernels.depthwise_f32 : y.isFloat ? kernels.depthwise_u8_f32 : kernels.depthwise_u8
      return add(i, kernel, a)
    }
    if model.groups(i) > 1 {
      let weights = a.weights!
      a.blocks = blocks(model.blockOrder(i, taps: model.taps(i)), weights, Int(a.x.block), taps)
    } else {
      a.weight_block = Int64(order.blockBytes)
      (a.full_segments, a.full_steps) = (Int32(order.fullSegments), Int32(order.fullSteps))
      (a.last_segments, a.last_steps) = (Int32(order.lastSegments), Int32(order.lastSteps))
      a.offsets = offsets(0..<order.segments / taps.count, Int(a.x.block), taps)
    }
    add(i, convolutionKernel(x, y), a, perPart: Self.convolutionWork)
  }

  /// What all convolutions of an operator have in common.
  private func convolution(_ i: Int, _ x: Operand, _ y: Operand) -> cnn_conv {
    var a = cnn_conv()
    (a.x, a.y) = (x.view, y.view)
    (a.low, a.high) = range(i)
    a.requantize.zero_point = y.zeroPoint
    if !y.isFloat { (a.requantize.low, a.requantize.high) = (a.low, a.high) }
    return a
  }

  private func convolutionKernel(_ x: Operand, _ y: Operand) -> cnn_kernel? {
    x.isFloat ? kernels.conv_f32 : y.isFloat ? kernels.conv_u8_f32 : kernels.conv_u8
  }

  /// Where the places of a kernel find their pixels, in bytes from the output pixel's place in x. Of a kernel's row that is read whole,
  /// the first.
  private struct Taps {
    let count, columns: Int
    let start, row, column: Int
    func offset(_ tap: Int) -> Int { start + tap / columns * row + tap % columns * column }
  }

  /// Bytes from an output pixel's place in x to each segment: blocks of input channels, then taps.
  private mutating func offsets(_ blocks: Range<Int>, _ block: Int, _ taps: Taps) -> UnsafePointer<Int32>? {
    guard let table = arena.take(Int32.self, taps.count * blocks.count) else { return nil }
    var next = table
    for b in blocks {
      for tap in 0..<taps.count {
        next.pointee = Int32(truncatingIfNeeded: b * block + taps.offset(tap))
        next += 1
      }
    }
    return UnsafePointer(table)
  }

  /// Of a grouped convolution. Blocks of output channels that read the same inputs share a table.
  private mutating func blocks(
    _ order: BlockOrder, _ weights: UnsafePointer<UInt8>, _ inputBlock: Int, _ taps: Taps
  ) -> UnsafePointer<cnn_conv_block>? {
    let table = arena.take(cnn_conv_block.self, order.blocks)
    var (start, last) = (weights, 0..<0)
    var shared: UnsafePointer<Int32>?
    for block in 0..<order.blocks {
      let s = order.segments(ofBlock: block)
      if order.inputs(ofBlock: block) != last {
        last = order.inputs(ofBlock: block)
        shared = offsets(last, inputBlock, taps)
      }
      (table.map { $0 + block })?.initialize(
        to: cnn_conv_block(
          weights: start, offsets: shared, full_segments: Int32(s.full), full_steps: Int32(s.fullSteps),
          last_segments: Int32(s.last), last_steps: Int32(s.lastSteps)))
      start += order.bytes(ofBlock: block)
    }
    return UnsafePointer(table)
  }

  // MARK: - Transposed

  mutating func prepareTransposed(_ i: Int) {
    let (x, y) = (operand(i), result(i))
    let (rows, columns) = (TransposedAxis.vertical(model, i), TransposedAxis.horizontal(model, i))
    let group = model.groups(i)
    var weights = model.data(model.input(i, 1)!).assumingMemoryBound(to: UInt8.self)
    for py in 0..<rows.window.stride {
      for px in 0..<columns.window.stride {
        let (down, right) = (rows.sources(py), columns.sources(px))
        let order = model.blockOrder(i, taps: down.count * right.count)
        let phaseWeights = weights
        weights += order.bytes
        guard rows.count(py) > 0, columns.count(px) > 0 else { continue }
        var a = convolution(i, x, y)
        (a.bias, a.requantize.scale) = channels(i, x, phase: py * columns.window.stride + px)
        // The segments alone say what is summed: a kernel of no size.
        (a.stride_y, a.stride_x, a.dilation_y, a.dilation_x) = (1, 1, 1, 1)
        a.weights = phaseWeights
        take(&a.y, rows, py, columns, px)
        let (row, pixel, block) = (Int(a.x.row), Int(a.x.pixel), Int(a.x.block))
        let taps = Taps(
          count: order.taps, columns: right.count, start: down.first * row + right.first * pixel,
          row: down.step * row, column: right.step * pixel)
        if group > 1 {
          a.blocks = blocks(order, phaseWeights, block, taps)
        } else {
          let s = order.segments(ofBlock: 0)
          a.weight_block = Int64(order.bytes(ofBlock: 0))
          (a.full_segments, a.full_steps) = (Int32(s.full), Int32(s.fullSteps))
          (a.last_segments, a.last_steps) = (Int32(s.last), Int32(s.lastSteps))
          a.offsets = offsets(order.inputs(ofBlock: 0), block, taps)
        }
        add(i, convolutionKernel(x, y), a, perPart: Self.convolutionWork)
      }
    }
    if y.view.halo > 0 { add(i, kernels.fill_halo, cnn_halo(view: y.view, is_float: y.isFloat ? 1 : 0)) }
  }

  /// The outputs of a phase.
  private func take(_ y: inout cnn_view, _ rows: TransposedAxis, _ py: Int, _ columns: TransposedAxis, _ px: Int) {
    y.data += rows.first(py) * Int(y.row) + columns.first(px) * Int(y.pixel)
    y.row *= Int64(rows.window.stride)
    y.pixel = Int32(truncatingIfNeeded: Int(y.pixel) * columns.window.stride)
    (y.height, y.width, y.halo) = (Int32(rows.count(py)), Int32(columns.count(px)), 0)
  }

  // MARK: - Channels

  /// Bias and, of an int8 layer, multipliers.
  private mutating func channels(_ i: Int, _ x: Operand, phase: Int) -> (UnsafeRawPointer?, UnsafePointer<Float>?) {
    let count = model.tensor(model.output(i)).channels
    let padded = (count + 15) & ~15
    guard !x.isFloat else { return (UnsafeRawPointer(floats(i, 2) ?? UnsafePointer(zeros(padded))), nil) }
    let (bias, scale) = (arena.take(Int32.self, padded), zeros(padded))
    guard let bias, let scale else { return (nil, nil) }
    let given = model.input(i, 2).map { model.data($0).assumingMemoryBound(to: Int32.self) }
    let sums = model.data(model.input(i, 3)!).assumingMemoryBound(to: Int32.self) + phase * padded
    for c in 0..<padded { bias[c] = (given?[c] ?? 0) &+ (kernels.input_offset - x.zeroPoint) &* sums[c] }
    for c in 0..<count { scale[c] = model.multiplier(i, c) }
    return (UnsafeRawPointer(bias), UnsafePointer(scale))
  }
}
