import CBundle
import CCNNRT

/// Normalisations by what is in the tensor itself, and MatMul.
extension Model {
  func checkLRN(_ i: Int) throws(Failure) {
    let (x, o) = (try activation(i), operators[i])
    try requireImage(x)
    guard 1...Self.sideLimit ~= Int(o.integers.0) else { throw .format("its size is %", Int(o.integers.0)) }
    try requireFinite(o.values)
    try output(i, like: x, TensorShape(x), sameQuantization: false)
  }

  func checkLayerNormalization(_ i: Int) throws(Failure) {
    let x = try activation(i, of: 1...3)
    let axis = operators[i].integers.0
    try requireAxis(axis, Int(x.rank))
    for k in 1...2 {
      guard let t = input(i, k) else { continue }
      guard isConstant(t), tensors[t].isFloat, tensors[t].layout == UInt32(CNNB_LAYOUT_PLAIN),
        tensors[t].elementCount! == TensorShape(x).product(Int(axis)..<Int(x.rank))
      else { throw .format("operand % must be a plain constant of the shape that is normalised", k) }
    }
    try requireEpsilon(i)
    try output(i, like: x, TensorShape(x), sameQuantization: false)
  }

  func checkGroupNormalization(_ i: Int) throws(Failure) {
    let x = try activation(i, of: 3...3)
    try requireRank(x, 2...6)
    guard groupCount(i) >= 1, x.channels % groupCount(i) == 0 else {
      throw .format("its % channels cannot be cut into % groups", x.channels, groupCount(i))
    }
    for k in 1...2 { try perChannel(i, k, CNNB_TYPE_FLOAT32, x.channels) }
    try requireEpsilon(i)
    try output(i, like: x, TensorShape(x), sameQuantization: false)
  }

  /// InstanceNormalization is a group normalisation of as many groups as channels.
  public func groupCount(_ i: Int) -> Int {
    Int(operators[i].kind) == CNNB_OP_INSTANCE_NORMALIZATION
      ? tensors[input(i, 0)!].channels : Int(operators[i].integers.0)
  }

  func checkMatMul(_ i: Int) throws(Failure) {
    let (x, y) = (try activation(i, of: 2...2), tensors[output(i)])
    let (a, b) = (try operand(i, 0, like: y), try operand(i, 1, like: y))
    let (left, right) = (TensorShape(x), TensorShape(tensors[b]))
    let rank = max(left.rank, right.rank)
    // Rows of a matrix [N,K] are images: each is multiplied by itself.
    guard left.rank > 2 || left.rank == 2 && right.rank == 2, right.rank > 2 || isConstant(b) && right.rank == 2 else {
      throw Failure(
        CNNRT_ERROR_UNSUPPORTED, "operands of rank % and % do not leave the images of a batch apart", left.rank,
        right.rank)
    }
    guard left[left.rank - 1] == right[right.rank - 2] else {
      throw .format("its operands share % and % places", left[left.rank - 1], right[right.rank - 2])
    }
    try requireBroadcast(i, a, b, rank, before: 2)
    guard y.dim(rank - 2) == left[left.rank - 2], y.dim(rank - 1) == right[right.rank - 1] else {
      throw .format("its output must be a matrix of % by %", left[left.rank - 2], right[right.rank - 1])
    }
    guard y.isUInt8 else { return }
    try requireScale(scale(a) * scale(b))
    try requireScale((scale(a) * scale(b)) / scale(output(i)))
  }
}
