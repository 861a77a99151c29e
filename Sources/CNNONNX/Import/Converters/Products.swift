import CNNModel
import CNNSupport

/// Gemm and MatMul.
extension ImportWalk {
  var products: [String: Converter] {
    [
      "Gemm": { (node) throws(CNNError) in [try self.gemm(node)] },
      "MatMul": { (node) throws(CNNError) in
        let operands = [
          (try self.value(node, 0, "A"), node.inputs[0]), (try self.value(node, 1, "B"), node.inputs[1]),
        ]
        return [.activation(try self.matMul(operands[0], operands[1]))]
      },
    ]
  }

  /// alpha · A · B + beta · C
  private func gemm(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let (alpha, beta) = (node.float("alpha") ?? 1, node.float("beta") ?? 1)
    var a = try value(node, 0, "A")
    if node.int("transA") ?? 0 != 0 { a = try transposedMatrix(a, node.inputs[0]) }
    let c = optional(node, 2)
    if case .activation(let x) = a, let b = try constantOperand(try value(node, 1, "B"), named: node.inputs[1]) {
      guard b.shape.count == 2, x.shape.count == 2 else { throw CNNError("multiplies \(x.shape) by \(b.shape)") }
      let rows = (node.int("transB") ?? 0 != 0 ? b : b.transposed([1, 0])).scaled(by: alpha)
      let bias = try c.flatMap { value throws(CNNError) in try rowBias(value, node.inputs[2], rows.shape[0], beta) }
      let product = try fullyConnected(x, rows, bias: bias)
      return bias != nil ? .activation(product) : try plus(.activation(product), c, beta, node)
    }
    var b = try value(node, 1, "B")
    if node.int("transB") ?? 0 != 0 { b = try transposedMatrix(b, node.inputs[1]) }
    let product = try matMul((a, node.inputs[0]), (b, node.inputs[1]))
    return try plus(.activation(try times(product, alpha)), c, beta, node)
  }

  /// C of a Gemm if it is one number for each column, as a bias [outputs].
  private func rowBias(
    _ value: ImportedValue, _ name: String, _ outputs: Int, _ beta: Float
  ) throws(CNNError) -> ConstantOperand? {
    guard let operand = try constantOperand(value, named: name) else { return nil }
    guard operand.shape.dropLast().allSatisfy({ $0 == 1 }), operand.shape.count <= 2 else { return nil }
    if operand.shape.last == outputs { return operand.reshaped([outputs]).scaled(by: beta) }
    guard operand.shape.checkedCount == 1 else { return nil }
    let repeated = [Float](repeating: operand.floats[0], count: outputs)
    return ConstantOperand(name: name, shape: [outputs], values: .floats(repeated)).scaled(by: beta)
  }

  private func plus(
    _ product: ImportedValue, _ c: ImportedValue?, _ beta: Float, _ node: ONNXNode
  ) throws(CNNError) -> ImportedValue {
    guard let c, beta != 0 else { return product }
    let scaled: ImportedValue
    switch c {
    case .activation(let x): scaled = .activation(try times(x, beta))
    default:
      let constant = try constantOperand(c, named: node.inputs[2])!
      scaled = .constant(ONNXTensor(shape: constant.shape, floats: constant.floats.map { $0 * beta }))
    }
    return .activation(try binary(.add, (product, node.outputs[0]), (scaled, free(node.inputs[2]))))
  }

  /// x [M, K] times rows [P, K], plus a bias.
  func fullyConnected(
    _ x: ImportedActivation, _ rows: ConstantOperand, bias: ConstantOperand?
  ) throws(CNNError) -> ImportedActivation {
    guard x.shape[1] == rows.shape[1] else {
      throw CNNError("multiplies \(x.shape) by a matrix of \(rows.shape[1]) rows")
    }
    var result = x
    result.shape = [x.shape[0], rows.shape[0]]
    if canBeBatched(x.shape) {
      var operands = [try operand(rows)]
      if let bias { operands.append(try operand(bias)) }
      result.tensor = try emit(.gemm, [try tensor(x, .batched)] + operands)
      result.form = .batched
      return result
    }
    result.form = .whole
    result.tensor = try emit(.matMul, [try tensor(x, .whole), try operand(rows.transposed([1, 0]))])
    if let bias { result.tensor = try emit(.add, [result.tensor, try operand(bias)]) }
    return result
  }

