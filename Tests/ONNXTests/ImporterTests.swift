import CNNModel
import CNNONNX
import CNNPasses
import CNNRT
import CNNSupport
import Testing

struct ImporterTests {
  private func graph(
    _ nodes: [ONNXNode], inputs: [(String, ONNXType, [ONNXGraph.Dimension])], output: String = "y",
    constants: [String: ONNXTensor] = [:]
  ) -> ONNXGraph {
    var graph = ONNXGraph()
    graph.nodes = nodes
    graph.inputs = inputs.map { .init(name: $0.0, type: $0.1, shape: $0.2) }
    graph.outputs = [.init(name: output, type: .float, shape: nil)]
    graph.constants = constants
    return graph
  }

  private func node(
    _ op: String, _ inputs: [String], _ output: String, _ attributes: [String: ONNXAttribute] = [:], name: String? = nil
  ) -> ONNXNode {
    ONNXNode(name: name ?? output, op: op, inputs: inputs, outputs: [output], attributes: attributes, opset: 17)
  }

  private func run(_ imported: Imported, _ input: [Float]) throws -> [Float] {
    let session = try Session(
      Model(bytes: try BundleWriter().bytes(of: imported.graph)), Session.Options(batch: imported.batch))
    try session.setInput(input.span)
    try session.run()
    return try session.output(0)
  }

  /// Not only the first, and those behind one that is not known either.
  @Test func allThatIsMissingIsSaidAtOnce() throws {
    let model = graph(
      [
        node("Einsum", ["x"], "a", ["equation": .string("ij->ji")], name: "attn"),
        node("Relu", ["a"], "b"),
        node("LayerNormalization", ["b", "scale"], "c", ["stash_type": .int(16)], name: "norm"),
        node("Det", ["c"], "y", name: "d"),
      ],
      inputs: [("x", .float, [.size(1), .size(4)])],
      constants: ["scale": ONNXTensor(shape: [4], floats: [1, 1, 1, 1])])
    let error = #expect(throws: CNNError.self) { try ONNXImporter().importGraph(model) }
    let text = try #require(error).description
    #expect(text.contains("Einsum node “attn” (opset 17): there is no such operator here"))
    #expect(text.contains("LayerNormalization node “norm” (opset 17): stash_type 16"))
    #expect(text.contains("Det node “d” (opset 17): there is no such operator here"))
    #expect(!text.contains("Relu"))
  }

  @Test func openSizesAreAskedFor() throws {
    let model = graph(
      [node("Relu", ["x"], "y")],
      inputs: [("x", .float, [.symbol("batch"), .size(3), .symbol("height"), .symbol("width")])])
    let error = #expect(throws: CNNError.self) { try ONNXImporter().importGraph(model) }
    let text = try #require(error).description
    #expect(text.contains("[batch, 3, height, width]") && text.contains("--input HxWxC"))
    var options = ONNXImporter.Options()
    options.imageSize = ImageSize(height: 5, width: 7, channels: 3)
    let imported = try ONNXImporter(options: options).importGraph(model)
    #expect(imported.inputs[0].shape == [1, 3, 5, 7])
    options.imageSize = ImageSize(height: 5, width: 7, channels: 1)
    #expect(throws: CNNError.self) { try ONNXImporter(options: options).importGraph(model) }
  }

  /// The network's input has its channels first, and what comes of an image is the same.
  @Test func channelsLastImagesGetARecipe() throws {
    let weight = (0..<2 * 3).map { Float($0) - 2 }
    let model = graph(
      [
        node("Transpose", ["x"], "t", ["perm": .ints([0, 3, 1, 2])]),
        node("Conv", ["t", "w"], "c", ["kernel_shape": .ints([1, 1])]),
        node("Transpose", ["c"], "y", ["perm": .ints([0, 2, 3, 1])]),
      ],
      inputs: [("x", .float, [.symbol("n"), .symbol("h"), .symbol("w"), .size(3)])],
      constants: ["w": ONNXTensor(shape: [2, 3, 1, 1], floats: weight)])
    var options = ONNXImporter.Options()
    options.imageSize = ImageSize(height: 2, width: 2, channels: 3)
    options.recipe = .init(mean: [0, 0, 0], deviation: [1, 1, 1], channelOrder: .rgb)
    let imported = try ONNXImporter(options: options).importGraph(model)
    #expect(imported.inputs[0].shape == [1, 2, 2, 3])
    #expect(imported.graph.tensors[imported.graph.inputs[0]]?.shape == [1, 3, 2, 2])
    #expect(imported.graph.recipe?.width == 2)
    // Channels first: pixel p has the values p, 10 + p, 20 + p.
    let image: [Float] = [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    let result = try run(imported, image)
    var expected: [Float] = []
    for pixel in 0..<4 {
      for output in 0..<2 {
        var sum: Float = 0
        for channel in 0..<3 { sum += weight[3 * output + channel] * Float(10 * channel + pixel) }
        expected.append(sum)
      }
    }
    #expect(result == expected)
  }

  /// A file for a batch of 4 runs in a session of 4; one that mixes its images, in one of 1.
  @Test func batchesAreKeptApartUnlessTheFileMixesThem() throws {
    let apart = graph(
      [node("Relu", ["x"], "r"), node("Softmax", ["r"], "y", ["axis": .int(1)])],
      inputs: [("x", .float, [.size(4), .size(3)])])
    let imported = try ONNXImporter().importGraph(apart)
    #expect(imported.batch == 4 && !imported.outputs[0].isWhole)
    #expect(imported.graph.tensors["y"]?.shape == [1, 3])

    let mixed = graph(
      [node("ReduceSum", ["x", "axes"], "y", ["keepdims": .int(0)])], inputs: [("x", .float, [.size(4), .size(3)])],
      constants: ["axes": ONNXTensor([0])])
    let whole = try ONNXImporter().importGraph(mixed)
    #expect(whole.batch == 1 && whole.outputs[0].shape == [3])
    #expect(try run(whole, (0..<12).map(Float.init)) == [18, 22, 26])
  }

  @Test func outputsBearTheFilesNames() throws {
    let model = graph(
      [node("Identity", ["x"], "y")], inputs: [("x", .float, [.size(1), .size(2)])])
    let imported = try ONNXImporter().importGraph(model)
    #expect(imported.graph.outputs == ["y"] && imported.graph.inputs == ["x"])
    #expect(try run(imported, [3, 4]) == [3, 4])
  }

  /// Numbers that nobody means are refused or survived, never a crash.
  @Test(.enabled(if: ConformanceCase.exist, "apt install libonnx-testdata"))
  func damagedModelsDoNotCrash() {
    let imported = ConformanceCase.all().reduce(0) { $0 + $1.importDamaged(4, seed: 11) }
    // Most damage is such that something remains; a test whose models were all refused early would show nothing.
    #expect(imported > 300)
  }
}
