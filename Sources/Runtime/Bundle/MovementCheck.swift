import CBundle
import CCNNRT

/// What moves elements without changing them.
extension Model {
  func checkReshape(_ i: Int) throws(Failure) {
    let (x, y) = (try activation(i), tensors[output(i)])
    guard x.elementCount! == y.elementCount! else {
      throw .format("its output has % elements and its input %", y.elementCount!, x.elementCount!)
    }
    var shape = TensorShape(y)
    if Int(operators[i].kind) == CNNB_OP_FLATTEN {
      shape = TensorShape(rank: 2)
      shape[1] = x.elementCount!
    }
    try output(i, like: x, shape, sameQuantization: true)
  }

  /// Inputs of other quantizations than the output's are brought to it.
  func checkConcat(_ i: Int) throws(Failure) {
    let (first, o) = (try activation(i, of: 1...Int(UInt16.max)), operators[i])
    let axis = o.integers.0
    try requireAxis(axis, Int(first.rank))
    var shape = TensorShape(first)
    shape[Int(axis)] = 0
    guard tensors[output(i)].type == first.type else { throw .format("an input and the output differ in type") }
    for k in 0..<Int(o.input_count) {
      let x = try activation(i, k)
      guard x.rank == first.rank else { throw .format("operand % has another rank than the first", k) }
      for d in 0..<Int(x.rank) where d != Int(axis) && x.dim(d) != first.dim(d) {
        throw .format("operand % has % places along axis %", k, x.dim(d), d)
      }
      shape[Int(axis)] += x.dim(Int(axis))
      guard x.type == first.type else { throw .format("operand % has another type than the first", k) }
      if !hasQuantization(of: x, tensors[output(i)]) { try requireScaleRatio(i, operand: k) }
    }
    try output(i, like: first, shape, sameQuantization: false)
  }

  /// An element of a list of int32: of a Slice's starts (operand 1) and steps (2), or a Pad's pads (1).
  public func integer(_ i: Int, _ operand: Int, _ index: Int) -> Int {
    Int(lists[Self.listLength * i + (operand - 1) * 6 + index])
  }

  /// Of the lists of an operator: two numbers for each axis.
  static var listLength: Int { 12 }

  /// Copies a list out of WEIGHTS, which may be mapped, and change.
  private func copyList(_ i: Int, _ operand: Int, _ count: Int) throws(Failure) {
    try list(i, operand, CNNB_TYPE_INT32, count)
    let from = data(input(i, operand)!).assumingMemoryBound(to: Int32.self)
    (lists + Self.listLength * i + (operand - 1) * 6).update(from: from, count: count)
  }

  func checkSlice(_ i: Int) throws(Failure) {
    let (x, y) = (try activation(i, of: 3...3), tensors[output(i)])
    let rank = Int(x.rank)
    for k in 1...2 { try copyList(i, k, rank) }
    guard y.rank == x.rank else { throw .format("its output must have rank %", rank) }
    for axis in 0..<rank {
      let (start, step) = (integer(i, 1, axis), integer(i, 2, axis))
      let last = start + (y.dim(axis) - 1) * step
      guard step != 0, 0..<x.dim(axis) ~= start, 0..<x.dim(axis) ~= last else {
        throw .format("along axis % it goes from % in steps of %, and leaves its input", axis, start, step)
      }
    }
    try output(i, like: x, TensorShape(y), sameQuantization: true)
  }

  func checkPad(_ i: Int) throws(Failure) {
    let (x, o) = (try activation(i, of: 2...2), operators[i])
    let (rank, mode) = (Int(x.rank), Int(o.integers.0))
    try copyList(i, 1, 2 * rank)
    guard mode <= CNNB_PAD_WRAP else {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "padding mode % is not known. Use a newer library.", mode)
    }
    guard !o.values.0.isNaN else { throw .format("its value is not a number") }
    var shape = TensorShape(rank: rank)
    for axis in 0..<rank {
      let (before, after) = (integer(i, 1, axis), integer(i, 1, rank + axis))
      guard axis > 0 || before == 0 && after == 0 else { throw .format("it pads the batch") }
      guard mode != CNNB_PAD_REFLECT || max(before, after) < x.dim(axis) else {
        throw .format("along axis % it reflects more than there is", axis)
      }
      shape[axis] = x.dim(axis) + before + after
    }
    try output(i, like: x, shape, sameQuantization: true)
  }

  /// The axis of the input that becomes axis `axis` of a Transpose's output.
  public func permuted(_ i: Int, _ axis: Int) -> Int {
    let p = operators[i].integers
    return Int(axis == 0 ? p.0 : axis == 1 ? p.1 : axis == 2 ? p.2 : axis == 3 ? p.3 : axis == 4 ? p.4 : p.5)
  }

  func checkTranspose(_ i: Int) throws(Failure) {
    let x = try activation(i)
    var shape = TensorShape(rank: Int(x.rank))
    var seen = 0
    for axis in 0..<shape.rank {
      let from = permuted(i, axis)
      guard from < shape.rank, seen >> from & 1 == 0, axis > 0 || from == 0 else {
        throw .format("its perm is not a permutation of % axes that leaves the first in place", shape.rank)
      }
      seen |= 1 << from
      shape[axis] = x.dim(from)
    }
    try output(i, like: x, shape, sameQuantization: true)
  }

  func checkResize(_ i: Int) throws(Failure) {
    let (x, y, o) = (try activation(i), tensors[output(i)], operators[i])
    try requireImage(x)
    try requireImage(y)
    guard Int(o.integers.0) <= CNNB_RESIZE_LINEAR, Int(o.integers.1) <= CNNB_PYTORCH_HALF_PIXEL,
      Int(o.integers.2) <= CNNB_CEIL
    else { throw Failure(CNNRT_ERROR_UNSUPPORTED, "a mode is not known. Use a newer library.") }
    func fits(_ output: Int, _ input: Int, _ scale: Float) -> Bool {
      scale.isFinite && scale > 0 && abs(Float(output) - Float(input) * scale) <= 1
    }
    guard fits(y.height, x.height, o.values.0), fits(y.width, x.width, o.values.1) else {
      throw .format("its scales do not make % by % of its input", y.height, y.width)
    }
    try output(i, like: x, TensorShape(1, x.channels, y.height, y.width), sameQuantization: true)
  }

  func checkDepthToSpace(_ i: Int) throws(Failure) {
    let (x, o) = (try activation(i), operators[i])
    try requireImage(x)
    let block = Int(o.integers.0)
    guard 1...Self.sideLimit ~= block, o.integers.1 <= 1 else {
      throw .format("its blocksize is % or its mode unknown", block)
    }
    var shape = TensorShape(1, x.channels / (block * block), x.height * block, x.width * block)
    var fits = x.channels % (block * block) == 0
    if Int(o.kind) == CNNB_OP_SPACE_TO_DEPTH {
      shape = TensorShape(1, x.channels * block * block, x.height / block, x.width / block)
      fits = x.height % block == 0 && x.width % block == 0
    }
    guard fits else { throw .format("its input cannot be cut into blocks of %", block) }
    try output(i, like: x, shape, sameQuantization: true)
  }
}
