import CNNSupport

/// Batch normalisation per channel (Ioffe and Szegedy 2015). Starts with scale 1, bias 0, running mean 0 and
/// variance 1.
public struct BatchNorm: Layer {
  public var epsilon: Float

  public init(epsilon: Float = 1e-5) { self.epsilon = epsilon }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("bn")
    let parameters = network.parameters(
      name, [network.shape(of: x)[1]], [("scale", 1), ("bias", 0), ("mean", 0), ("variance", 1)])
    return try network.append(.batchNormalization(epsilon: epsilon), named: name, [x] + parameters)
  }
}

/// Normalisation over the axes from `axis` on, for each image (Ba et al. 2016). Starts with scale 1 and bias 0.
public struct LayerNorm: Layer {
  public var axis: Int
  public var epsilon: Float

  public init(axis: Int = 1, epsilon: Float = 1e-5) { (self.axis, self.epsilon) = (axis, epsilon) }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("layernorm")
    let shape = network.shape(of: x)
    guard (1..<shape.count).contains(axis) else {
      throw CNNError("LayerNorm over axis \(axis) of \(text(shape))", at: "layer \(name)")
    }
    let parameters = network.parameters(name, Array(shape[axis...]), [("scale", 1), ("bias", 0)])
    return try network.append(.layerNormalization(axis: axis, epsilon: epsilon), named: name, [x] + parameters)
  }
}

/// Normalisation over groups of channels and their pixels (Wu and He 2018). Starts with scale 1 and bias 0.
public struct GroupNorm: Layer {
  public var groups: Int
  public var epsilon: Float

  public init(groups: Int, epsilon: Float = 1e-5) { (self.groups, self.epsilon) = (groups, epsilon) }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("groupnorm")
    let parameters = network.parameters(name, [network.shape(of: x)[1]], [("scale", 1), ("bias", 0)])
    return try network.append(.groupNormalization(groups: groups, epsilon: epsilon), named: name, [x] + parameters)
  }
}

/// Normalisation over the pixels of each channel (Ulyanov et al. 2016). Starts with scale 1 and bias 0.
public struct InstanceNorm: Layer {
  public var epsilon: Float

  public init(epsilon: Float = 1e-5) { self.epsilon = epsilon }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName("instancenorm")
    let parameters = network.parameters(name, [network.shape(of: x)[1]], [("scale", 1), ("bias", 0)])
    return try network.append(.instanceNormalization(epsilon: epsilon), named: name, [x] + parameters)
  }
}

/// Local response normalisation across channels (Krizhevsky et al. 2012).
public struct LocalResponseNorm: OperatorLayer {
  public var size: Int
  public var alpha, beta, k: Float

  public init(_ size: Int, alpha: Float = 1e-4, beta: Float = 0.75, k: Float = 1) {
    self.size = size
    self.alpha = alpha
    self.beta = beta
    self.k = k
  }

  public var label: String { "lrn" }
  public func kind(for shape: [Int]) -> OperatorKind { .lrn(size: size, alpha: alpha, beta: beta, bias: k) }
}

/// Sets a share of the values to 0 in training, and scales the others up; otherwise the identity (Srivastava et al.
/// 2014).
public struct Dropout: OperatorLayer {
  public var ratio: Float

  public init(_ ratio: Float = 0.5) { self.ratio = ratio }

  public var label: String { "dropout" }
  public func kind(for shape: [Int]) -> OperatorKind { .dropout(ratio: ratio) }
}

extension NetworkBuilder {
  /// Constants of a shape, each named and of equal values.
  fileprivate mutating func parameters(
    _ layer: String, _ shape: [Int], _ parts: [(name: String, value: Float)]
  ) -> [String] {
    parts.map { parameter("\(layer).\($0.name)", shape: shape, value: $0.value) }
  }
}
