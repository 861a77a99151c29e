import CNNModel
import CNNRT
import CNNSupport
import Synchronization
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
    #expect(input.shape == [1, 1, 28, 28])
    input.withMutableSpan { values in
      for y in 0..<28 {
        for x in 0..<28 { values[input.offset(0, 0, y, x)] = Float(y - x) / 28 }
      }
    }
    try session.run()
    let inPlace = try session.output()
    let values = (0..<784).map { Float($0 / 28 - $0 % 28) / 28 }
    #expect(input.values() == values)
    try session.setInput(values.span)
    try session.run()
    #expect(try session.output() == inPlace)
    let output = try session.mapOutput()
    #expect(output.shape == [1, 10] && output.isContiguous && output.values() == inPlace)
    output.withSpan { span in #expect(span.count == 10 && span[3] == inPlace[3]) }
    #expect { try session.mapOutput(as: UInt8.self) } throws: { "\($0)".contains("not kept as uint8") }
  }

  @Test func whatIsMappedKeepsTheSession() throws {
    func input() throws -> MappedTensor<Float> { try Session(Self.open(Self.seed())).mapInput() }
    let orphan = try input()
    orphan.withMutableSpan { $0[orphan.offset(0, 0, 27, 27)] = 5 }
    #expect(orphan.withSpan { $0[orphan.offset(0, 0, 27, 27)] } == 5)
    #expect(orphan.withUnsafeMutableBufferPointer { $0[orphan.offset(0, 0, 27, 27)] } == 5)
  }

  /// Several inputs and outputs of more than one channel, which do different things.
  static func two() throws -> Graph {
    var graph = Graph()
    for name in ["left", "right", "sum", "rectified"] {
      graph.tensors[name] = Tensor(shape: [1, 3, 4, 5])
    }
    graph.inputs = ["left", "right"]
    graph.operators = [
      Operator("sum", .add, inputs: ["left", "right"], outputs: ["sum"]),
      Operator("rectified", .relu, inputs: ["right"], outputs: ["rectified"]),
    ]
    graph.outputs = ["sum", "rectified"]
    return graph
  }

  @Test func tensorsHaveNames() throws {
    let session = try Session(Self.open(Self.two()))
    let left = (0..<60).map { Float($0) }, right = left.map { 7 - 3 * $0 }
    try session.setInput(left.span, at: "left")
    try session.setInput(right.span, at: "right")
    try session.run()
    #expect(try session.output("sum") == zip(left, right).map { $0 + $1 })
    #expect(try session.output("rectified") == right.map { max($0, 0) })
    #expect(try session.output(1) == session.output("rectified"))
    #expect(try session.topK(1, of: "rectified")[0].score == 7)
    #expect { try session.setInput(left.span, at: "rigth") } throws: {
      "\($0)".contains("there is no tensor rigth; the model has left, right")
    }
    #expect { try session.output("left") } throws: { "\($0)".contains("the model has sum, rectified") }
    #expect(throws: CNNRTError.self) { try session.mapInput(2) }
    #expect(throws: CNNRTError.self) { try session.mapOutput(-1) }
  }

  @Test func layoutsSayWhereAnElementIs() throws {
    let batch = 2
    let session = try Session(Self.open(Self.two()), .init(batch: batch))
    func value(_ n: Int, _ c: Int, _ y: Int, _ x: Int) -> Float { Float(1000 * n + 100 * c + 10 * y + x) }
    /// Every element, where `place` says that it is.
    func arranged(_ count: Int, _ place: (Int, Int, Int, Int) -> Int) -> [Float] {
      var values = [Float](repeating: -1, count: count)
      for n in 0..<batch {
        for c in 0..<3 { for y in 0..<4 { for x in 0..<5 { values[place(n, c, y, x)] = value(n, c, y, x) } } }
      }
      return values
    }
    let planar = arranged(120) { 60 * $0 + 20 * $1 + 5 * $2 + $3 }
    let interleaved = arranged(120) { 60 * $0 + 15 * $2 + 3 * $3 + $1 }
    // Rows from right to left in memory do not exist, but any other order and gaps do.
    let gaps = Layout.strides([1, 7, 21 * 7, 21])
    let spread = arranged(1 + 2 * 7 + 3 * 147 + 4 * 21 + 1) { $0 + 7 * $1 + 147 * $2 + 21 * $3 }
    let zeros = [Float](repeating: 0, count: 120)
    try session.setInput(zeros.span, at: 1)
    for (values, layout) in [(planar, Layout.channelsFirst), (interleaved, .channelsLast), (spread, gaps)] {
      try session.setInput(values.span, at: "left", layout: layout)
      try session.run()
      #expect(try session.output() == planar)
      var back = [Float](repeating: -1, count: values.count)
      var span = back.mutableSpan
      try session.getOutput(into: &span, layout: layout)
      #expect(back == values)
      #expect(try session.mapOutput().values() == planar)
    }
    let short = Array(spread.dropLast())
    #expect { try session.setInput(short.span, layout: gaps) } throws: {
      "\($0)".contains(
        "\(short.count) values were given; with strides [1, 7, 147, 21] its last is number \(short.count + 1)")
    }
    for strides in [[1, 2, 3], [0, 0, 0, 0], [60, 20, 5, -1], [1, 1, 1, .max], [.max, .max, .max, .max]] {
      #expect(throws: CNNRTError.self) { try session.setInput(planar.span, layout: .strides(strides)) }
    }
    // One row for all: a stride may be 0 on the way in.
    let row: [Float] = [1, 2, 3, 4, 5]
    try session.setInput(row.span, layout: .strides([0, 0, 0, 1]))
    try session.run()
    #expect(try session.output() == (0..<120).map { row[$0 % 5] })
    let integers = [Int32](repeating: 0, count: 120)
    #expect(throws: CNNRTError.self) { try session.setInput(integers.span) }
  }

  @Test func rowsMayComeFromTheBottom() throws {
    let session = try Session(Self.open(Self.seed()))
    let pixels = (0..<28 * 30).map { UInt8(truncatingIfNeeded: $0 * 37) }
    let turned = (0..<28).reversed().flatMap { pixels[30 * $0..<30 * $0 + 30] }
    try session.setImage(pixels.span, width: 28, height: 28, channels: 1, rowBytes: 30)
    let upright = try session.mapInput().values()
    try session.setImage(turned.span, width: 28, height: 28, channels: 1, rowBytes: -30)
    #expect(try session.mapInput().values() == upright)
    for rowBytes in [27, -27, .min, .max, 31, -31] {
      #expect(throws: CNNRTError.self) {
        try session.setImage(pixels.span, width: 28, height: 28, channels: 1, rowBytes: rowBytes)
      }
    }
  }

  @Test func callersMemoryAndThreads() throws {
    let model = try Self.open(Self.seed())
    let image = (0..<784).map { Float($0 % 31) / 31 }
    let plain = try Session(model)
    try plain.setInput(image.span)
    try plain.run()
    let expected = try plain.output()

    let calls = Mutex(0)
    let options = Session.Options(threads: 3) { count, task in
      calls.withLock { $0 += 1 }
      for index in (0..<count).reversed() { task(index) }
    }
    let bytes = try Session.arenaBytes(model, options)
    let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes + 64, alignment: 64)
    defer { arena.deallocate() }
    arena.initializeMemory(as: UInt8.self, repeating: 0xA5)
    func run() throws {
      let session = try Session(model, options, arena: .init(rebasing: arena.prefix(bytes)))
      try session.setInput(image.span)
      try session.run()
      #expect(try session.output() == expected)
    }
    try run()
    #expect(calls.withLock { $0 } > 0)
    #expect(arena.prefix(bytes).contains { $0 != 0xA5 } && arena.suffix(64).allSatisfy { $0 == 0xA5 })
    // Used again by the next.
    try run()
    for wrong in [arena.prefix(bytes - 1), arena[1...bytes]] {
      #expect { try Session(model, options, arena: .init(rebasing: wrong)) } throws: {
        ($0 as? CNNRTError)?.status == .invalidArgument
      }
    }
    #expect(throws: CNNRTError.self) { try Session(model, options, arena: .init(start: nil, count: 0)) }
  }

  @Test func modelsAreSharedAndSessionsSent() async throws {
    let model = try Self.open(Self.seed())
    let image = (0..<784).map { Float($0 % 17) / 17 }
    let first = try Session(model)
    try first.setInput(image.span)
    try first.run()
    let expected = try first.output()
    try await withThrowingTaskGroup(of: [Float].self) { group in
      for _ in 0..<4 {
        let session = try Session(model)
        group.addTask {
          try session.setInput(image.span)
          for _ in 0..<20 { try session.run() }
          return try session.output()
        }
      }
      for try await scores in group { #expect(scores == expected) }
    }
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
