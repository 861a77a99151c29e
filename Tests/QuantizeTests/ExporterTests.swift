import CNNData
import CNNModel
import CNNQuantize
import CNNRT
import CNNSupport
import Testing

/// Images in which the class says which row is bright.
private struct StripedImages: DataSource {
  var name: String { "stripes" }
  var channels = 1
  /// False: whoever asks for the test images fails.
  var hasTest = true

  func loadTraining() throws(CNNError) -> Dataset { try dataset(300, seed: 1) }
  func loadTest() throws(CNNError) -> Dataset {
    guard hasTest else { throw CNNError("the test images were asked for") }
    return try dataset(100, seed: 2)
  }

  private func dataset(_ count: Int, seed: UInt64) throws(CNNError) -> Dataset {
    var random = Random(seed: seed)
    let labels = (0..<count).map { _ in Int32(random.below(4)) }
    let pixels = labels.flatMap { label in
      (0..<channels * 16 * 16).map { UInt8(random.below(80) + ($0 / 16 % 16 / 4 == Int(label) ? 170 : 0)) }
    }
    return try Dataset(
      channels: channels, height: 16, width: 16, classNames: ["a", "b", "c", "d"], labels: labels, pixels: pixels,
      origin: name)
  }
}

@Suite struct ExporterTests {
  private func source(channels: Int = 1, seed: UInt64 = 1) throws -> BundleReader {
    var graph = try Zoo.make(
      "seed", classes: 4, input: ImageSize(height: 16, width: 16, channels: channels), seed: seed)
    graph.recipe = Recipe(
      width: 16, height: 16, channelOrder: channels == 1 ? .grey : .rgb,
      mean: [0.4, 0.45, 0.5].prefix(channels).map { $0 }, deviation: [0.3, 0.25, 0.2].prefix(channels).map { $0 })
    graph.metadata["training.seed"] = "3"
    graph.metadata["training.validation"] = "60"
    return try BundleReader(try BundleWriter().bytes(of: graph))
  }

  private func options(int8: Bool, _ change: (inout Exporter.Options) -> Void = { _ in }) -> Exporter.Options {
    var options = Exporter.Options(int8: int8)
    options.progress = false
    options.calibrationImages = 64
    change(&options)
    return options
  }

  private func export(
    _ source: BundleReader, _ options: Exporter.Options, _ data: StripedImages? = StripedImages()
  ) throws -> Exporter.Result {
    try Exporter(tool: "test", options: options).export(source, name: "model.cnn", as: "out.cnn", data: data)
  }

  @Test(arguments: [true, false], [1, 3]) func bundleIsCompleteAndProvesItself(int8: Bool, channels: Int) throws {
    let source = try source(channels: channels)
    for codec in [SectionCodec.deflate, .stored] {
      let result = try export(source, options(int8: int8) { $0.codec = codec }, StripedImages(channels: channels))
      let reader = try BundleReader(result.bytes)
      let graph = try reader.graph()
      #expect(graph.isQuantized == int8 && !graph.isMixed)
      #expect(graph.labels == ["a", "b", "c", "d"])
      #expect(graph.recipe == (try source.graph().recipe))
      #expect(graph.metadata["tool"] == "test" && graph.metadata["export.type"] == (int8 ? "int8" : "float32"))
      #expect(!graph.operators.contains { $0.kind == .relu || $0.kind.name == "BatchNormalization" })
      #expect((codec == .stored) == reader.sections.allSatisfy { $0.codec == .stored })
      let selfTest = try #require(graph.selfTest)
      #expect(selfTest.inputs[0].count == channels * 256 && selfTest.outputs[0].count == 4)
      try Session(Model(bytes: result.bytes)).selfTest()

      let report = result.report
      #expect(report.fileBytes == result.bytes.count)
      #expect(report.arenaBytes == (try Session.arenaBytes(Model(bytes: result.bytes))))
      #expect(report.test?.images == 100 && report.validation?.images == 60)
      #expect((report.test?.int8 != nil) == int8)
      #expect(report.layers.map(\.name) == graph.operators.map(\.name))
      #expect(report.layers.allSatisfy { int8 ? $0.decibels! > 20 : $0.decibels == nil })
    }
  }

