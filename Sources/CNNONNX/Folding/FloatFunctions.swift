import CNNSupport
import Glibc

extension Folding {
  /// Functions of one float, as ONNX defines them.
  static let floatRules: [String: Rule] = [
    "Sqrt": function { $0.squareRoot() },
    "Reciprocal": function { 1 / $0 },
    "Exp": function { expf($0) },
    "Log": function { logf($0) },
    "Floor": function { $0.rounded(.down) },
    "Ceil": function { $0.rounded(.up) },
    "Round": function { $0.rounded(.toNearestOrEven) },
    "Erf": function { erff($0) },
    "Sigmoid": function { 1 / (1 + expf(-$0)) },
    "Tanh": function { tanhf($0) },
    "Sin": function { sinf($0) },
    "Cos": function { cosf($0) },
    "Tan": function { tanf($0) },
    "Atan": function { atanf($0) },
    "Softplus": function { $0 > 20 ? $0 : log1pf(expf($0)) },
    "Mish": function { $0 * tanhf($0 > 20 ? $0 : log1pf(expf($0))) },
    "Softsign": function { $0 / (1 + $0.magnitude) },
    "HardSwish": function { $0 * min(max($0 / 6 + 0.5, 0), 1) },
    "HardSigmoid": one(hardSigmoid),
    "LeakyRelu": one(leakyRelu),
    "Elu": one(elu),
    "Selu": one(selu),
    "Celu": one(celu),
    "Gelu": one(gelu),
  ]

  private static func function(_ rule: @escaping @Sendable (Float) -> Float) -> Rule {
    { (folding) throws(CNNError) in [try folding.map(rule)] }
  }

  private func map(_ rule: (Float) -> Float) throws(CNNError) -> ONNXTensor {
    let tensor = try floats(0)
    return ONNXTensor(shape: tensor.shape, floats: (tensor.floats ?? []).map(rule))
  }

  private func hardSigmoid() throws(CNNError) -> ONNXTensor {
    let (alpha, beta) = (node.float("alpha") ?? 0.2, node.float("beta") ?? 0.5)
    return try map { min(max(alpha * $0 + beta, 0), 1) }
  }

  private func leakyRelu() throws(CNNError) -> ONNXTensor {
    let alpha = node.float("alpha") ?? 0.01
    return try map { $0 < 0 ? alpha * $0 : $0 }
  }

  private func elu() throws(CNNError) -> ONNXTensor {
    let alpha = node.float("alpha") ?? 1
    return try map { $0 < 0 ? alpha * expm1f($0) : $0 }
  }

  private func selu() throws(CNNError) -> ONNXTensor {
    let (alpha, gamma) = (node.float("alpha") ?? 1.673_263_2, node.float("gamma") ?? 1.050_701)
    return try map { gamma * ($0 < 0 ? alpha * expm1f($0) : $0) }
  }

  private func celu() throws(CNNError) -> ONNXTensor {
    let alpha = node.float("alpha") ?? 1
    return try map { $0 < 0 ? alpha * expm1f($0 / alpha) : $0 }
  }

  private func gelu() throws(CNNError) -> ONNXTensor {
    let isTanh = node.string("approximate") == "tanh"
    return try map { x in
      isTanh
        ? 0.5 * x * (1 + tanhf(0.797_884_56 * (x + 0.044715 * x * x * x)))
        : 0.5 * x * (1 + erff(x * Float(0.5).squareRoot()))
    }
  }
}
