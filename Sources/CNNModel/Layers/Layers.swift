import CNNSupport

/// A two-dimensional convolution [N,C,H,W] → [N,O,H′,W′]. Weight and bias start uniform in ±1/√(fan-in), PyTorch's
/// default (kaiming_uniform with a = √5 comes to the same bound).
public struct Conv2d: Layer {
  public var channels: Int
  public var window: Window
  public var bias: Bool

  public init(_ channels: Int, _ window: Window, bias: Bool = true) {
    self.channels = channels
    self.window = window
    self.bias = bias
  }

  /// A square kernel with the same padding on all sides.
  public init(
    _ channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1, bias: Bool = true
  ) {
    self.init(channels, Window(kernel, stride: stride, padding: padding, dilation: dilation), bias: bias)
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("conv")
    let shape = network.shape(of: x)
    guard shape.count == 4 else { throw CNNError("Conv2d needs an image, not \(text(shape))", at: "layer \(name)") }
    let weight = [channels, shape[1], window.kernelHeight, window.kernelWidth]
    return try network.append(.conv(window), named: name, [x] + network.weight(name, weight, bias: bias))
  }
}

/// A fully connected layer [N,K] → [N,O]; parameters start as those of `Conv2d`.
public struct Linear: Layer {
  public var channels: Int
  public var bias: Bool

  public init(_ channels: Int, bias: Bool = true) {
    self.channels = channels
    self.bias = bias
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("linear")
    let shape = network.shape(of: x)
    guard shape.count == 2 else {
      throw CNNError(
        "Linear needs a vector, not \(text(shape))", at: "layer \(name)", advice: "put Flatten() before it")
    }
    return try network.append(.gemm, named: name, [x] + network.weight(name, [channels, shape[1]], bias: bias))
  }
}

extension NetworkBuilder {
  /// The weight of a convolution or fully connected layer, and its bias.
  fileprivate mutating func weight(_ layer: String, _ shape: [Int], bias: Bool) -> [String] {
    let fanIn = shape.dropFirst().reduce(1, *)
    let bound = 1 / Float(fanIn).squareRoot()
    let weight = parameter(layer + ".weight", shape: shape, bound: bound)
    return bias ? [weight, parameter(layer + ".bias", shape: [shape[0]], bound: bound)] : [weight]
  }
}

/// Batch normalisation per channel (Ioffe and Szegedy 2015). Starts with scale 1, bias 0, running mean 0 and
/// variance 1.
public struct BatchNorm: Layer {
  public var epsilon: Float

  public init(epsilon: Float = 1e-5) { self.epsilon = epsilon }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("bn")
    let channels = network.shape(of: x)[1]
    let parameters = [("scale", 1), ("bias", 0), ("mean", 0), ("variance", 1)].map { part, value in
      network.parameter("\(name).\(part)", shape: [channels], value: value)
    }
    return try network.append(.batchNormalization(epsilon: epsilon), named: name, [x] + parameters)
  }
}

/// max(x, 0)
public struct ReLU: Layer {
  public init() {}

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    try network.append(.relu, named: network.nextName("relu"), [x])
  }
}

/// The largest value of each window.
public struct MaxPool: Layer {
  public var window: Window
  public var ceilMode: Bool

  /// A square window; it moves by its own size unless `stride` says otherwise.
  public init(_ kernel: Int, stride: Int? = nil, padding: Int = 0, ceilMode: Bool = false) {
    window = Window(kernel, stride: stride ?? kernel, padding: padding)
    self.ceilMode = ceilMode
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    try network.append(.maxPool(window, ceilMode: ceilMode), named: network.nextName("maxpool"), [x])
  }
}

/// The mean of each window.
public struct AveragePool: Layer {
  public var window: Window
  public var countIncludePad: Bool
  public var ceilMode: Bool

  /// A square window; it moves by its own size unless `stride` says otherwise. `countIncludePad` counts the padding's
  /// zeros as values.
  public init(
    _ kernel: Int, stride: Int? = nil, padding: Int = 0, countIncludePad: Bool = true, ceilMode: Bool = false
  ) {
    window = Window(kernel, stride: stride ?? kernel, padding: padding)
    self.countIncludePad = countIncludePad
    self.ceilMode = ceilMode
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let kind = OperatorKind.averagePool(window, countIncludePad: countIncludePad, ceilMode: ceilMode)
    return try network.append(kind, named: network.nextName("avgpool"), [x])
  }
}

/// The mean of each channel: [N,C,H,W] → [N,C,1,1].
public struct GlobalAveragePool: Layer {
  public init() {}

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    try network.append(.globalAveragePool, named: network.nextName("globalavgpool"), [x])
  }
}

/// The largest value of each channel: [N,C,H,W] → [N,C,1,1].
public struct GlobalMaxPool: Layer {
  public init() {}

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    try network.append(.globalMaxPool, named: network.nextName("globalmaxpool"), [x])
  }
}

/// [N,C,H,W] → [N, C·H·W]
public struct Flatten: Layer {
  public init() {}

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    try network.append(.flatten, named: network.nextName("flatten"), [x])
  }
}

/// Scores to probabilities: exp(x) / Σ exp(x).
public struct Softmax: Layer {
  public init() {}

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    try network.append(.softmax, named: network.nextName("softmax"), [x])
  }
}
