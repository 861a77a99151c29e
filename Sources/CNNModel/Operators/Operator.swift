/// A node of the graph. Tensors are named; an optional input that is absent is "", as in ONNX.
public struct Operator: Equatable, Sendable {
  /// The layer's name, unique among the operators.
  public var name: String
  public var kind: OperatorKind
  public var inputs: [String]
  public var outputs: [String]
  public var activation: Activation

  public init(
    _ name: String, _ kind: OperatorKind, inputs: [String], outputs: [String], activation: Activation = .none
  ) {
    self.name = name
    self.kind = kind
    self.inputs = inputs
    self.outputs = outputs
    self.activation = activation
  }

  /// The input at `index`, or nil if it is absent.
  public func input(_ index: Int) -> String? {
    index < inputs.count && !inputs[index].isEmpty ? inputs[index] : nil
  }

  /// The first output.
  public var output: String { outputs[0] }
}

/// Applied to an operator's result before it is stored.
public enum Activation: Equatable, Sendable {
  case none
  case relu
  /// ReLU6 is 0 … 6.
  case clip(min: Float, max: Float)

  /// What a result is clamped to.
  public var bounds: (lower: Float, upper: Float) {
    switch self {
    case .none: (-.infinity, .infinity)
    case .relu: (0, .infinity)
    case .clip(let min, let max): (min, max)
    }
  }

  /// ONNX's name; nil for none.
  public var name: String? {
    switch self {
    case .none: nil
    case .relu: "Relu"
    case .clip: "Clip"
    }
  }
}
