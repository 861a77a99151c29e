import CNNSupport

extension Folding {
  /// Operators that make tensors of a shape or of a few numbers.
  static let generationRules: [String: Rule] = [
    "ConstantOfShape": one(constantOfShape),
    "Range": one(range),
    "EyeLike": one(eyeLike),
  ]

  private func constantOfShape() throws(CNNError) -> ONNXTensor {
    let shape = try integers(0)
    try checkedCount(shape)
    let value = node.tensor("value") ?? ONNXTensor(0)
    guard value.count == 1 else { throw CNNError("its value is not a scalar") }
    return value.repeated(shape)
  }

  private func range() throws(CNNError) -> ONNXTensor {
    let (start, limit, delta) = (try numbers(0), try numbers(1), try numbers(2))
    guard start.type == limit.type, start.type == delta.type else { throw CNNError("its inputs have different types") }
    if let start = start.float, let limit = limit.float, let delta = delta.float {
      let count = ((limit - start) / delta).rounded(.up)
      guard count <= Float(Self.limit) else { throw CNNError("its result has no end, or it is too large") }
      let elements = (0..<Int(max(count, 0))).map { start + Float($0) * delta }
      return ONNXTensor(shape: [elements.count], floats: elements)
    }
    guard let first = start.integer, let end = limit.integer, let step = delta.integer, step != 0 else {
      throw CNNError("its inputs are not scalars, or its step is 0")
    }
    let (distance, overflow) = end.subtractingReportingOverflow(first)
    guard !overflow, distance.magnitude / step.magnitude < Self.limit else { throw CNNError("its result is too large") }
    let elements = stride(from: first, to: end, by: step).map { Int64($0) }
    return ONNXTensor(start.type, shape: [elements.count], integers: elements)
  }

  private func eyeLike() throws(CNNError) -> ONNXTensor {
    let like = try numbers(0)
    let type = try node.int("dtype").map { (code) throws(CNNError) in try ONNXType(attribute: code) } ?? like.type
    guard like.shape.count == 2 else { throw CNNError("its input is no matrix") }
    let shift = (node.int("k") ?? 0).clamped
    let columns = max(like.shape[1], 1)
    let isOne = (0..<like.count).map { $0 % columns - $0 / columns == shift }
    return type.isFloat
      ? ONNXTensor(shape: like.shape, floats: isOne.map { $0 ? 1 : 0 })
      : ONNXTensor(type, shape: like.shape, integers: isOne.map { $0 ? 1 : 0 })
  }
}

extension ONNXType {
  /// The type that an attribute names by its number: as it is held.
  init(attribute code: Int) throws(CNNError) {
    guard let code = Int32(exactly: code), let type = ONNXType(rawValue: code) else {
      throw CNNError("the element type \(code) is not supported")
    }
    self = type.held
  }
}
