import CNNModel
import Foundation

extension UnaryFunction {
  /// The stored result for each stored value: dequantize, compute, quantize, in double precision.
  package func table(from x: Quantization, to y: Quantization) -> [UInt8] {
    (0..<256).map { stored in
      let value = self((Double(stored) - Double(x.zeroPoint)) * Double(x.scales[0]))
      let rounded = (value / Double(y.scales[0])).rounded(.toNearestOrEven) + Double(y.zeroPoint)
      return UInt8(min(max(rounded, 0), 255))
    }
  }

  /// The function itself.
  package func callAsFunction(_ x: Double) -> Double {
    switch self {
    case .leakyRelu(let alpha): x < 0 ? x * Double(alpha) : x
    case .elu(let alpha): x < 0 ? Double(alpha) * expm1(x) : x
    case .sigmoid: 1 / (1 + exp(-x))
    case .tanh: Foundation.tanh(x)
    case .swish(let alpha): x / (1 + exp(-Double(alpha) * x))
    case .hardSigmoid(let alpha, let beta): min(max(Double(alpha) * x + Double(beta), 0), 1)
    case .hardSwish: x * min(max(x / 6 + 0.5, 0), 1)
    case .erf: Foundation.erf(x)
    case .gelu(false): x * 0.5 * (1 + Foundation.erf(x / 2.0.squareRoot()))
    case .gelu(true): x * 0.5 * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
  }
}
