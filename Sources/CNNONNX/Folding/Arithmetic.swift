import CNNSupport
import Glibc

extension Folding {
  /// Element-wise operators of several inputs that give the type they get.
  static let arithmeticRules: [String: Rule] = [
    "Add": pairs({ $0 + $1 }, { a, b, _ in a &+ b }),
    "Sub": pairs({ $0 - $1 }, { a, b, _ in a &- b }),
    "Mul": pairs({ $0 * $1 }, { a, b, _ in a &* b }),
    "Div": one(divide),
    "Mod": one(mod),
    "Pow": one(pow),
    "Max": one(maximum),
    "Min": one(minimum),
    "Sum": one(sum),
    "Mean": one(mean),
    "Clip": one(clip),
    "Where": one(choose),
    "PRelu": pairs({ $0 < 0 ? $0 * $1 : $0 }, { a, b, type in type.less(a, 0) ? a &* b : a }),
    "Neg": each({ -$0 }, { 0 &- $0 }),
    "Abs": each({ $0.magnitude }, { $0 < 0 ? 0 &- $0 : $0 }, unsigned: { $0 }),
    "Sign": each({ $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }, { $0.signum() }, unsigned: { $0 == 0 ? 0 : 1 }),
    "Relu": each({ $0 < 0 ? 0 : $0 }, { max($0, 0) }, unsigned: { $0 }),
  ]

  private static func pairs(
    _ float: @escaping @Sendable (Float, Float) -> Float,
    _ integer: @escaping @Sendable (Int64, Int64, ONNXType) -> Int64
  ) -> Rule {
    { (folding) throws(CNNError) in [try folding.binary(float, integer)] }
  }

  /// - Parameter unsigned: what uint64 needs instead.
  private static func each(
    _ float: @escaping @Sendable (Float) -> Float, _ integer: @escaping @Sendable (Int64) -> Int64,
    unsigned: (@Sendable (UInt64) -> UInt64)? = nil
  ) -> Rule {
    { (folding) throws(CNNError) in [try folding.unary(float, integer, unsigned: unsigned)] }
  }

  typealias IntegerOperator = (Int64, Int64, ONNXType) throws(CNNError) -> Int64

  func binary(_ float: (Float, Float) -> Float, _ integer: IntegerOperator) throws(CNNError) -> ONNXTensor {
    guard inputs.count == 2 else { throw CNNError("it has \(inputs.count) inputs instead of 2") }
    return try combine(try numbers(0), try numbers(1), float, integer)
  }

  private func combine(
    _ a: ONNXTensor, _ b: ONNXTensor, _ float: (Float, Float) -> Float, _ integer: IntegerOperator
  ) throws(CNNError) -> ONNXTensor {
    guard a.type == b.type else { throw CNNError("its inputs have different types, \(a.type.name) and \(b.type.name)") }
    let shape = try broadcast(a.shape, b.shape)
    switch (a.expanded(shape).values, b.expanded(shape).values) {
    case (.floats(let x), .floats(let y)):
      return ONNXTensor(shape: shape, floats: zip(x, y).map(float))
    case (.integers(let x), .integers(let y)):
      var result: [Int64] = []
      result.reserveCapacity(x.count)
      for i in x.indices { result.append(a.type.wrapped(try integer(x[i], y[i], a.type))) }
      return ONNXTensor(a.type, shape: shape, integers: result)
    default: throw CNNError("its inputs have no numbers")
    }
  }

  private func variadic(_ float: (Float, Float) -> Float, _ integer: IntegerOperator) throws(CNNError) -> ONNXTensor {
    var result = try numbers(0)
    for index in inputs.indices.dropFirst() { result = try combine(result, try numbers(index), float, integer) }
    return result
  }

  /// NaN wins, as in ONNX's reference.
  private func maximum() throws(CNNError) -> ONNXTensor {
    try variadic({ $0.isNaN || $0 > $1 ? $0 : $1 }, { a, b, type in type.less(a, b) ? b : a })
  }

  private func minimum() throws(CNNError) -> ONNXTensor {
    try variadic({ $0.isNaN || $0 < $1 ? $0 : $1 }, { a, b, type in type.less(b, a) ? b : a })
  }

  private func sum() throws(CNNError) -> ONNXTensor { try variadic({ $0 + $1 }, { a, b, _ in a &+ b }) }

  private func mean() throws(CNNError) -> ONNXTensor {
    let sum = try variadic({ $0 + $1 }) { a, _, _ in a }
    let count = Float(inputs.count)
    guard let floats = sum.floats else { throw CNNError("its inputs have no floats") }
    return ONNXTensor(shape: sum.shape, floats: floats.map { $0 / count })
  }

