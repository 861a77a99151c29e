import CNNSupport

/// Layers in a row: each reads the one before.
public struct Sequential: Layer {
  public var name: String
  public var layers: [any Layer]

  /// `name` comes before the names of the layers inside: "stage1" makes "stage1.conv1".
  public init(_ name: String = "", @LayerBuilder _ layers: () -> [any Layer]) {
    self.name = name
    self.layers = layers()
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    try network.within(name) { network throws(CNNError) in
      var x = x
      for layer in layers { x = try layer.append(to: &network, x) }
      return x
    }
  }
}

/// Two ways from the same input, added: the layers of the body, and the shortcut around them, which is the input
/// itself where it has no layers (He et al. 2015).
///
///     Residual {
///       Conv2d(64, kernel: 3, stride: 2, padding: 1, bias: false)
///       BatchNorm()
///       ReLU()
///       Conv2d(64, kernel: 3, padding: 1, bias: false)
///       BatchNorm()
///     } shortcut: {
///       Conv2d(64, kernel: 1, stride: 2, bias: false)
///       BatchNorm()
///     }
public struct Residual: Layer {
  public var body: Sequential
  public var shortcut: Sequential

  public init(@LayerBuilder _ body: () -> [any Layer], @LayerBuilder shortcut: () -> [any Layer] = { [] }) {
    self.body = Sequential("", body)
    self.shortcut = Sequential("shortcut", shortcut)
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let a = try body.append(to: &network, x)
    let b = try shortcut.append(to: &network, x)
    return try network.append(.add, named: network.nextName("add"), [a, b])
  }
}

/// The input, multiplied by what the layers of the gate make of it: squeeze and excite (Hu et al. 2018).
///
///     Multiply {
///       GlobalAveragePool()
///       Conv2d(8, kernel: 1)
///       ReLU()
///       Conv2d(32, kernel: 1)
///       Sigmoid()
///     }
public struct Multiply: Layer {
  public var gate: Sequential

  public init(@LayerBuilder gate: () -> [any Layer]) { self.gate = Sequential("gate", gate) }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let factor = try gate.append(to: &network, x)
    return try network.append(.mul, named: network.nextName("mul"), [x, factor])
  }
}

/// Branches from the same input, joined along an axis; each layer inside is a branch (Szegedy et al. 2015).
///
///     Concat {
///       Conv2d(64, kernel: 1)
///       Sequential {
///         Conv2d(16, kernel: 1)
///         Conv2d(64, kernel: 3, padding: 1)
///       }
///       Identity()
///     }
public struct Concat: Layer {
  public var axis: Int
  public var branches: [any Layer]

  public init(axis: Int = 1, @LayerBuilder _ branches: () -> [any Layer]) {
    self.axis = axis
    self.branches = branches()
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    var ends: [String] = []
    for branch in branches { ends.append(try branch.append(to: &network, x)) }
    return try network.append(.concat(axis: axis), named: network.nextName("concat"), ends)
  }
}

/// Nothing: the branch that is the input itself.
public struct Identity: Layer {
  public init() {}

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String { x }
}

/// The matrix product of two branches from the same input: [N,…,M,K] by [N,…,K,P].
public struct MatMul: Layer {
  public var a, b: Sequential

  public init(@LayerBuilder _ a: () -> [any Layer], @LayerBuilder by b: () -> [any Layer]) {
    self.a = Sequential("", a)
    self.b = Sequential("", b)
  }

  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let left = try a.append(to: &network, x)
    let right = try b.append(to: &network, x)
    return try network.append(.matMul, named: network.nextName("matmul"), [left, right])
  }
}
