/// A float of at most eight bits: sign, exponent, mantissa, from the highest bit on.
struct Minifloat {
  /// What a float beside the finite ones means.
  enum Special {
    /// The highest exponent is infinite or not a number.
    case ieee
    /// All bits but the sign set is not a number.
    case allOnes
    /// −0 is not a number.
    case negativeZero
    case none
  }

  let mantissa: Int
  let exponent: Int
  let bias: Int
  let special: Special
  var isSigned = true

  private var bits: Int { mantissa + exponent + (isSigned ? 1 : 0) }

  /// The value of the lowest bits.
  func float(_ pattern: UInt8) -> Float {
    let magnitude = Int(pattern) & (1 << (mantissa + exponent) - 1)
    let isNegative = isSigned && Int(pattern) >> (bits - 1) & 1 == 1
    let (power, fraction) = (magnitude >> mantissa, magnitude & (1 << mantissa - 1))
    switch special {
    case .ieee where power == 1 << exponent - 1: return fraction != 0 ? .nan : isNegative ? -.infinity : .infinity
    case .allOnes where magnitude == 1 << (mantissa + exponent) - 1: return .nan
    case .negativeZero where isNegative && magnitude == 0: return .nan
    default: break
    }
    // The exponent 0 is that of 1 without the leading one, where there is a mantissa.
    let isSubnormal = power == 0 && mantissa > 0
    return Float(
      sign: isNegative ? .minus : .plus, exponent: (isSubnormal ? 1 : power) - bias - mantissa,
      significand: Float(fraction + (isSubnormal ? 0 : 1 << mantissa)))
  }
}

extension ONNXType {
  /// The layout of a float of at most eight bits; nil for every other type.
  var minifloat: Minifloat? {
    switch self {
    case .float8e4m3fn: Minifloat(mantissa: 3, exponent: 4, bias: 7, special: .allOnes)
    case .float8e4m3fnuz: Minifloat(mantissa: 3, exponent: 4, bias: 8, special: .negativeZero)
    case .float8e5m2: Minifloat(mantissa: 2, exponent: 5, bias: 15, special: .ieee)
    case .float8e5m2fnuz: Minifloat(mantissa: 2, exponent: 5, bias: 16, special: .negativeZero)
    case .float4e2m1: Minifloat(mantissa: 1, exponent: 2, bias: 1, special: .none)
    case .float8e8m0: Minifloat(mantissa: 0, exponent: 8, bias: 127, special: .allOnes, isSigned: false)
    default: nil
    }
  }
}
