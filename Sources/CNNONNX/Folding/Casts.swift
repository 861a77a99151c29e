import CNNSupport

extension Folding {
  static let castRules: [String: Rule] = [
    "Cast": one(cast),
    "CastLike": one(castLike),
  ]

  private func cast() throws(CNNError) -> ONNXTensor {
    guard let code = node.int("to") else { throw CNNError("its attribute “to” is missing") }
    return try numbers(0).cast(to: try ONNXType(attribute: code))
  }

  private func castLike() throws(CNNError) -> ONNXTensor { try numbers(0).cast(to: try input(1).type) }
}

extension ONNXTensor {
  /// Floats to integers without their fraction, integers wrapped at their width, to bool by whether they are 0.
  func cast(to type: ONNXType) throws(CNNError) -> ONNXTensor {
    guard type != .string else { throw CNNError("it makes strings, which are not supported") }
    guard type.minifloat == nil else { throw CNNError("it rounds to \(type.name), which is not supported") }
    var result = self
    result.type = type.held
    switch values {
    case .floats(let a) where type == .bool: result.values = .integers(a.map { $0 == 0 ? 0 : 1 })
    case .floats(let a) where !type.isFloat: result.values = .integers(a.map { type.wrapped(Int64(saturating: $0)) })
    case .integers(let a) where type.isFloat:
      let isWide = self.type == .uint64
      result.values = .floats(a.map { isWide ? Float(UInt64(bitPattern: $0)) : Float($0) })
    case .integers(let a): result.values = .integers(a.map { type.wrapped($0) })
    default: break
    }
    return result
  }
}
