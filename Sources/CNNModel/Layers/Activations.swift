import CNNSupport

/// max(x, 0)
public struct ReLU: OperatorLayer {
  public init() {}
  public var label: String { "relu" }
  public func kind(for shape: [Int]) -> OperatorKind { .relu }
}

/// x, clamped to 0 … 6
public struct ReLU6: OperatorLayer {
  public init() {}
  public var label: String { "relu" }
  public func kind(for shape: [Int]) -> OperatorKind { .clip(min: 0, max: 6) }
}

/// x, clamped to `min` … `max`
public struct Clip: OperatorLayer {
  public var min, max: Float
  public init(min: Float, max: Float) { (self.min, self.max) = (min, max) }
  public var label: String { "clip" }
  public func kind(for shape: [Int]) -> OperatorKind { .clip(min: min, max: max) }
}

/// x where it is positive, else slope · x
public struct LeakyReLU: OperatorLayer {
  public var slope: Float
  public init(_ slope: Float = 0.01) { self.slope = slope }
  public var label: String { "leakyrelu" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.leakyRelu(alpha: slope)) }
}

/// Like `LeakyReLU`, with a slope for each channel that is learned (He et al. 2015). Slopes start at 0.25.
public struct PReLU: Layer {
  public init() {}

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("prelu")
    let slope = network.parameter(name + ".slope", shape: [network.shape(of: x)[1]], value: 0.25)
    return try network.append(.pRelu, named: name, [x, slope])
  }
}

/// x where it is positive, else alpha · (eˣ − 1)
public struct ELU: OperatorLayer {
  public var alpha: Float
  public init(_ alpha: Float = 1) { self.alpha = alpha }
  public var label: String { "elu" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.elu(alpha: alpha)) }
}

/// 1 / (1 + e⁻ˣ)
public struct Sigmoid: OperatorLayer {
  public init() {}
  public var label: String { "sigmoid" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.sigmoid) }
}

public struct Tanh: OperatorLayer {
  public init() {}
  public var label: String { "tanh" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.tanh) }
}

/// x · sigmoid(x)
public struct SiLU: OperatorLayer {
  public init() {}
  public var label: String { "silu" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.swish(alpha: 1)) }
}

/// x / 6 + ½, clamped to 0 … 1
public struct HardSigmoid: OperatorLayer {
  public init() {}
  public var label: String { "hardsigmoid" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.hardSigmoid(alpha: 1 / 6, beta: 0.5)) }
}

/// x · HardSigmoid(x) (Howard et al. 2019)
public struct HardSwish: OperatorLayer {
  public init() {}
  public var label: String { "hardswish" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.hardSwish) }
}

/// x · Φ(x), exactly or by the approximation with tanh
public struct GELU: OperatorLayer {
  public var approximate: Bool
  public init(approximate: Bool = false) { self.approximate = approximate }
  public var label: String { "gelu" }
  public func kind(for shape: [Int]) -> OperatorKind { .unary(.gelu(approximate: approximate)) }
}

/// Scores to probabilities: exp(x) / Σ exp(x) along an axis.
public struct Softmax: OperatorLayer {
  public var axis: Int
  public init(axis: Int = 1) { self.axis = axis }
  public var label: String { "softmax" }
  public func kind(for shape: [Int]) -> OperatorKind { .softmax(axis: axis) }
}
