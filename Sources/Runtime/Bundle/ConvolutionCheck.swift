import CBundle
import CCNNRT

/// Conv, ConvTranspose, Gemm.
extension Model {
  func checkConvolution(_ i: Int) throws(Failure) {
    let x = try activation(i, 0)
    try operands(i, x.isFloat ? 2...3 : 4...4)
    let (y, kind) = (tensors[output(i)], Int(operators[i].kind))
    let isGemm = kind == CNNB_OP_GEMM
    guard let w = input(i, 1), isConstant(w), tensors[w].type == UInt32(x.isFloat ? CNNB_TYPE_FLOAT32 : CNNB_TYPE_INT8)
    else { throw .format("its weight is not a constant of the input's kind") }
    let weight = tensors[w]
    guard x.rank == (isGemm ? 2 : 4), weight.rank == x.rank else {
      throw .format("its input has rank % and its weight rank %", Int(x.rank), Int(weight.rank))
    }
    if !isGemm {
      try requireImage(x)
      try requireImage(y)
    }
    let phases =
      isGemm
      ? try checkGemm(i, x, weight)
      : kind == CNNB_OP_CONV ? try checkConv(i, x, weight) : try checkConvTranspose(i, x, weight)
    try checkWeight(i, weight)
    try checkChannels(i, x, y, phases: phases)
  }

  private func checkGemm(_ i: Int, _ x: cnnb_tensor, _ weight: cnnb_tensor) throws(Failure) -> Int {
    guard weight.dim(1) == x.channels, weight.layout == UInt32(CNNB_LAYOUT_CONV) else {
      throw .format(
        "its input has % channels and its weight takes %, or is not in kernel order", x.channels, weight.dim(1))
    }
    var shape = TensorShape(x)
    shape[1] = weight.dim(0)
    try require(tensors[output(i)], shape)
    return 1
  }

  private func checkConv(_ i: Int, _ x: cnnb_tensor, _ weight: cnnb_tensor) throws(Failure) -> Int {
    let (v, h) = try windows(i, weight)
    let group = groups(i), outputs = weight.dim(0)
    guard 1...outputs ~= group, outputs % group == 0, x.channels % group == 0,
      weight.dim(1) == x.channels / group
    else {
      throw .format(
        "its % input channels are not % times (groups) the % of its weight", x.channels, group, weight.dim(1))
    }
    let isDepthwise = group > 1 && group == x.channels && group == outputs
    guard weight.layout == UInt32(isDepthwise ? CNNB_LAYOUT_DEPTHWISE : CNNB_LAYOUT_CONV) else {
      throw .format("its weight is not in kernel order")
    }
    try require(
      tensors[output(i)],
      TensorShape(1, outputs, v.outputLength(x.height, ceil: false), h.outputLength(x.width, ceil: false)))
    return 1
  }

  private func checkConvTranspose(_ i: Int, _ x: cnnb_tensor, _ weight: cnnb_tensor) throws(Failure) -> Int {
    let (v, h) = try windows(i, weight)
    let (group, o) = (groups(i), operators[i])
    guard 1...x.channels ~= group, x.channels % group == 0, weight.dim(0) == x.channels,
      weight.layout == UInt32(CNNB_LAYOUT_CONV_TRANSPOSE)
    else {
      throw .format(
        "its % input channels are not those of its weight (%) in % groups", x.channels, weight.dim(0), group)
    }
    guard v.stride * h.stride <= 1024, v.kernel <= 1024, h.kernel <= 1024 else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "a kernel longer than 1024, or a product of strides more than that, does not work")
    }
    guard Int(o.integers.0) < max(v.stride, v.dilation), Int(o.integers.1) < max(h.stride, h.dilation) else {
      throw .format("its output padding is not less than stride or dilation")
    }
    let (rows, columns) = (TransposedAxis.vertical(self, i), TransposedAxis.horizontal(self, i))
    try require(
      tensors[output(i)],
      TensorShape(
        1, weight.dim(1) * group, rows.naturalLength + Int(o.integers.0), columns.naturalLength + Int(o.integers.1)))
    guard max(rows.reach, columns.reach) <= Self.sideLimit else {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "its kernel reaches farther than % outside its input", Self.sideLimit)
    }
    return v.stride * h.stride
  }

  private func windows(_ i: Int, _ weight: cnnb_tensor) throws(Failure) -> (Window, Window) {
    let o = operators[i]
    let (v, h) = (Window.vertical(o), Window.horizontal(o))
    guard v.isValid, h.isValid, v.kernel == weight.dim(2), h.kernel == weight.dim(3) else {
      throw .format("its window is not valid or not that of its weight (% by %)", weight.dim(2), weight.dim(3))
    }
    guard o.window.ceil_mode | o.window.count_include_pad == 0 else { throw .format("it has a pool's attributes") }
    return (v, h)
  }

  private func checkWeight(_ i: Int, _ weight: cnnb_tensor) throws(Failure) {
    var blocks = WeightBlocks(self, i, skipsEmptyPhases: true)
    // Not farther than the data go: there can be 2³¹ channels.
    while UInt64(blocks.start) <= weight.data_bytes, blocks.next() {}
    let bytes = blocks.start
    guard weight.data_bytes == UInt64(bytes) else {
      throw .format("its weight has % bytes of data and should have %", Int(clamping: weight.data_bytes), bytes)
    }
  }

  /// Bias, weight sums and scales.
  private func checkChannels(_ i: Int, _ x: cnnb_tensor, _ y: cnnb_tensor, phases: Int) throws(Failure) {
    let type = x.isFloat ? CNNB_TYPE_FLOAT32 : CNNB_TYPE_INT32
    if input(i, 2) != nil { try perChannel(i, 2, type, y.channels) }
    guard !x.isFloat else {
      guard y.isFloat else { throw .format("its input is float32 and its output is not") }
      return
    }
    let sums = phases * ((y.channels + 15) & ~15)
    guard let s = input(i, 3), isConstant(s), tensors[s].type == UInt32(type),
      tensors[s].data_bytes == UInt64(4 * sums)
    else { throw .format("its weight sums must be a constant of % values", sums) }
    let weight = tensors[input(i, 1)!]
    guard weight.quantization != CNNB_NONE else { throw .format("its weight has no scales") }
    let q = quantization(weight)
    guard Int(q.scale_count) == y.channels, q.zero_point == 0, q.axis <= 1 else {
      throw .format(
        "its weight has % scales and must have one for each of % channels", Int(q.scale_count), y.channels)
    }
    for c in 0..<y.channels { try requireScale(multiplier(i, c)) }
  }

  /// What turns an int8 layer's sum of one output channel into the output: (sx · sw) / sy, or sx · sw for a float32 output.
  public func multiplier(_ i: Int, _ channel: Int) -> Float {
    let product = scale(input(i, 0)!) * weightScale(input(i, 1)!, channel)
    return tensors[output(i)].isFloat ? product : product / scale(output(i))
  }
}
