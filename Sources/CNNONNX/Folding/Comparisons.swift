import CNNSupport
import Glibc

extension Folding {
  /// Element-wise operators that give bool.
  static let comparisonRules: [String: Rule] = [
    "Equal": one(equal),
    "Less": compare({ $0 < $1 }, { a, b, type in type.less(a, b) }),
    "Greater": compare({ $0 > $1 }, { a, b, type in type.less(b, a) }),
    "LessOrEqual": compare({ $0 <= $1 }, { a, b, type in !type.less(b, a) }),
    "GreaterOrEqual": compare({ $0 >= $1 }, { a, b, type in !type.less(a, b) }),
    "And": logic { $0 && $1 },
    "Or": logic { $0 || $1 },
    "Xor": logic { $0 != $1 },
    "Not": one(not),
    "IsNaN": one(isNaN),
    "IsInf": one(isInfinite),
  ]

  private static func compare(
    _ float: @escaping @Sendable (Float, Float) -> Bool, _ integer: @escaping @Sendable (Int64, Int64, ONNXType) -> Bool
  ) -> Rule {
    { (folding) throws(CNNError) in [try folding.bools(float, integer)] }
  }

  private static func logic(_ rule: @escaping @Sendable (Bool, Bool) -> Bool) -> Rule {
    { (folding) throws(CNNError) in [try folding.bools({ _, _ in false }, { a, b, _ in rule(a != 0, b != 0) })] }
  }

  private func bools(
    _ float: (Float, Float) -> Bool, _ integer: (Int64, Int64, ONNXType) -> Bool
  ) throws(CNNError) -> ONNXTensor {
    let (a, b) = (try numbers(0), try numbers(1))
    guard a.type == b.type else { throw CNNError("its inputs have different types, \(a.type.name) and \(b.type.name)") }
    let shape = try broadcast(a.shape, b.shape)
    let result: [Bool] =
      switch (a.expanded(shape).values, b.expanded(shape).values) {
      case (.floats(let x), .floats(let y)): zip(x, y).map(float)
      case (.integers(let x), .integers(let y)): zip(x, y).map { integer($0, $1, a.type) }
      default: []
      }
    return ONNXTensor(shape, bools: result)
  }

  /// Strings can be equal too.
  private func equal() throws(CNNError) -> ONNXTensor {
    let (a, b) = (try input(0), try input(1))
    guard case .strings = a.values else { return try bools({ $0 == $1 }, { a, b, _ in a == b }) }
    let shape = try broadcast(a.shape, b.shape)
    guard case (.strings(let x), .strings(let y)) = (a.expanded(shape).values, b.expanded(shape).values) else {
      throw CNNError("its inputs have different types, \(a.type.name) and \(b.type.name)")
    }
    return ONNXTensor(shape, bools: zip(x, y).map { $0 == $1 })
  }

  private func not() throws(CNNError) -> ONNXTensor {
    ONNXTensor(try input(0).shape, bools: try integers(0).map { $0 == 0 })
  }

  private func isNaN() throws(CNNError) -> ONNXTensor {
    let tensor = try floats(0)
    return ONNXTensor(tensor.shape, bools: (tensor.floats ?? []).map(\.isNaN))
  }

  private func isInfinite() throws(CNNError) -> ONNXTensor {
    let tensor = try floats(0)
    let negative = node.int("detect_negative") ?? 1 != 0
    let positive = node.int("detect_positive") ?? 1 != 0
    return ONNXTensor(
      tensor.shape, bools: (tensor.floats ?? []).map { $0.isInfinite && ($0 < 0 ? negative : positive) })
  }
}

extension ONNXTensor {
  init(_ shape: [Int], bools: [Bool]) { self.init(.bool, shape: shape, integers: bools.map { $0 ? 1 : 0 }) }
}
