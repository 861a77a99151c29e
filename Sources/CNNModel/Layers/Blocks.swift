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
