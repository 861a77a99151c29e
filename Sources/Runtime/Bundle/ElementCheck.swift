import CBundle
import CCNNRT

/// What works element by element: activations, arithmetic with broadcasting, batch normalisation.
extension Model {
  /// Relu, Clip, Dropout: stored values of one quantization.
  func checkUnchangedKind(_ i: Int) throws(Failure) {
    let (x, o) = (try activation(i), operators[i])
    switch Int(o.kind) {
    case CNNB_OP_CLIP:
      guard o.values.0 <= o.values.1 else { throw .format("its minimum is more than its maximum, or not a number") }
    case CNNB_OP_DROPOUT:
      guard o.values.0 >= 0, o.values.0 < 1 else { throw .format("its ratio is not 0 to below 1") }
    default: break
    }
    try output(i, like: x, TensorShape(x), sameQuantization: true)
  }

  /// uint8: by the table of results.
  func checkUnary(_ i: Int) throws(Failure) {
    let x = try activation(i, 0)
    try operands(i, x.isFloat ? 1...1 : 2...2)
    if x.isUInt8 { try list(i, 1, CNNB_TYPE_UINT8, 256) }
    try requireFinite(operators[i].values)
    guard operators[i].integers.0 <= 1 else { throw .format("an attribute is out of range") }
    try output(i, like: x, TensorShape(x), sameQuantization: false)
  }

  /// From float32 to uint8, or back.
  func checkConversion(_ i: Int) throws(Failure) {
    let (x, y) = (try activation(i), tensors[output(i)])
    let quantizes = Int(operators[i].kind) == CNNB_OP_QUANTIZE_LINEAR
    guard x.isFloat == quantizes, y.isUInt8 == quantizes else { throw .format("an input or output has the wrong type") }
    try require(y, TensorShape(x))
  }

  func checkPRelu(_ i: Int) throws(Failure) {
    let x = try activation(i, of: 2...2)
    try requireRank(x, 2...6)
    try perChannel(i, 1, CNNB_TYPE_FLOAT32, x.channels)
    try output(i, like: x, TensorShape(x), sameQuantization: false)
    try requireScaleRatio(i)
  }

  func checkBatchNormalization(_ i: Int) throws(Failure) {
    let x = try activation(i, of: 5...5)
    try requireRank(x, 2...6)
    guard x.isFloat else { throw .format("its input must be float32") }
    for k in 1...4 { try perChannel(i, k, CNNB_TYPE_FLOAT32, x.channels) }
    try requireEpsilon(i)
    try output(i, like: x, TensorShape(x), sameQuantization: false)
  }

  func requireEpsilon(_ i: Int) throws(Failure) {
    let epsilon = operators[i].values.0
    guard epsilon.isFinite, epsilon >= 0 else { throw .format("its epsilon is negative or not finite") }
  }

  func checkBinary(_ i: Int) throws(Failure) {
    try operands(i, 2...2)
    let y = tensors[output(i)]
    let (a, b) = (try operand(i, 0, like: y), try operand(i, 1, like: y))
    try requireBroadcast(i, a, b, Int(max(tensors[a].rank, tensors[b].rank)), before: 0)
    guard y.isUInt8 else { return }
    let (sa, sb, sy) = (scale(a), scale(b), scale(output(i)))
    switch Int(operators[i].kind) {
    case CNNB_OP_MUL:
      try requireScale(sa * sb)
      try requireScale((sa * sb) / sy)
    case CNNB_OP_DIV: try requireScale(sa / sy)
    default:
      try requireScale(sa / sy)
      try requireScale(sb / sy)
    }
  }

  /// The output's shape is that of two operands, of which not both are constants, but for the last `before` axes.
  func requireBroadcast(_ i: Int, _ a: Int, _ b: Int, _ rank: Int, before: Int) throws(Failure) {
    guard !isConstant(a) || !isConstant(b) else { throw .format("both operands are constants") }
    let y = tensors[output(i)]
    guard Int(y.rank) == rank else { throw .format("its output must have rank %", rank) }
    func hasBatch(_ t: Int) -> Bool {
      rank > before && isConstant(t) && Int(tensors[t].rank) == rank && tensors[t].dim(0) > 1
    }
    guard !hasBatch(a), !hasBatch(b) else { throw .format("a constant cannot have a batch of its own") }
    for axis in stride(from: 1, to: rank - before, by: 1) {
      let (left, right) = (alignedDim(a, axis, rank: rank), alignedDim(b, axis, rank: rank))
      guard left == right || left == 1 || right == 1 else {
        throw .format("its operands have % and % places along axis %", left, right, axis)
      }
      guard y.dim(axis) == max(left, right) else {
        throw .format("its output's dimension % is % and must be %", axis, y.dim(axis), max(left, right))
      }
    }
  }
}
