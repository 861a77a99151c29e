import CNNModel
import CNNRT
import CNNSupport
import Testing

struct SessionTests {
  static func seed() throws -> Graph {
    var graph = try Zoo.make("seed", classes: 10, input: ImageSize("28x28x1"), seed: 5)
    graph.labels = (0..<10).map { "class \($0)" }
    graph.recipe = Recipe(width: 28, height: 28, channelOrder: .grey, mean: [0.25], deviation: [0.5])
    return graph
  }

  static func open(_ graph: Graph) throws -> Model { try Model(bytes: try BundleWriter().bytes(of: graph)) }

  @Test func imagesOfABatchAreIndependent() throws {
    let model = try Self.open(Self.seed())
    var random = Random(seed: 1)
    let images = (0..<3 * 784).map { _ in random.uniform(-1, 1) }
    let batch = try Session(model, .init(threads: 2, batch: 3, profile: true))
    try batch.setInput(images.span)
    try batch.run()
    let together = try batch.output()
    #expect(together.count == 30)
    let single = try Session(model)
    for image in 0..<3 {
      let pixels = Array(images[image * 784..<(image + 1) * 784])
      try single.setInput(pixels.span)
      try single.run()
      let scores = try single.output()
      let batched = Array(together[image * 10..<(image + 1) * 10])
      // Floats are added in an order that may depend on the batch.
      #expect(zip(scores, batched).allSatisfy { abs($0 - $1) < 1e-6 })
      #expect(abs(scores.reduce(0, +) - 1) < 1e-5)
      let best = try batch.topK(4, batchIndex: image)
      let sorted = batched.enumerated().sorted { $0.element > $1.element }.prefix(4)
      #expect(best.map(\.index) == sorted.map(\.offset) && best.map(\.score) == sorted.map(\.element))
      #expect(best.map(\.label) == sorted.map { "class \($0.offset)" })
    }
    #expect(try batch.topK(99).count == 10)
    #expect(batch.layerNanoseconds(0)! > 0 && single.layerNanoseconds(0) == nil)
    var span = images
    var place = span.mutableSpan
    #expect(throws: CNNRTError.self) { try batch.getOutput(into: &place) }
  }

  @Test func pixelsGoThroughTheRecipe() throws {
    let session = try Session(Self.open(Self.seed()))
    var random = Random(seed: 2)
    // Rows with a gap behind them.
    let pixels = (0..<28 * 32).map { _ in UInt8(random.below(256)) }
    try session.setImage(pixels.span, width: 28, height: 28, channels: 1, rowBytes: 32)
    try session.run()
    let fromPixels = try session.output()
    let values = (0..<784).map { (Float(pixels[$0 / 28 * 32 + $0 % 28]) / 255 - 0.25) / 0.5 }
    try session.setInput(values.span)
    try session.run()
    #expect(try session.output() == fromPixels)
    #expect(throws: CNNRTError.self) { try session.setImage(pixels.span, width: 33, height: 28, channels: 1) }
    #expect(throws: CNNRTError.self) { try session.setImage(pixels.span, width: 0, height: 28, channels: 1) }
  }

  @Test func inputsCanBeWrittenInPlace() throws {
    let session = try Session(Self.open(Self.seed()))
    let input = try session.mapInput()
    #expect(input.type == .float32 && input.shape == [1, 1, 28, 28])
    for y in 0..<28 {
      for x in 0..<28 {
        (input.data + y * input.strides[2] + x * input.strides[3]).storeBytes(of: Float(y - x) / 28, as: Float.self)
      }
    }
    try session.run()
    let inPlace = try session.output()
    let values = (0..<784).map { Float($0 / 28 - $0 % 28) / 28 }
    try session.setInput(values.span)
    try session.run()
    #expect(try session.output() == inPlace)
  }

  @Test func selfTestProvesAndDisproves() throws {
    var graph = try Self.seed()
    let session = try Session(Self.open(graph))
    #expect { try session.selfTest() } throws: { ($0 as? CNNRTError)?.status == .state }
    let image = (0..<784).map { Float($0 % 13) / 13 }
    try session.setInput(image.span)
    try session.run()
    let expected = try session.output()
    graph.selfTest = SelfTest(inputs: [.float32(image)], outputs: [.float32(expected)], tolerance: 1e-5)
    try Session(Self.open(graph)).selfTest()
    graph.selfTest!.outputs = [.float32(expected.map { $0 + 0.01 })]
    let wrong = try Session(Self.open(graph))
    #expect { try wrong.selfTest() } throws: { ($0 as? CNNRTError)?.status == .selfTest }
  }

  @Test func wrongCallsAreRefused() throws {
    let model = try Self.open(Self.seed())
    let session = try Session(model)
    let short = [Float](repeating: 0, count: 783)
    #expect { try session.setInput(short.span) } throws: { error in
      "\(error)".contains("input: 783 values were given; 1 of shape [1, 1, 28, 28] are 784")
    }
    #expect { try session.output() } throws: { ($0 as? CNNRTError)?.status == .state }
    #expect { try session.output(1) } throws: { ($0 as? CNNRTError)?.status == .invalidArgument }
    #expect(try Session.arenaBytes(model, .init(batch: 4)) > Session.arenaBytes(model))
    #expect(throws: CNNRTError.self) { try Session(model, .init(batch: -1)) }
  }
}