  /// A · B of any ranks, by NumPy's rules; at most one is a constant.
  func matMul(
    _ a: (value: ImportedValue, name: String), _ b: (value: ImportedValue, name: String)
  ) throws(CNNError) -> ImportedActivation {
    let (left, right) = (a.value.shape, b.value.shape)
    guard let first = left.first, let last = right.first else { throw CNNError("multiplies a scalar") }
    if left.count == 1 {
      let product = try matMul((try withShape(a, [1, first]), a.name), b)
      return try reshaped(product, to: product.shape.droppingAxis(right.count == 1 ? 0 : product.shape.count - 2))
    }
    if right.count == 1 {
      let product = try matMul(a, (try withShape(b, [last, 1]), b.name))
      return try reshaped(product, to: Array(product.shape.dropLast()))
    }
    if case .activation(let x) = a.value, x.shape.count == 2, let matrix = try constantOperand(b.value, named: b.name),
      matrix.shape.count == 2
    {
      return try fullyConnected(x, matrix.transposed([1, 0]), bias: nil)
    }
    if let constant = try constantOperand(a.value, named: a.name) {
      // (Bᵀ · Aᵀ)ᵀ: the first operand is never the constant.
      let other = try transposedMatrix(b.value, b.name)
      let turned = constant.transposed(Array(0..<left.count - 2) + [left.count - 1, left.count - 2])
      let value = ImportedValue.constant(ONNXTensor(shape: turned.shape, floats: turned.floats))
      let product = try matMul((other, b.name), (value, turned.name))
      guard case .activation(let result) = try transposedMatrix(.activation(product), b.name) else { return product }
      return result
    }
    guard left[left.count - 1] == right[right.count - 2] else { throw CNNError("multiplies \(left) by \(right)") }
    let batch = try ONNXShape.broadcast(Array(left.dropLast(2)), Array(right.dropLast(2)))
    let shape = batch + [left[left.count - 2], right[right.count - 1]]
    let (tensors, form) = try aligned([a, b], to: shape, minimumRank: 3)
    return ImportedActivation(tensor: try emit(.matMul, tensors), shape: shape, form: form)
  }

  private func withShape(
    _ operand: (value: ImportedValue, name: String), _ shape: [Int]
  ) throws(CNNError) -> ImportedValue {
    if case .activation(let x) = operand.value { return .activation(try reshaped(x, to: shape)) }
    let constant = try constantOperand(operand.value, named: operand.name)!
    return .constant(ONNXTensor(shape: shape, floats: constant.floats))
  }

  /// The last two axes exchanged.
  func transposedMatrix(_ value: ImportedValue, _ name: String) throws(CNNError) -> ImportedValue {
    let rank = value.shape.count
    guard rank >= 2 else { throw CNNError("multiplies a vector, where a matrix is needed") }
    let perm = Array(0..<rank - 2) + [rank - 1, rank - 2]
    if case .activation(let x) = value { return .activation(try transposed(x, perm)) }
    let constant = try constantOperand(value, named: name)!.transposed(perm)
    return .constant(ONNXTensor(shape: constant.shape, floats: constant.floats))
  }

  /// Times a number.
  func times(_ x: ImportedActivation, _ factor: Float) throws(CNNError) -> ImportedActivation {
    guard factor != 1 else { return x }
    var result = x
    result.tensor = try emit(.mul, [x.tensor, constant([factor], shape: [1])])
    return result
  }
}

extension ImportedValue {
  /// ONNX's; empty for what is unknown.
  var shape: [Int] {
    switch self {
    case .constant(let tensor): tensor.shape
    case .quantized(let constant): constant.shape
    case .activation(let activation): activation.shape
    case .unknown: []
    }
  }
}

extension [Int] {
  func droppingAxis(_ axis: Int) -> [Int] {
    var result = self
    result.remove(at: axis)
    return result
  }
}
