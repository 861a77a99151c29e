import CNNSupport

/// A layer that is a single operator without parameters.
public protocol OperatorLayer: Layer {
  /// In the layer's name: "relu" makes "relu1".
  var label: String { get }
  /// The operator for an input of this shape.
  func kind(for shape: [Int]) throws(CNNError) -> OperatorKind
}

extension OperatorLayer {
  public func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String {
    let name = network.nextName(label)
    let kind: OperatorKind
    do { kind = try self.kind(for: network.shape(of: x)) } catch { throw error.inside("layer \(name)") }
    return try network.append(kind, named: name, [x])
  }
}
