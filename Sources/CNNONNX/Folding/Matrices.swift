import CNNSupport

extension Folding {
  /// Products of matrices, of constants only: small ones.
  static let matrixRules: [String: Rule] = [
    "MatMul": one(matMul),
    "Gemm": one(gemm),
  ]

  private func matMul() throws(CNNError) -> ONNXTensor {
    let (a, b) = (try numbers(0), try numbers(1))
    guard let columns = a.shape.last, !b.shape.isEmpty, a.type == b.type else {
      throw CNNError("its inputs of shapes \(a.shape) and \(b.shape) are no matrices, or of two types")
    }
    // A vector is a row on the left, a column on the right; its axis is not in the result.
    let left = a.shape.count == 1 ? [1, columns] : a.shape
    let right = b.shape.count == 1 ? [b.shape[0], 1] : b.shape
    let (m, k, n) = (left[left.count - 2], columns, right[right.count - 1])
    guard right[right.count - 2] == k else { throw CNNError("the shapes \(a.shape) and \(b.shape) do not fit") }
    let batch = try broadcast(Array(left.dropLast(2)), Array(right.dropLast(2)))
    try checkedCount(batch + [m, k])
    try checkedCount(batch + [k, n])
    let x = a.reshaped(left).expanded(batch + [m, k])
    let y = b.reshaped(right).expanded(batch + [k, n])
    var result = try x.product(y, batch: batch, m, k, n)
    var shape = batch
    if a.shape.count > 1 { shape.append(m) }
    if b.shape.count > 1 { shape.append(n) }
    result.shape = shape
    return result
  }

  private func gemm() throws(CNNError) -> ONNXTensor {
    var (a, b) = (try floats(0), try floats(1))
    guard a.shape.count == 2, b.shape.count == 2 else { throw CNNError("its inputs are no matrices") }
    if node.int("transA") ?? 0 != 0 { a = a.strided(a.shape.reversed(), strides: [1, a.shape[1]]) }
    if node.int("transB") ?? 0 != 0 { b = b.strided(b.shape.reversed(), strides: [1, b.shape[1]]) }
    guard a.shape[1] == b.shape[0] else { throw CNNError("the shapes \(a.shape) and \(b.shape) do not fit") }
    let shape = [a.shape[0], b.shape[1]]
    let product = try a.product(b, batch: [], shape[0], a.shape[1], shape[1]).floats ?? []
    let alpha = node.float("alpha") ?? 1
    guard let bias = optional(2) else { return ONNXTensor(shape: shape, floats: product.map { alpha * $0 }) }
    guard try broadcast(shape, bias.shape) == shape, let bias = bias.expanded(shape).floats else {
      throw CNNError("its bias of shape \(bias.shape) does not fit the shape \(shape)")
    }
    let beta = node.float("beta") ?? 1
    return ONNXTensor(shape: shape, floats: zip(product, bias).map { alpha * $0 + beta * $1 })
  }
}

extension ONNXTensor {
  fileprivate func product(_ b: ONNXTensor, batch: [Int], _ m: Int, _ k: Int, _ n: Int) throws(CNNError) -> ONNXTensor {
    let shape = batch + [m, n]
    let count = try checkedCount(shape)
    // Constants are not there to be computed with at length.
    guard k <= 1 << 32, count * k <= 1 << 32 else {
      throw CNNError("the product is too large to compute in advance")
    }
    func places(_ index: Int) -> (Int, Int) { (index / n * k, index / (m * n) * k * n + index % n) }
    switch (values, b.values) {
    case (.floats(let x), .floats(let y)):
      let result = (0..<count).map { index in
        let (row, column) = places(index)
        return Float((0..<k).reduce(0.0) { $0 + Double(x[row + $1]) * Double(y[column + $1 * n]) })
      }
      return ONNXTensor(shape: shape, floats: result)
    case (.integers(let x), .integers(let y)):
      let result = (0..<count).map { index in
        let (row, column) = places(index)
        return type.wrapped((0..<k).reduce(0) { $0 &+ x[row + $1] &* y[column + $1 * n] })
      }
      return ONNXTensor(type, shape: shape, integers: result)
    default: throw CNNError("its inputs have different types")
    }
  }
}
