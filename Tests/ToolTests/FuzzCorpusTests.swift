import CNNModel
import CNNPasses
import CNNQuantize
import Foundation
import Testing

/// The bundles that fuzzing starts from: small networks that hold every operator and section. They are the first files of format 1,
/// so today's library must run them for good.
///
/// `CNN_WRITE_CORPUS=1 swift test --filter FuzzCorpusTests` writes them anew.
struct FuzzCorpusTests {
  static let folder = Tool.projectRoot.appending(path: "Tests/Fuzz/bundle/corpus")

  static let sections = Sequential {
    Conv2d(3, kernel: 3, padding: 1)
    BatchNorm()
    ReLU()
    MaxPool(2)
    Flatten()
    Linear(3)
    Softmax()
  }

  static let operators = Sequential {
    Conv2d(4, kernel: 3, stride: 2, padding: 1)
    ReLU()
    Residual {
      Conv2d(4, kernel: 3, padding: 2, dilation: 2)
      ReLU()
      Conv2d(4, kernel: 1)
    }
    AveragePool(2, stride: 1)
    Conv2d(20, kernel: 1)
    ReLU()
    GlobalAveragePool()
    Flatten()
    Linear(4)
    Softmax()
  }

  static func graphs() throws -> [(name: String, graph: Graph, codec: SectionCodec)] {
    var grey = try sections.graph(input: ImageSize(height: 6, width: 6, channels: 1), seed: 1)
    grey.recipe = Recipe(
      width: 6, height: 6, channelOrder: .grey, resize: .crop(shorter: 7), mean: [0.5], deviation: [0.25])
    grey.labels = ["cat", "dog", "otter"]
    grey.metadata = ["model": "tiny", "note": "for the fuzzer"]
    grey.selfTest = SelfTest(
      inputs: [.float32([Float](repeating: 0.5, count: 36))], outputs: [.float32([0.2, 0.3, 0.5])], tolerance: 1)
    grey.trainingState = Array(0..<100)
    var colour = try operators.graph(input: ImageSize(height: 9, width: 9, channels: 3), seed: 2)
    colour.recipe = Recipe(
      width: 9, height: 9, channelOrder: .bgr, resize: .letterbox(fill: [1, 2, 3]), mean: [0.4, 0.5, 0.6],
      deviation: [0.2, 0.2, 0.3])
    return [
      ("grey-training.cnn", grey, .stored), ("grey-deflated.cnn", grey, .deflate),
      ("colour-float.cnn", colour, .stored),
      ("grey-int8.cnn", try int8(grey), .stored), ("colour-int8.cnn", try int8(colour), .stored),
    ]
  }

  /// Quantized for activations from −4 to 4: not accurate, but every kernel runs.
  static func int8(_ graph: Graph) throws -> Graph {
    var graph = graph
    graph.trainingState = nil
    graph.selfTest = nil
    graph.run(Pass.forInference)
    var quantizations: [String: AffineQuantization] = [:]
    for tensor in graph.inputs + graph.calibratedTensors.keys {
      quantizations[tensor] = AffineQuantization(lower: -4, upper: 4)
    }
    return try graph.quantized(quantizations)
  }

  @Test func corpusIsWhatIsWrittenToday() throws {
    let write = ProcessInfo.processInfo.environment["CNN_WRITE_CORPUS"] != nil
    for (name, graph, codec) in try Self.graphs() {
      let bytes = Data(try BundleWriter(codec: codec).bytes(of: graph))
      let file = Self.folder.appending(path: name)
      if write { try bytes.write(to: file) }
      // zlib's next version may deflate differently.
      if codec == .stored { #expect(try Data(contentsOf: file) == bytes, "\(name)") }
    }
  }

  @Test func corpusRuns() throws {
    for (name, graph, _) in try Self.graphs() {
      let picture = InferToolTests.image(graph.recipe!.channels == 1 ? "grey8.png" : "rgb8.png")
      let arguments = ["--model", Self.folder.appending(path: name).path, "--json", picture]
      let result = try Tool(name: "cnn-infer").run(arguments)
      #expect(result.exitCode == 0 && result.error.isEmpty, "\(name): \(result.error)")
    }
  }
}
