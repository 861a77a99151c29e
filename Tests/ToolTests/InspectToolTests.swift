import CNNModel
import CNNPasses
import Foundation
import Testing

@Suite struct InspectToolTests {
  private let tool = Tool(name: "cnn-inspect")

  private func seedNetwork() throws -> Graph {
    var graph = try Zoo.make("seed", classes: 3, input: ImageSize(height: 28, width: 28, channels: 1))
    graph.recipe = Recipe(width: 28, height: 28, channelOrder: .grey, mean: [0.25], deviation: [0.5])
    graph.labels = ["boot", "bag", "é"]
    return graph
  }

  private func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func jsonSaysWhatIsInTheBundle() throws {
    let graph = try seedNetwork()
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "net.cnn").path
      try BundleWriter().write(graph, to: path)
      let result = try tool.run([path, "--json"])
      #expect(result.exitCode == 0, "\(result.error)")
      let found = try json(result.output)
      #expect(found["parameters"] as? Int == graph.parameterCount)
      #expect(found["multiply_adds"] as? Int == graph.multiplyAdds)
      #expect(found["labels"] as? [String] == graph.labels)
      #expect(found["quantized"] as? Bool == false)
      #expect((found["recipe"] as? [String: Any])?["mean"] as? [Double] == [0.25])
      #expect((found["metadata"] as? [String: String])?["model"] == "seed")
      let layers = try #require(found["layers"] as? [[String: Any]])
      #expect(layers.map { $0["op"] as? String } == graph.operators.map(\.kind.name))
      let attributes = try #require(layers[0]["attributes"] as? [String: Any])
      #expect(attributes["kernel_shape"] as? [Int] == [3, 3])
      #expect(attributes["pads"] as? [Int] == [1, 1, 1, 1])
      let sections = try #require(found["sections"] as? [[String: Any]])
      #expect(sections.allSatisfy { $0["crc_ok"] as? Bool == true })
      let bytes = try Data(contentsOf: URL(filePath: path)).count
      #expect(found["file_bytes"] as? Int == bytes)
      // Header, table entries and sections fill the file but for padding to 64.
      let stored = sections.reduce(64 * (1 + sections.count)) { $0 + ($1["stored_bytes"] as? Int ?? 0) }
      #expect((bytes - 64 * sections.count...bytes).contains(stored))
    }
  }

  @Test func textNamesLayersAndLabels() throws {
    let graph = try seedNetwork()
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "net.cnn").path
      try BundleWriter(codec: .stored).write(graph, to: path)
      let result = try tool.run([path])
      #expect(result.exitCode == 0)
      for word in graph.labels + graph.operators.map(\.name) + ["WEIGHTS", "float32", "28×28 grey", "self-test: none"] {
        #expect(result.output.contains(word), "\(word)")
      }
    }
  }

  /// A layer of every kind, as text and as JSON with ONNX's names.
  @Test func everyOperatorIsShown() throws {
    let network = Sequential {
      Conv2d(8, kernel: 3, padding: 1, groups: 1)
      LeakyReLU(0.2)
      DepthwiseConv2d(kernel: 3, padding: 1)
      LocalResponseNorm(5)
      PReLU()
      Multiply {
        GlobalAveragePool()
        Conv2d(8, kernel: 1)
        HardSigmoid()
      }
      Concat {
        ConvTranspose2d(4, kernel: 2, stride: 2)
        Upsample(2, mode: .linear)
      }
      ReLU6()
      SpaceToDepth(2)
      PixelShuffle(2)
      Pad(1, mode: .reflect)
      InstanceNorm()
      GroupNorm(groups: 2)
      GELU(approximate: true)
      Reduce(.mean, axes: [2], keepDims: false)
      LayerNorm(axis: 2)
      Permute(0, 2, 1)
      Reshape(2, -1)
      MatMul {
        Softmax(axis: 2)
      } by: {
        Permute(0, 2, 1)
      }
      Dropout(0.25)
    }
    let graph = try network.graph(input: ImageSize(height: 4, width: 4, channels: 3), seed: 1)
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "net.cnn").path
      try BundleWriter().write(graph, to: path)
      let text = try tool.run([path])
      #expect(text.exitCode == 0, "\(text.error)")
      for word in Set(graph.operators.map(\.kind.name)).union(["3×3 pad 1 group 8", "min 0.0 max 6.0", "perm 0,2,1"]) {
        #expect(text.output.contains(word), "\(word)")
      }
      let found = try json(try tool.run([path, "--json"]).output)
      let layers = try #require(found["layers"] as? [[String: Any]])
      func attributes(_ op: String) throws -> [String: Any] {
        try #require(layers.first { $0["op"] as? String == op }?["attributes"] as? [String: Any])
      }
      #expect(try attributes("Resize")["coordinate_transformation_mode"] as? String == "half_pixel")
      #expect(try attributes("Resize")["scales"] as? [Double] == [2, 2])
      #expect(try attributes("DepthToSpace")["mode"] as? String == "CRD")
      #expect(try attributes("Pad")["pads"] as? [Int] == [0, 0, 1, 1, 0, 0, 1, 1])
      #expect(try attributes("LRN")["alpha"] as? Double == 1e-4)
      #expect(try attributes("Gelu")["approximate"] as? String == "tanh")
      #expect(try attributes("ReduceMean")["axes"] as? [Int] == [2])
      #expect(try attributes("Clip")["max"] as? Double == 6)
      #expect(try attributes("ConvTranspose")["output_padding"] as? [Int] == [0, 0])
    }
  }

  /// The passes that the library runs, with its counts; the file stays as it is.
  @Test func passesAreCounted() throws {
    let graph = try Zoo.make("resnet8", classes: 3, input: ImageSize(height: 28, width: 28, channels: 1))
    var expected = graph
    let done = expected.run(Pass.forInference)
    #expect(done.contains { $0.rewrites == 7 } && expected.operators.count < graph.operators.count)
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "net.cnn").path
      try BundleWriter().write(graph, to: path)
      let bytes = try Data(contentsOf: URL(filePath: path))
      let found = try json(try tool.run([path, "--passes", "--json"]).output)
      let passes = try #require(found["passes"] as? [[String: Any]])
      #expect(passes.map { $0["pass"] as? String } == done.map(\.pass))
      #expect(passes.map { $0["rewrites"] as? Int } == done.map(\.rewrites))
      #expect(
        passes.dropFirst().map { $0["operators_before"] as? Int }
          == passes.dropLast().map { $0["operators_after"] as? Int })
      let total = try #require(found["total"] as? [String: Any])
      #expect(total["operators_before"] as? Int == graph.operators.count)
      #expect(total["operators_after"] as? Int == expected.operators.count)
      #expect(total["rewrites"] as? Int == done.reduce(0) { $0 + $1.rewrites })
      let text = try tool.run([path, "--passes"]).output.split(separator: "\n").map { $0.split(separator: " ") }
      #expect(
        text.contains(["fold-batch-normalization", "7", "\(graph.operators.count)", "\(graph.operators.count - 7)"]))
      #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
    }
  }

  private static let onnx = "/usr/share/libonnx-testdata/data/pytorch-operator/test_operator_params/model.onnx"

  /// Add, Mul, Tanh, Sigmoid, Neg, the last of which is a Mul.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: onnx), "apt install libonnx-testdata"))
  func passesOfAnImportAreCounted() throws {
    let result = try tool.run([Self.onnx, "--passes", "--json"])
    #expect(result.exitCode == 0, "\(result.error)")
    let found = try json(result.output)
    let passes = try #require(found["passes"] as? [[String: Any]])
    #expect(passes.first?["operators_before"] as? Int == 5)
    #expect(passes.last?["operators_after"] as? Int == 5)
    let names = passes.compactMap { $0["pass"] as? String }
    #expect(names.contains("fold-constants") && names.contains("cancel-transposes"))
    #expect(passes.contains { $0["rewrites"] as? Int == 1 })
    #expect(try tool.run([Self.onnx]).error.contains("--passes only"))
    #expect(try tool.run([Self.onnx, "--passes", "--input", "3x4"]).error.contains("3x4"))
  }

  @Test func passesOfAnInt8BundleAreRefused() throws {
    let result = try tool.run([FuzzCorpusTests.folder.appending(path: "grey-int8.cnn").path, "--passes"])
    #expect(result.exitCode == 1 && !result.crashed && result.error.contains("is quantized"))
  }

  @Test func damagedWeightsAreNamed() throws {
    let graph = try seedNetwork()
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "net.cnn").path
      var bytes = try BundleWriter(codec: .stored).bytes(of: graph)
      let weights = try #require(try BundleReader(bytes).sections.first { $0.kind == .weights })
      bytes[weights.offset + 1000] ^= 1
      try Data(bytes).write(to: URL(filePath: path))
      for arguments in [[path], [path, "--json"]] {
        let result = try tool.run(arguments)
        #expect(result.exitCode == 1 && !result.crashed)
        #expect(result.error.contains("WEIGHTS"))
        if arguments.count == 2 {
          let sections = try #require(try json(result.output)["sections"] as? [[String: Any]])
          #expect(sections.filter { $0["crc_ok"] as? Bool == false }.map { $0["kind"] as? String } == ["WEIGHTS"])
        } else {
          #expect(result.output.contains("WRONG"))
        }
      }
    }
  }

  @Test func whatIsNoBundleIsRefused() throws {
    let whole = try BundleWriter().bytes(of: try seedNetwork())
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "net.cnn").path
      for bytes in [[], Array("hello".utf8), Array(whole.prefix(100)), Array(whole.dropLast()), whole + [0]] {
        try Data(bytes).write(to: URL(filePath: path))
        let result = try tool.run([path])
        #expect(result.exitCode == 1 && !result.crashed)
        #expect(result.error.contains(path))
        #expect(result.output.isEmpty)
      }
      let missing = try tool.run([folder.appending(path: "missing.cnn").path])
      #expect(missing.exitCode == 1 && missing.error.contains("No such file"))
    }
  }
}