  /// A changed weight must not pass: the self-test is no formality.
  @Test func selfTestSeesAChangedWeight() throws {
    let result = try export(try source(), options(int8: true))
    var graph = try BundleReader(result.bytes).graph()
    let weight = graph.operators[0].inputs[1]
    var values = graph.tensors[weight]!.data!.int8s!
    values[4] = values[4] > 0 ? -90 : 90
    graph.tensors[weight]!.data = .int8(values)
    let bytes = try BundleWriter().bytes(of: graph)
    let error = #expect(throws: CNNRTError.self) { try Session(Model(bytes: bytes)).selfTest() }
    #expect(error?.status == .selfTest)
  }

  @Test func sameBytesTwiceAndOnTwoThreads() throws {
    let source = try source()
    let first = try export(source, options(int8: true))
    #expect(try export(source, options(int8: true)).bytes == first.bytes)
    let second = try export(source, options(int8: true) { $0.threads = 2 })
    #expect(second.bytes == first.bytes)
    #expect(second.report == first.report)
    #expect(try export(source, options(int8: true) { $0.seed = 7 }).bytes != first.bytes)
  }

  /// The test images decide nothing: the network is the same without them, and they are not touched unless asked for.
  @Test func testImagesAreForTheReportAlone() throws {
    let source = try source()
    let without = try export(source, options(int8: true) { $0.test = false }, StripedImages(hasTest: false))
    #expect(without.report.test == nil && without.report.validation != nil)
    let with = try export(source, options(int8: true))
    let graphs = try [without, with].map { try BundleReader($0.bytes).graph() }
    #expect(graphs[0].tensors == graphs[1].tensors && graphs[0].operators == graphs[1].operators)
    #expect(throws: CNNError.self) { try export(source, options(int8: true), StripedImages(hasTest: false)) }
  }

  @Test func accuraciesAreThoseOfTheNetworkItself() throws {
    let source = try source()
    let report = try export(source, options(int8: true)).report
    let images = try StripedImages().loadTest()
    let graph = try source.graph()
    let correct = try (0..<images.count).count { number in
      let input = try images.withImage(number) { $0.map { (Float($0) / 255 - 0.4) / 0.3 } }
      let scores = NaiveNetwork(graph, input: input).real(graph.outputs[0])
      return scores.firstIndex(of: scores.max()!)! == Int(images.labels[number])
    }
    #expect(report.test?.float == Double(correct))
  }

  @Test func floatNeedsNoData() throws {
    let result = try export(try source(), options(int8: false), nil)
    #expect(result.report.test == nil && result.report.validation == nil)
    try Session(Model(bytes: result.bytes)).selfTest()
  }

  @Test func whatCannotBeExportedIsRefused() throws {
    let int8 = try export(try source(), options(int8: true)).bytes
    #expect(throws: CNNError.self) { try export(BundleReader(int8), options(int8: true)) }
    #expect(throws: CNNError.self) { try export(try source(), options(int8: true), nil) }
    var graph = try source().graph()
    graph.recipe = nil
    let bytes = try BundleWriter().bytes(of: graph)
    #expect(throws: CNNError.self) { try export(BundleReader(bytes), options(int8: true)) }
    let few = try Zoo.make("seed", classes: 2, input: ImageSize(height: 16, width: 16, channels: 1))
    var named = few
    named.recipe = try source().graph().recipe
    let fewBytes = try BundleWriter().bytes(of: named)
    let error = #expect(throws: CNNError.self) { try export(BundleReader(fewBytes), options(int8: true)) }
    #expect(error?.description.contains("4 classes") == true)
  }
}
