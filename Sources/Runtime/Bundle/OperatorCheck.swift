import CBundle
import CCNNRT

/// Operands, attributes and shapes of each operator, guarantees 6 to 8: which check a kind has, and what checks are made of.
/// The checks themselves are in one file per family.
extension Model {
  func checkOperatorKind(_ i: Int) throws(Failure) {
    let o = operators[i]
    try checkFusedActivation(o)
    switch Int(o.kind) {
    case CNNB_OP_CONV, CNNB_OP_GEMM, CNNB_OP_CONV_TRANSPOSE: try checkConvolution(i)
    case CNNB_OP_BATCH_NORMALIZATION: try checkBatchNormalization(i)
    case CNNB_OP_MAX_POOL, CNNB_OP_AVERAGE_POOL: try checkPool(i)
    case CNNB_OP_GLOBAL_AVERAGE_POOL, CNNB_OP_GLOBAL_MAX_POOL: try checkGlobalPool(i)
    case CNNB_OP_RELU, CNNB_OP_CLIP, CNNB_OP_DROPOUT: try checkUnchangedKind(i)
    case CNNB_OP_LEAKY_RELU, CNNB_OP_ELU, CNNB_OP_SIGMOID, CNNB_OP_TANH, CNNB_OP_SWISH, CNNB_OP_HARD_SIGMOID,
      CNNB_OP_HARD_SWISH, CNNB_OP_GELU, CNNB_OP_ERF:
      try checkUnary(i)
    case CNNB_OP_PRELU: try checkPRelu(i)
    case CNNB_OP_ADD, CNNB_OP_SUB, CNNB_OP_MUL, CNNB_OP_DIV: try checkBinary(i)
    case CNNB_OP_SOFTMAX: try checkSoftmax(i)
    case CNNB_OP_FLATTEN, CNNB_OP_RESHAPE: try checkReshape(i)
    case CNNB_OP_CONCAT: try checkConcat(i)
    case CNNB_OP_SLICE: try checkSlice(i)
    case CNNB_OP_PAD: try checkPad(i)
    case CNNB_OP_TRANSPOSE: try checkTranspose(i)
    case CNNB_OP_RESIZE: try checkResize(i)
    case CNNB_OP_DEPTH_TO_SPACE, CNNB_OP_SPACE_TO_DEPTH: try checkDepthToSpace(i)
    case CNNB_OP_REDUCE_MEAN, CNNB_OP_REDUCE_SUM, CNNB_OP_REDUCE_MAX, CNNB_OP_REDUCE_MIN: try checkReduce(i)
    case CNNB_OP_LRN: try checkLRN(i)
    case CNNB_OP_LAYER_NORMALIZATION: try checkLayerNormalization(i)
    case CNNB_OP_GROUP_NORMALIZATION, CNNB_OP_INSTANCE_NORMALIZATION: try checkGroupNormalization(i)
    case CNNB_OP_MATMUL: try checkMatMul(i)
    case CNNB_OP_QUANTIZE_LINEAR, CNNB_OP_DEQUANTIZE_LINEAR: try checkConversion(i)
    default:
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "operator kind % is not known. Use a newer library.", Int(o.kind))
    }
  }

  private func checkFusedActivation(_ o: cnnb_operator) throws(Failure) {
    switch Int(o.activation) {
    case CNNB_ACTIVATION_NONE: return
    case CNNB_ACTIVATION_RELU: break
    case CNNB_ACTIVATION_CLIP:
      guard o.activation_values.0 <= o.activation_values.1 else {
        throw .format("its activation's minimum is more than its maximum, or not a number")
      }
    default:
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "activation % is not known. Use a newer library.", Int(o.activation))
    }
    switch Int(o.kind) {
    case CNNB_OP_CONV, CNNB_OP_CONV_TRANSPOSE, CNNB_OP_GEMM, CNNB_OP_BATCH_NORMALIZATION, CNNB_OP_ADD, CNNB_OP_SUB,
      CNNB_OP_MUL, CNNB_OP_DIV:
      return
    default: throw .format("it cannot have an activation")
    }
  }

  // MARK: - Operands

  func operands(_ i: Int, _ allowed: ClosedRange<Int>) throws(Failure) {
    let count = Int(operators[i].input_count)
    guard allowed.contains(count) else { throw .format("it has % inputs", count) }
  }

  func activation(_ i: Int, _ operand: Int) throws(Failure) -> cnnb_tensor {
    guard let t = input(i, operand), !isConstant(t) else { throw .format("operand % must be an activation", operand) }
    return tensors[t]
  }

  /// The only operand, or the first of `count`.
  func activation(_ i: Int, of count: ClosedRange<Int> = 1...1) throws(Failure) -> cnnb_tensor {
    try operands(i, count)
    return try activation(i, 0)
  }

  func perChannel(_ i: Int, _ operand: Int, _ type: Int, _ count: Int) throws(Failure) {
    guard let t = input(i, operand), isConstant(t), tensors[t].layout == UInt32(CNNB_LAYOUT_CHANNELS),
      tensors[t].type == UInt32(type), tensors[t].dim(0) == count,
      tensors[t].data_bytes == UInt64((count + 15) / 16 * 64)
    else { throw .format("operand % must be a constant with one value for each of % channels", operand, count) }
  }

  /// A constant list.
  func list(_ i: Int, _ operand: Int, _ type: Int, _ count: Int) throws(Failure) {
    guard let t = input(i, operand), isConstant(t), tensors[t].layout == UInt32(CNNB_LAYOUT_PLAIN),
      tensors[t].type == UInt32(type), tensors[t].rank == 1, tensors[t].dim(0) == count
    else { throw .format("operand % must be a constant list of % plain elements", operand, count) }
  }

  /// An activation, or a plain constant of that type (uint8: with a scale).
  func operand(_ i: Int, _ operand: Int, like y: cnnb_tensor) throws(Failure) -> Int {
    guard let t = input(i, operand), tensors[t].type == y.type else {
      throw .format("operand % is missing, or its type is not the output's", operand)
    }
    guard isConstant(t) else { return t }
    guard tensors[t].layout == UInt32(CNNB_LAYOUT_PLAIN),
      y.isFloat || tensors[t].quantization != CNNB_NONE && quantization(tensors[t]).scale_count == 1
    else { throw .format("operand % is a constant that is not plain, or has no scale", operand) }
    return t
  }

  // MARK: - Outputs

  func output(_ i: Int, like x: cnnb_tensor, _ shape: TensorShape, sameQuantization: Bool) throws(Failure) {
    let y = tensors[output(i)]
    guard y.type == x.type else { throw .format("an input and the output differ in type") }
    try require(y, shape)
    guard !sameQuantization || hasQuantization(of: x, y) else {
      throw .format("its input and output must have one quantization")
    }
  }

  func require(_ y: cnnb_tensor, _ shape: TensorShape) throws(Failure) {
    guard y.rank == shape.rank else { throw .format("its output must have rank %", shape.rank) }
    for d in 0..<shape.rank where y.dim(d) != shape[d] {
      throw .format("its output's dimension % is % and must be %", d, y.dim(d), shape[d])
    }
  }

  func requireRank(_ t: cnnb_tensor, _ allowed: ClosedRange<Int>) throws(Failure) {
    guard allowed.contains(Int(t.rank)) else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "its input has rank % and must have at least %", Int(t.rank), allowed.lowerBound)
    }
  }

  /// Of rank 4, with sides that windows can be counted over.
  func requireImage(_ t: cnnb_tensor) throws(Failure) {
    guard t.rank == 4 else { throw .format("its input has rank % and must have 4", Int(t.rank)) }
    guard t.height <= Self.sideLimit, t.width <= Self.sideLimit else {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "a side is longer than %. Use a smaller image.", Self.sideLimit)
    }
  }

  /// An axis that is not the batch.
  func requireAxis(_ axis: UInt32, _ rank: Int) throws(Failure) {
    guard axis >= 1, Int(axis) < rank else {
      throw .format("its axis % is not one of the axes 1 to %", Int(axis), rank - 1)
    }
  }

  // MARK: - Numbers

  func quantization(_ t: cnnb_tensor) -> cnnb_quantization { quantizations![Int(t.quantization)] }

  /// Of activations of one type: whether a stored value means the same in both.
  public func hasQuantization(of x: cnnb_tensor, _ y: cnnb_tensor) -> Bool {
    guard x.isUInt8, x.quantization != y.quantization else { return true }
    let (a, b) = (quantization(x), quantization(y))
    return a.zero_point == b.zero_point && scales![Int(a.first_scale)] == scales![Int(b.first_scale)]
  }

  func requireScale(_ x: Float) throws(Failure) {
    guard isScale(x) else { throw .format("a product or quotient of its scales is not finite, positive and normal") }
  }

  /// The scale of operand 0 in steps of the output's.
  func requireScaleRatio(_ i: Int, operand: Int = 0, elements: Int = 1) throws(Failure) {
    let y = output(i)
    guard tensors[y].isUInt8 else { return }
    let ratio = scale(input(i, operand)!) / scale(y)
    try requireScale(ratio)
    try requireScale(ratio / Float(elements))
  }

  func requireFinite(_ x: (Float, Float, Float, Float)) throws(Failure) {
    guard x.0.isFinite, x.1.isFinite, x.2.isFinite, x.3.isFinite else { throw .format("a parameter is not finite") }
  }

  /// Sums of so many differences of stored values fit an int32.
  func requireSum(_ x: cnnb_tensor, of elements: Int) throws(Failure) {
    guard x.isFloat || elements <= Int(Int32.max) / 255 else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "it adds % bytes, which can be more than an int32 holds. Use float.", elements)
    }
  }
}
