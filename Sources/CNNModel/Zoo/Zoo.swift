import CNNSupport

/// The networks that the tools know by name.
public enum Zoo {
  private static let networks: [(name: String, layers: @Sendable (_ classes: Int) -> any Layer)] = [
    ("seed", seed)
  ]

  /// What `make` knows.
  public static var names: [String] { networks.map(\.name) }

  /// A network for `classes` classes and images of the size `input`, with initial parameters from `seed`.
  /// - Throws: `CNNError` if the name is unknown (with those that are known) or the images are too small.
  public static func make(
    _ name: String, classes: Int, input: ImageSize, seed: UInt64 = 0
  ) throws(CNNError) -> Graph {
    guard let network = networks.first(where: { $0.name == name }) else {
      throw CNNError("there is no network “\(name)”", advice: "the names are: \(names.joined(separator: ", "))")
    }
    guard classes > 0 else { throw CNNError("a network needs at least one class", at: name) }
    var graph: Graph
    do { graph = try network.layers(classes).graph(input: input, seed: seed) } catch {
      throw error.inside("\(name) with input \(input)")
    }
    graph.metadata["model"] = name
    return graph
  }
}
