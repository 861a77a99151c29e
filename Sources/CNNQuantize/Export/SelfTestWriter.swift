import CNNModel
import CNNRT
import CNNSupport

/// Puts a self-test into a bundle: an image and what libcnnrt makes of it here, which every other machine must make of
/// it too.
struct SelfTestWriter {
  let options: Exporter.Options

  /// Float outputs: rounding differs between instruction sets, in the seventh digit for each layer.
  private static let tolerance: Float = 1e-4

  /// The graph's bundle, which has passed its own test.
  func bytes(of graph: Graph, _ images: ExportImages?) throws -> [UInt8] {
    var graph = graph
    graph.selfTest = try selfTest(graph, images)
    let bytes = try BundleWriter(codec: options.codec).bytes(of: graph)
    let model = try Model(bytes: bytes, options: Model.Options(verify: true))
    try Session(model).selfTest()
    return bytes
  }

  private func selfTest(_ graph: Graph, _ images: ExportImages?) throws -> SelfTest {
    let session = try Session(Model(bytes: try BundleWriter(codec: .stored).bytes(of: graph)))
    try setImage(session, graph.recipe!, images)
    let input: TensorData =
      session.inputs[0].type == .uint8
      ? .uint8(try session.mapInput(as: UInt8.self).values()) : .float32(try session.mapInput().values())
    try session.run()
    let outputs = try graph.outputs.indices.map { index -> TensorData in
      graph.tensors[graph.outputs[index]]!.type == .uint8
        ? .uint8(try session.output(index, as: UInt8.self)) : .float32(try session.output(index))
    }
    return SelfTest(inputs: [input], outputs: outputs, tolerance: Self.tolerance)
  }

  /// The first calibration image; without data, noise.
  private func setImage(_ session: Session, _ recipe: Recipe, _ images: ExportImages?) throws {
    if let images, let number = images.calibration.first {
      try session.setImage(images.training, number)
    } else {
      var random = Random(seed: options.seed)
      let pixels = (0..<recipe.width * recipe.height * recipe.channels).map { _ in UInt8(random.below(256)) }
      try session.setImage(pixels.span, width: recipe.width, height: recipe.height, channels: recipe.channels)
    }
  }
}
