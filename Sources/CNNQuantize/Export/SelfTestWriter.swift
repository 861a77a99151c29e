import CNNModel
import CNNRT
import CNNSupport

/// Puts a self-test into a bundle: inputs and what libcnnrt makes of them here, which every other machine must make of
/// them too.
public struct SelfTestWriter {
  private let codec: SectionCodec

  public init(codec: SectionCodec) { self.codec = codec }

  /// Float outputs: rounding differs between instruction sets, in the seventh digit for each layer.
  private static let tolerance: Float = 1e-4

  /// The graph's bundle, which has passed its own test.
  /// - Parameter setInputs: sets the inputs of a session, and gives what it has set, each in the input's own type.
  public func bytes(of graph: Graph, setInputs: (Session) throws -> [TensorData]) throws -> [UInt8] {
    var graph = graph
    graph.selfTest = try selfTest(graph, setInputs)
    let bytes = try BundleWriter(codec: codec).bytes(of: graph)
    let model = try Model(bytes: bytes, options: Model.Options(verify: true))
    try Session(model).selfTest()
    return bytes
  }

  private func selfTest(_ graph: Graph, _ setInputs: (Session) throws -> [TensorData]) throws -> SelfTest {
    let session = try Session(Model(bytes: try BundleWriter(codec: .stored).bytes(of: graph)))
    let inputs = try setInputs(session)
    try session.run()
    let outputs = try graph.outputs.indices.map { index -> TensorData in
      graph.tensors[graph.outputs[index]]!.type == .uint8
        ? .uint8(try session.output(index, as: UInt8.self)) : .float32(try session.output(index))
    }
    return SelfTest(inputs: inputs, outputs: outputs, tolerance: Self.tolerance)
  }
}

extension Exporter {
  /// Sets the self-test's image: the first one for calibration; without data, noise.
  func setSelfTestImage(_ session: Session, _ recipe: Recipe, _ images: ExportImages?) throws -> [TensorData] {
    if let images, let number = images.calibration.first {
      try session.setImage(images.training, number)
    } else {
      var random = Random(seed: options.seed)
      let pixels = (0..<recipe.width * recipe.height * recipe.channels).map { _ in UInt8(random.below(256)) }
      try session.setImage(pixels.span, width: recipe.width, height: recipe.height, channels: recipe.channels)
    }
    return [
      session.inputs[0].type == .uint8
        ? .uint8(try session.mapInput(as: UInt8.self).values()) : .float32(try session.mapInput().values())
    ]
  }
}
