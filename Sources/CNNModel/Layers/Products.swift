import CNNSupport

/// A two-dimensional convolution [N,C,H,W] → [N,O,H′,W′], in `groups` of channels that do not see each other. Weight and
/// bias start uniform in ±1/√(fan-in), PyTorch's default (kaiming_uniform with a = √5 comes to the same bound).
public struct Conv2d: Layer {
  public var channels: Int
  public var window: Window
  public var groups: Int
  public var bias: Bool

  public init(_ channels: Int, _ window: Window, groups: Int = 1, bias: Bool = true) {
    self.channels = channels
    self.window = window
    self.groups = groups
    self.bias = bias
  }

  /// A square kernel with the same padding on all sides.
  public init(
    _ channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1,
    bias: Bool = true
  ) {
    self.init(
      channels, Window(kernel, stride: stride, padding: padding, dilation: dilation), groups: groups, bias: bias)
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("conv")
    let inputs = try network.channels(of: x, "Conv2d", name, groups)
    let weight = [channels, inputs / groups, window.kernelHeight, window.kernelWidth]
    let parameters = network.parameters(name, weight, bias: bias ? channels : 0)
    return try network.append(.conv(window, group: groups), named: name, [x] + parameters)
  }
}

/// A convolution of each channel by itself (Howard et al. 2017): as many groups as channels.
public struct DepthwiseConv2d: Layer {
  public var window: Window
  public var bias: Bool

  /// A square kernel with the same padding on all sides.
  public init(kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1, bias: Bool = true) {
    window = Window(kernel, stride: stride, padding: padding, dilation: dilation)
    self.bias = bias
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let shape = network.shape(of: x)
    let channels = shape.count > 1 ? shape[1] : 1
    return try Conv2d(channels, window, groups: channels, bias: bias).append(to: &network, x)
  }
}

/// A transposed convolution [N,C,H,W] → [N,O,H′,W′]: with a stride it makes the image larger. Parameters start as in
/// PyTorch, whose fan-in here is that of the outputs.
public struct ConvTranspose2d: Layer {
  public var channels: Int
  public var window: Window
  public var outputPadding: Int
  public var groups: Int
  public var bias: Bool

  /// A square kernel with the same padding on all sides; `outputPadding` adds rows and columns at the end.
  public init(
    _ channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, outputPadding: Int = 0, dilation: Int = 1,
    groups: Int = 1, bias: Bool = true
  ) {
    self.channels = channels
    window = Window(kernel, stride: stride, padding: padding, dilation: dilation)
    self.outputPadding = outputPadding
    self.groups = groups
    self.bias = bias
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("convtranspose")
    let inputs = try network.channels(of: x, "ConvTranspose2d", name, groups)
    let weight = [inputs, channels / groups, window.kernelHeight, window.kernelWidth]
    let parameters = network.parameters(name, weight, bias: bias ? channels : 0)
    let kind = OperatorKind.convTranspose(
      window, group: groups, outputPaddingY: outputPadding, outputPaddingX: outputPadding)
    return try network.append(kind, named: name, [x] + parameters)
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
    let parameters = network.parameters(name, [channels, shape[1]], bias: bias ? channels : 0)
    return try network.append(.gemm, named: name, [x] + parameters)
  }
}

extension NetworkBuilder {
  /// The weight of a layer and, unless it has no channels, its bias.
  fileprivate mutating func parameters(_ layer: String, _ shape: [Int], bias channels: Int) -> [String] {
    let fanIn = shape.dropFirst().reduce(1, *)
    let bound = 1 / Float(max(fanIn, 1)).squareRoot()
    let weight = parameter(layer + ".weight", shape: shape, bound: bound)
    return channels > 0 ? [weight, parameter(layer + ".bias", shape: [channels], bound: bound)] : [weight]
  }

  /// The channels of an image, which must make `groups` equal parts.
  fileprivate func channels(of x: String, _ layer: String, _ name: String, _ groups: Int) throws(CNNError) -> Int {
    let shape = shape(of: x)
    guard shape.count == 4 else { throw CNNError("\(layer) needs an image, not \(text(shape))", at: "layer \(name)") }
    guard groups > 0, shape[1] % groups == 0 else {
      throw CNNError("\(shape[1]) channels are not \(groups) equal groups", at: "layer \(name)")
    }
    return shape[1]
  }
}
