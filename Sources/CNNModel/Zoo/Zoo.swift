import CNNSupport

/// The networks that the tools know by name. Each ends in Softmax, which training replaces by its loss.
public enum Zoo {
  /// What a network is made for.
  struct Task {
    var classes: Int
    var input: ImageSize
    /// Multiplies the channels.
    var width: Double

    /// Images of fewer than 96 pixels a side keep their size where the networks for photographs would halve it at once.
    var isSmall: Bool { min(input.height, input.width) < 96 }
  }

  private struct Entry {
    var name: String
    var hasWidth = false
    var layers: @Sendable (Task) -> any Layer
  }

  private static let networks: [Entry] = [
    Entry(name: "seed", layers: seed),
    Entry(name: "lenet5", layers: lenet5),
    Entry(name: "alexnet", layers: alexnet),
    Entry(name: "alexnet_lrn", layers: alexnetLRN),
    Entry(name: "vgg11") { vgg($0, convolutions: [1, 1, 2, 2, 2]) },
    Entry(name: "vgg13") { vgg($0, convolutions: [2, 2, 2, 2, 2]) },
    Entry(name: "vgg16") { vgg($0, convolutions: [2, 2, 3, 3, 3]) },
    Entry(name: "vgg19") { vgg($0, convolutions: [2, 2, 4, 4, 4]) },
    Entry(name: "vgg11_bn") { vgg($0, convolutions: [1, 1, 2, 2, 2], normalized: true) },
    Entry(name: "vgg13_bn") { vgg($0, convolutions: [2, 2, 2, 2, 2], normalized: true) },
    Entry(name: "vgg16_bn") { vgg($0, convolutions: [2, 2, 3, 3, 3], normalized: true) },
    Entry(name: "vgg19_bn") { vgg($0, convolutions: [2, 2, 4, 4, 4], normalized: true) },
    Entry(name: "squeezenet1_1", layers: squeezenet1_1),
    Entry(name: "resnet8", layers: resnet8),
    Entry(name: "resnet20") { cifarResNet($0, blocks: 3) },
    Entry(name: "resnet32") { cifarResNet($0, blocks: 5) },
    Entry(name: "resnet56") { cifarResNet($0, blocks: 9) },
    Entry(name: "resnet18") { resNet($0, blocks: [2, 2, 2, 2]) },
    Entry(name: "resnet34") { resNet($0, blocks: [3, 4, 6, 3]) },
    Entry(name: "resnet50") { resNet($0, blocks: [3, 4, 6, 3], bottleneck: true) },
    Entry(name: "densenet121", layers: densenet121),
    Entry(name: "mobilenet_v1", hasWidth: true, layers: mobilenetV1),
    Entry(name: "mobilenet_v2", hasWidth: true, layers: mobilenetV2),
    Entry(name: "efficientnet_lite0", layers: efficientnetLite0),
  ]

  /// What `make` knows.
  public static var names: [String] { networks.map(\.name) }

  /// A network for `classes` classes and images of the size `input`, with initial parameters from `seed`.
  /// - Parameter width: multiplies the channels of the networks that are published with such a factor.
  /// - Throws: `CNNError` if the name is unknown (with those that are known), the network has no width, or the images
  ///   are too small.
  public static func make(
    _ name: String, classes: Int, input: ImageSize, width: Double = 1, seed: UInt64 = 0
  ) throws(CNNError) -> Graph {
    guard let network = networks.first(where: { $0.name == name }) else {
      throw CNNError("there is no network “\(name)”", advice: "the names are: \(names.joined(separator: ", "))")
    }
    guard classes > 0 else { throw CNNError("a network needs at least one class", at: name) }
    guard width == 1 || network.hasWidth else {
      let wide = networks.filter(\.hasWidth).map(\.name).joined(separator: ", ")
      throw CNNError("has no width to choose", at: name, advice: "these have one: \(wide)")
    }
    guard width >= 0.01, width <= 16 else { throw CNNError("the width \(width) is not in 0.01 … 16", at: name) }
    var graph: Graph
    do {
      graph = try network.layers(Task(classes: classes, input: input, width: width)).graph(input: input, seed: seed)
    } catch { throw error.inside("\(name) with input \(input)") }
    graph.metadata["model"] = name
    if width != 1 { graph.metadata["model.width"] = "\(width)" }
    return graph
  }
}
