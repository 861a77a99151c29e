import CBundle
import CCNNRT

/// Pools, and what takes all of an axis: reductions and softmax.
extension Model {
  func checkPool(_ i: Int) throws(Failure) {
    let (x, o) = (try activation(i), operators[i])
    try requireImage(x)
    let isMax = Int(o.kind) == CNNB_OP_MAX_POOL
    guard o.window.ceil_mode <= 1, o.window.count_include_pad <= (isMax ? 0 : 1), o.window.group <= 1 else {
      throw .format("an attribute is out of range")
    }
    let ceil = o.window.ceil_mode == 1
    let (v, h) = (Window.vertical(o), Window.horizontal(o))
    guard v.isValid, h.isValid else { throw .format("its window is not valid") }
    let (rows, columns) = (v.outputLength(x.height, ceil: ceil), h.outputLength(x.width, ceil: ceil))
    try output(i, like: x, TensorShape(1, x.channels, rows, columns), sameQuantization: isMax)
    guard v.alwaysMeetsInput(x.height, outputs: rows), h.alwaysMeetsInput(x.width, outputs: columns) else {
      throw .format("a window lies wholly in the padding")
    }
    guard !isMax else { return }
    guard v.kernel * h.kernel <= Int(Int32.max) else { throw .format("its window has more than 2147483647 places") }
    try requireSum(x, of: min(v.kernel, x.height) * min(h.kernel, x.width))
    try requireScaleRatio(i, elements: v.kernel * h.kernel)
  }

  func checkGlobalPool(_ i: Int) throws(Failure) {
    let x = try activation(i)
    try requireImage(x)
    let isMax = Int(operators[i].kind) == CNNB_OP_GLOBAL_MAX_POOL
    try output(i, like: x, TensorShape(1, x.channels, 1, 1), sameQuantization: isMax)
    guard !isMax else { return }
    try requireSum(x, of: x.height * x.width)
    try requireScaleRatio(i, elements: x.height * x.width)
  }

  /// Whether a reduction is over an axis.
  public func isReduced(_ i: Int, _ axis: Int) -> Bool { operators[i].integers.0 >> UInt32(axis) & 1 != 0 }

  func checkReduce(_ i: Int) throws(Failure) {
    let (x, o) = (try activation(i), operators[i])
    guard o.integers.0 > 0, o.integers.0 & 1 == 0, o.integers.0 >> x.rank == 0, o.integers.1 <= 1 else {
      throw .format("its axes are none, the first or not there, or keepdims is not 0 or 1")
    }
    var shape = TensorShape()
    var elements = 1
    for axis in 0..<Int(x.rank) {
      if isReduced(i, axis) { elements *= x.dim(axis) }
      if !isReduced(i, axis) || o.integers.1 == 1 { shape.append(isReduced(i, axis) ? 1 : x.dim(axis)) }
    }
    let kind = Int(o.kind)
    let adds = kind == CNNB_OP_REDUCE_MEAN || kind == CNNB_OP_REDUCE_SUM
    try output(i, like: x, shape, sameQuantization: !adds)
    guard adds else { return }
    try requireSum(x, of: elements)
    try requireScaleRatio(i, elements: kind == CNNB_OP_REDUCE_MEAN ? elements : 1)
  }

  func checkSoftmax(_ i: Int) throws(Failure) {
    let x = try activation(i)
    try requireAxis(operators[i].integers.0, Int(x.rank))
    let y = tensors[output(i)]
    guard y.isFloat || x.isUInt8 else { throw .format("its output must be float32") }
    try require(y, TensorShape(x))
  }
}
