import CBundle
import CCNNRT

/// Operands, attributes and shapes of each operator: guarantees 6 to 8.
extension Model {
  func checkOperatorKind(_ i: Int) throws(Failure) {
    let o = operators[i]
    let y = tensors[output(i)]
    let kind = Int(o.kind)
    guard o.activation == 0 || Int(o.activation) == CNNB_ACTIVATION_RELU && canFuse(kind) else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "activation % does not work in this operator. Use a newer library.", Int(o.activation))
    }
    let x = try activation(i, 0)
    switch kind {
    case CNNB_OP_CONV: try checkConv(i, x, y)
    case CNNB_OP_GEMM: try checkGemm(i, x, y)
    case CNNB_OP_BATCH_NORMALIZATION: try checkBatchNormalization(i, x, y)
    case CNNB_OP_RELU:
      try operands(i, 1...1)
      try require(y, x, x.rank, (x.channels, x.height, x.width), sameQuantization: true)
    case CNNB_OP_MAX_POOL, CNNB_OP_AVERAGE_POOL: try checkPool(i, x, y)
    case CNNB_OP_GLOBAL_AVERAGE_POOL, CNNB_OP_GLOBAL_MAX_POOL:
      try operands(i, 1...1)
      guard x.rank == 4 else { throw .format("its input has rank % and must have 4", Int(x.rank)) }
      let isMax = kind == CNNB_OP_GLOBAL_MAX_POOL
      try require(y, x, 4, (x.channels, 1, 1), sameQuantization: isMax)
      if !isMax { try checkAverage(i, x, elements: x.height * x.width) }
    case CNNB_OP_ADD:
      try operands(i, 2...2)
      let b = try activation(i, 1)
      try require(y, x, x.rank, (x.channels, x.height, x.width), sameQuantization: false)
      try require(y, b, b.rank, (b.channels, b.height, b.width), sameQuantization: false)
      if x.isUInt8 {
        try requireScale(scale(input(i, 0)!) / scale(output(i)))
        try requireScale(scale(input(i, 1)!) / scale(output(i)))
      }
    case CNNB_OP_FLATTEN:
      try operands(i, 1...1)
      try require(y, x, 2, (x.channels * x.height * x.width, 1, 1), sameQuantization: true)
    case CNNB_OP_SOFTMAX:
      try operands(i, 1...1)
      guard x.rank == 2, o.integers.0 == 1 else {
        throw Failure(CNNRT_ERROR_UNSUPPORTED, "only Softmax over axis 1 of rank 2 works. Use a newer library.")
      }
      guard y.isFloat else { throw .format("its output must be float32") }
      try requireShape(y, 2, (x.channels, 1, 1))
    default: throw Failure(CNNRT_ERROR_UNSUPPORTED, "operator kind % is not known. Use a newer library.", kind)
    }
  }

  private func canFuse(_ kind: Int) -> Bool {
    kind == CNNB_OP_CONV || kind == CNNB_OP_GEMM || kind == CNNB_OP_BATCH_NORMALIZATION || kind == CNNB_OP_ADD
  }

  // MARK: - Convolution, fully connected

  private func checkConv(_ i: Int, _ x: cnnb_tensor, _ y: cnnb_tensor) throws(Failure) {
    let o = operators[i]
    let weight = try checkWeight(i, x, y, rank: 4)
    let (v, h) = (Window.vertical(o), Window.horizontal(o))
    guard v.isValid, h.isValid, v.kernel == weight.dim(2), h.kernel == weight.dim(3) else {
      throw .format("its window is not valid or not that of its weight (% by %)", weight.dim(2), weight.dim(3))
    }
    guard o.window.group == 1 else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "a convolution of % groups does not work. Use a newer library.", Int(o.window.group))
    }
    guard o.window.ceil_mode | o.window.count_include_pad == 0 else { throw .format("it has a pool's attributes") }
    try requireShape(
      y, 4, (weight.dim(0), v.outputLength(x.height, ceil: false), h.outputLength(x.width, ceil: false)))
  }

  private func checkGemm(_ i: Int, _ x: cnnb_tensor, _ y: cnnb_tensor) throws(Failure) {
    try requireShape(y, 2, (try checkWeight(i, x, y, rank: 2).dim(0), 1, 1))
  }

  /// Weight, bias and weight sums.
  private func checkWeight(_ i: Int, _ x: cnnb_tensor, _ y: cnnb_tensor, rank: Int) throws(Failure) -> cnnb_tensor {
    try operands(i, x.isFloat ? 2...3 : 4...4)
    guard let w = input(i, 1), isConstant(w), tensors[w].layout == UInt32(CNNB_LAYOUT_CONV),
      tensors[w].type == UInt32(x.isFloat ? CNNB_TYPE_FLOAT32 : CNNB_TYPE_INT8)
    else { throw .format("its weight is not a constant of the input's kind in kernel order") }
    let weight = tensors[w]
    guard Int(x.rank) == rank, Int(weight.rank) == rank, weight.dim(1) == x.channels else {
      throw .format("its input has % channels and its weight takes % (rank %)", x.channels, weight.dim(1), rank)
    }
    let order = ConvOrder(weight: weight, dilationX: rank == 4 ? Int(operators[i].window.dilation_x) : 1)
    guard weight.data_bytes == UInt64(order.bytes) else {
      throw .format("its weight has % bytes of data and should have %", Int(clamping: weight.data_bytes), order.bytes)
    }
    let type = x.isFloat ? CNNB_TYPE_FLOAT32 : CNNB_TYPE_INT32
    if input(i, 2) != nil { try perChannel(i, 2, type, order.outputChannels) }
    guard !x.isFloat else {
      guard y.isFloat else { throw .format("its input is float32 and its output is not") }
      return weight
    }
    try perChannel(i, 3, type, order.outputChannels)
    guard weight.quantization != CNNB_NONE else { throw .format("its weight has no scales") }
    let q = quantizations![Int(weight.quantization)]
    guard Int(q.scale_count) == order.outputChannels, q.zero_point == 0, q.axis == 0 else {
      throw .format(
        "its weight has % scales and must have one for each of % channels", Int(q.scale_count), order.outputChannels)
    }
    for c in 0..<order.outputChannels { try requireScale(multiplier(i, c)) }
    return weight
  }

  /// What turns an int8 layer's sum of one output channel into the output: (sx · sw) / sy, or sx · sw for a float32 output.
  public func multiplier(_ i: Int, _ channel: Int) -> Float {
    let product = scale(input(i, 0)!) * weightScale(input(i, 1)!, channel)
    return tensors[output(i)].isFloat ? product : product / scale(output(i))
  }

  // MARK: - Others

  private func checkBatchNormalization(_ i: Int, _ x: cnnb_tensor, _ y: cnnb_tensor) throws(Failure) {
    try operands(i, 5...5)
    guard x.isFloat else { throw .format("its input must be float32") }
    for k in 1...4 { try perChannel(i, k, CNNB_TYPE_FLOAT32, x.channels) }
    let epsilon = operators[i].values.0
    guard epsilon.isFinite, epsilon >= 0 else { throw .format("its epsilon is negative or not finite") }
    try require(y, x, x.rank, (x.channels, x.height, x.width), sameQuantization: false)
  }

  private func checkPool(_ i: Int, _ x: cnnb_tensor, _ y: cnnb_tensor) throws(Failure) {
    try operands(i, 1...1)
    let o = operators[i]
    guard x.rank == 4 else { throw .format("its input has rank % and must have 4", Int(x.rank)) }
    let isMax = Int(o.kind) == CNNB_OP_MAX_POOL
    guard o.window.ceil_mode <= 1, o.window.count_include_pad <= (isMax ? 0 : 1), o.window.group <= 1 else {
      throw .format("an attribute is out of range")
    }
    let ceil = o.window.ceil_mode == 1
    let (v, h) = (Window.vertical(o), Window.horizontal(o))
    guard v.isValid, h.isValid else { throw .format("its window is not valid") }
    let (rows, columns) = (v.outputLength(x.height, ceil: ceil), h.outputLength(x.width, ceil: ceil))
    try require(y, x, 4, (x.channels, rows, columns), sameQuantization: isMax)
    guard v.alwaysMeetsInput(x.height, outputs: rows), h.alwaysMeetsInput(x.width, outputs: columns) else {
      throw .format("a window lies wholly in the padding")
    }
    if !isMax { try checkAverage(i, x, elements: v.kernel * h.kernel) }
  }

  private func checkAverage(_ i: Int, _ x: cnnb_tensor, elements: Int) throws(Failure) {
    guard x.isUInt8 else { return }
    let ratio = scale(input(i, 0)!) / scale(output(i))
    try requireScale(ratio)
    try requireScale(ratio / Float(elements))
  }

  /// Operations per image: multiply-adds, comparisons, elements written.
  public func work(_ i: Int) -> Int {
    let o = operators[i]
    let (x, y) = (tensors[input(i, 0)!], tensors[output(i)])
    var perElement = 1
    switch Int(o.kind) {
    case CNNB_OP_CONV, CNNB_OP_GEMM: return multiplyAdds(i)
    case CNNB_OP_MAX_POOL, CNNB_OP_AVERAGE_POOL:
      perElement = Int(o.window.kernel_height) * Int(o.window.kernel_width)
    case CNNB_OP_GLOBAL_AVERAGE_POOL, CNNB_OP_GLOBAL_MAX_POOL: return x.elementCount!
    default: break
    }
    let (product, overflow) = y.elementCount!.multipliedReportingOverflow(by: perElement)
    return overflow ? Int.max : product
  }

  /// Multiply-adds per image; 0 where there are no weights.
  public func multiplyAdds(_ i: Int) -> Int {
    let kind = Int(operators[i].kind)
    guard kind == CNNB_OP_CONV || kind == CNNB_OP_GEMM else { return 0 }
    let weight = tensors[input(i, 1)!]
    // Both below 2³¹.
    return weight.elementCount! / weight.dim(0) * tensors[output(i)].elementCount!
  }

  // MARK: - Parts of the checks

  private func operands(_ i: Int, _ allowed: ClosedRange<Int>) throws(Failure) {
    let count = Int(operators[i].input_count)
    guard allowed.contains(count) else { throw .format("it has % inputs", count) }
  }

  private func activation(_ i: Int, _ operand: Int) throws(Failure) -> cnnb_tensor {
    guard let t = input(i, operand), !isConstant(t) else { throw .format("operand % must be an activation", operand) }
    return tensors[t]
  }

  private func perChannel(_ i: Int, _ operand: Int, _ type: Int, _ count: Int) throws(Failure) {
    guard let t = input(i, operand), isConstant(t), tensors[t].layout == UInt32(CNNB_LAYOUT_CHANNELS),
      tensors[t].type == UInt32(type), tensors[t].dim(0) == count
    else { throw .format("operand % must be a constant with one value for each of % channels", operand, count) }
  }

  private func require(
    _ y: cnnb_tensor, _ x: cnnb_tensor, _ rank: UInt32, _ shape: (Int, Int, Int), sameQuantization: Bool
  ) throws(Failure) {
    guard y.type == x.type else { throw .format("an input and the output differ in type") }
    try requireShape(y, rank, shape)
    guard sameQuantization, x.isUInt8, x.quantization != y.quantization else { return }
    let (a, b) = (quantizations![Int(x.quantization)], quantizations![Int(y.quantization)])
    guard a.zero_point == b.zero_point, scales![Int(a.first_scale)] == scales![Int(b.first_scale)] else {
      throw .format("its input and output must have one quantization")
    }
  }

  private func requireShape(_ y: cnnb_tensor, _ rank: UInt32, _ shape: (Int, Int, Int)) throws(Failure) {
    guard y.rank == rank, y.channels == shape.0, y.height == shape.1, y.width == shape.2 else {
      throw .format("its output must have % channels of % by %", shape.0, shape.1, shape.2)
    }
  }

  private func requireScale(_ x: Float) throws(Failure) {
    guard isScale(x) else { throw .format("a product or quotient of its scales is not finite, positive and normal") }
  }
}
