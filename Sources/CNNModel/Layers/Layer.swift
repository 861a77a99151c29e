import CNNSupport

/// A piece of a network in the language of its diagram: a convolution, a block, a whole network. A layer knows nothing
/// about its input until it is appended to one; sizes follow from there.
///
///     Sequential {
///       Conv2d(16, kernel: 3, padding: 1)
///       BatchNorm()
///       ReLU()
///       GlobalAveragePool()
///       Flatten()
///       Linear(10)
///       Softmax()
///     }
public protocol Layer: Sendable {
  /// Appends the operators that compute this layer from the tensor `x`.
  /// - Returns: the name of the result.
  /// - Throws: `CNNError` where the layer does not fit `x`.
  func append(to network: inout NetworkBuilder, _ x: String) throws(CNNError) -> String
}

/// Layers one below the other, with `if`, `switch` and `for`.
@resultBuilder
public enum LayerBuilder {
  public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
  public static func buildBlock(_ layers: [any Layer]...) -> [any Layer] { layers.flatMap { $0 } }
  public static func buildOptional(_ layers: [any Layer]?) -> [any Layer] { layers ?? [] }
  public static func buildEither(first layers: [any Layer]) -> [any Layer] { layers }
  public static func buildEither(second layers: [any Layer]) -> [any Layer] { layers }
  public static func buildArray(_ layers: [[any Layer]]) -> [any Layer] { layers.flatMap { $0 } }
}

/// Height, width and channels of a network's input image.
public struct ImageSize: Equatable, Sendable, CustomStringConvertible {
  public var height: Int
  public var width: Int
  public var channels: Int

  public init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// From "28x28x1": height, width, channels.
  /// - Throws: `CNNError` that says what is expected.
  public init(_ text: String) throws(CNNError) {
    let sizes = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard sizes.count == 3, sizes.allSatisfy({ (1...65535).contains($0) }) else {
      throw CNNError("“\(text)” is no image size", advice: "write height, width and channels: 28x28x1")
    }
    self.init(height: sizes[0], width: sizes[1], channels: sizes[2])
  }

  public var description: String { "\(height)x\(width)x\(channels)" }
}

extension Layer {
  /// The whole network from an image to this layer's result, with initial parameters from `seed`.
  /// - Throws: `CNNError` that names the first layer that does not fit.
  public func graph(input: ImageSize, seed: UInt64) throws(CNNError) -> Graph {
    var network = NetworkBuilder(seed: seed)
    let x = network.input("input", shape: [1, input.channels, input.height, input.width])
    network.graph.outputs = [try append(to: &network, x)]
    return network.graph
  }
}