  private func divide() throws(CNNError) -> ONNXTensor {
    try binary({ $0 / $1 }) { (a, b, type) throws(CNNError) in
      guard b != 0 else { throw CNNError("it divides by 0") }
      if type == .uint64 { return Int64(bitPattern: UInt64(bitPattern: a) / UInt64(bitPattern: b)) }
      return a.dividedReportingOverflow(by: b).partialValue
    }
  }

  /// Integers: the sign of the divisor as in Python, or with `fmod` that of the dividend as in C.
  private func mod() throws(CNNError) -> ONNXTensor {
    let isC = node.int("fmod") ?? 0 != 0
    return try binary({ (a, b) in
      let rest = fmodf(a, b)
      return !isC && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest
    }) { (a, b, type) throws(CNNError) in
      guard b != 0 else { throw CNNError("it divides by 0") }
      if type == .uint64 { return Int64(bitPattern: UInt64(bitPattern: a) % UInt64(bitPattern: b)) }
      let rest = a.remainderReportingOverflow(dividingBy: b).partialValue
      return !isC && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest
    }
  }

  /// The type is that of the base; the exponent may have another.
  private func pow() throws(CNNError) -> ONNXTensor {
    guard inputs.count == 2 else { throw CNNError("it has \(inputs.count) inputs instead of 2") }
    let (base, exponent) = (try numbers(0), try numbers(1))
    let shape = try broadcast(base.shape, exponent.shape)
    switch (base.expanded(shape).values, exponent.expanded(shape).values) {
    case (.floats(let x), .floats(let y)):
      return ONNXTensor(shape: shape, floats: zip(x, y).map { powf($0, $1) })
    case (.floats(let x), .integers(let y)):
      return ONNXTensor(shape: shape, floats: zip(x, y).map { powf($0, Float($1)) })
    case (.integers(let x), .floats(let y)):
      let powers = zip(x, y).map { base.type.wrapped(Int64(saturating: Glibc.pow(Double($0), Double($1)))) }
      return ONNXTensor(base.type, shape: shape, integers: powers)
    case (.integers(let x), .integers(let y)):
      return ONNXTensor(base.type, shape: shape, integers: zip(x, y).map { base.type.wrapped(Self.power($0, $1)) })
    default: throw CNNError("its inputs have no numbers")
    }
  }

  /// By squaring, wrapping; 1/x truncated for negative exponents.
  private static func power(_ base: Int64, _ exponent: Int64) -> Int64 {
    if exponent < 0 { return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0 }
    var (result, square, rest) = (Int64(1), base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result = result &* square }
      square = square &* square
      rest >>= 1
    }
    return result
  }

  private func clip() throws(CNNError) -> ONNXTensor {
    var result = try numbers(0)
    for (index, isLow) in [(1, true), (2, false)] {
      guard let bound = optional(index) else { continue }
      guard bound.count == 1 else { throw CNNError("its bound is not a scalar") }
      let scalar = bound.reshaped([])
      result =
        isLow
        ? try combine(result, scalar, { $0 < $1 ? $1 : $0 }, { a, b, t in t.less(a, b) ? b : a })
        : try combine(result, scalar, { $0 > $1 ? $1 : $0 }, { a, b, t in t.less(b, a) ? b : a })
    }
    return result
  }

  /// Where: of all kinds of elements.
  private func choose() throws(CNNError) -> ONNXTensor {
    let condition = try input(0)
    let (yes, no) = (try input(1), try input(2))
    guard yes.type == no.type else { throw CNNError("its inputs have different types") }
    let shape = try broadcast(try broadcast(condition.shape, yes.shape), no.shape)
    guard let mask = condition.expanded(shape).integers else { throw CNNError("its condition is not bool") }
    var result = no.expanded(shape)
    let places = mask.indices.filter { mask[$0] != 0 }
    if !places.isEmpty { try result.put(yes.expanded(shape).picked(places, shape: [places.count]), at: places) }
    return result
  }

  func unary(
    _ float: (Float) -> Float, _ integer: (Int64) -> Int64, unsigned: ((UInt64) -> UInt64)? = nil
  ) throws(CNNError) -> ONNXTensor {
    let tensor = try numbers(0)
    switch tensor.values {
    case .floats(let a): return ONNXTensor(shape: tensor.shape, floats: a.map(float))
    case .integers(let a):
      let type = tensor.type
      if type == .uint64, let unsigned {
        return ONNXTensor(
          type, shape: tensor.shape, integers: a.map { Int64(bitPattern: unsigned(UInt64(bitPattern: $0))) })
      }
      return ONNXTensor(type, shape: tensor.shape, integers: a.map { type.wrapped(integer($0)) })
    case .strings: throw CNNError("strings are not supported")
    }
  }
}

extension ONNXType {
  /// The order of integers as the type sees them: uint64 beyond 2⁶³ is held as a negative one.
  func less(_ a: Int64, _ b: Int64) -> Bool {
    self == .uint64 ? UInt64(bitPattern: a) < UInt64(bitPattern: b) : a < b
  }
}
