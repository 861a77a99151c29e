/// Where a convolution's or a pool's window lies, with ONNX's meaning.
public struct Window: Equatable, Sendable {
  public var kernelHeight = 1
  public var kernelWidth = 1
  public var strideY = 1
  public var strideX = 1
  public var padTop = 0
  public var padLeft = 0
  public var padBottom = 0
  public var padRight = 0
  public var dilationY = 1
  public var dilationX = 1

  public init(
    kernelHeight: Int, kernelWidth: Int, strideY: Int = 1, strideX: Int = 1,
    padTop: Int = 0, padLeft: Int = 0, padBottom: Int = 0, padRight: Int = 0, dilationY: Int = 1, dilationX: Int = 1
  ) {
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.strideY = strideY
    self.strideX = strideX
    self.padTop = padTop
    self.padLeft = padLeft
    self.padBottom = padBottom
    self.padRight = padRight
    self.dilationY = dilationY
    self.dilationX = dilationX
  }

  /// A square window with the same padding on all sides.
  public init(_ kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) {
    self.init(
      kernelHeight: kernel, kernelWidth: kernel, strideY: stride, strideX: stride,
      padTop: padding, padLeft: padding, padBottom: padding, padRight: padding, dilationY: dilation, dilationX: dilation
    )
  }
}

/// What an operator computes, with its attributes. Names and meaning are ONNX's.
public enum OperatorKind: Equatable, Sendable {
  /// x [N,C,H,W], weight [O,C/group,KH,KW], bias [O] or ""
  case conv(Window, group: Int = 1)
  /// x [N,K], weight [O,K] (transB = 1), bias [O] or ""
  case gemm
  /// x, scale, bias, mean, variance, each [C]: y = (x − mean) / √(variance + epsilon) · scale + bias
  case batchNormalization(epsilon: Float)
  case relu
  case maxPool(Window, ceilMode: Bool = false)
  case averagePool(Window, countIncludePad: Bool = false, ceilMode: Bool = false)
  /// [N,C,H,W] → [N,C,1,1]
  case globalAveragePool
  case globalMaxPool
  /// a, b of one shape
  case add
  /// [N,C,H,W] → [N, C·H·W]
  case flatten
  /// Over axis 1 of [N,C]; the result is float32.
  case softmax

  /// ONNX's name.
  public var name: String {
    switch self {
    case .conv: "Conv"
    case .gemm: "Gemm"
    case .batchNormalization: "BatchNormalization"
    case .relu: "Relu"
    case .maxPool: "MaxPool"
    case .averagePool: "AveragePool"
    case .globalAveragePool: "GlobalAveragePool"
    case .globalMaxPool: "GlobalMaxPool"
    case .add: "Add"
    case .flatten: "Flatten"
    case .softmax: "Softmax"
    }
  }
}

extension OperatorKind {
  /// Whether the operator may have an activation other than none.
  public var canFuseActivation: Bool {
    switch self {
    case .conv, .gemm, .batchNormalization, .add: true
    case .relu, .maxPool, .averagePool, .globalAveragePool, .globalMaxPool, .flatten, .softmax: false
    }
  }
}

/// Applied to an operator's result before it is stored.
public enum Activation: UInt32, Sendable {
  case none = 0
  case relu = 1
}

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
