import CNNModel
import CNNRT
import CNNTraining
import CNNSupport
import Testing

struct TrainerTests {
  /// Images whose class is the quarter in which they are bright.
  static func batch(_ count: Int, seed: UInt64) -> (images: [Float], labels: [Int32]) {
    var random = Random(seed: seed)
    let labels = (0..<count).map { _ in Int32(random.below(4)) }
    let images = labels.flatMap { label in
      (0..<64).map { pixel in
        let quarter = Int32(pixel / 32 * 2 + pixel % 8 / 4)
        return random.uniform(-0.3, 0.3) + (quarter == label ? 1 : 0)
      }
    }
    return (images, labels)
  }

  static func graph() throws -> Graph {
    try Sequential {
      Conv2d(6, kernel: 3, padding: 1)
      BatchNorm()
      ReLU()
      MaxPool(2)
      Flatten()
      Linear(4)
      Softmax()
    }.graph(input: ImageSize("8x8x1"), seed: 2)
  }

  @Test func parametersAreTheGraphs() throws {
    let graph = try Self.graph()
    let trainer = try Trainer(SessionTests.open(graph), .init(batch: 8))
    let names = trainer.parameters.map(\.name)
    #expect(Set(names) == Set(graph.tensors.filter(\.value.isConstant).keys))
    for (index, parameter) in trainer.parameters.enumerated() {
      let tensor = try #require(graph.tensors[parameter.name])
      #expect(parameter.shape == tensor.shape && parameter.count == tensor.count)
      #expect(try trainer.values(of: index) == tensor.data?.floats)
      #expect(parameter.isTrainable == !["bn1.mean", "bn1.variance"].contains(parameter.name))
    }
    let bias = try #require(names.firstIndex(of: "linear1.bias"))
    try trainer.setValues(of: bias, to: [1, 2, 3, 4])
    #expect(try trainer.values(of: bias) == [1, 2, 3, 4])
    #expect(throws: CNNRTError.self) { try trainer.setValues(of: bias, to: [1]) }
    #expect(throws: CNNRTError.self) { try trainer.values(of: 99) }
  }

  @Test(arguments: [Trainer.Optimizer.adam(), .sgd(momentum: 0.9)])
  func learnsAndGoesOnFromItsState(optimizer: Trainer.Optimizer) throws {
    let model = try SessionTests.open(try Self.graph())
    let options = Trainer.Options(batch: 32, optimizer: optimizer, weightDecay: 1e-4)
    let trainer = try Trainer(model, options)
    let test = Self.batch(32, seed: 1000)
    let before = try trainer.evaluate(images: test.images.span, labels: test.labels.span)
    for step in 0..<30 {
      let (images, labels) = Self.batch(32, seed: UInt64(step))
      try trainer.step(images: images.span, labels: labels.span, learningRate: 0.02)
    }
    let after = try trainer.evaluate(images: test.images.span, labels: test.labels.span)
    #expect(after.correct >= 31 && after.loss < before.loss / 2)

    let state = try trainer.saveState()
    let other = try Trainer(model, options)
    try other.loadState(state)
    #expect(throws: CNNRTError.self) { try other.loadState(Array(state.dropLast())) }
    for trainer in [trainer, other] {
      let (images, labels) = Self.batch(17, seed: 77)
      try trainer.step(images: images.span, labels: labels.span, learningRate: 0.01)
    }
    #expect(try trainer.saveState() == other.saveState())
  }

  @Test func gradientsLeaveTheParametersAlone() throws {
    let trainer = try Trainer(SessionTests.open(try Self.graph()), .init(batch: 8))
    let (images, labels) = Self.batch(8, seed: 3)
    let state = try trainer.saveState()
    let outcome = try trainer.gradients(images: images.span, labels: labels.span)
    #expect(try trainer.saveState() == state)
    #expect(outcome.loss > 0)
    // The scores' gradients of one image sum to 0 (softmax minus one-hot), so the bias's do over the classes.
    let bias = try #require(trainer.parameters.firstIndex { $0.name == "linear1.bias" })
    let gradient = try trainer.gradient(of: bias)
    #expect(gradient.contains { abs($0) > 1e-4 } && abs(gradient.reduce(0, +)) < 1e-6)
  }

  @Test func targetsOfOneClassTeachAsLabelsDo() throws {
    let model = try SessionTests.open(try Self.graph())
    let options = Trainer.Options(batch: 8, optimizer: .adamW(), labelSmoothing: 0.1, maxGradientNorm: 0.5, seed: 4)
    #expect(options.weightDecay == 0.01)
    let trainer = try Trainer(model, options), other = try Trainer(model, options)
    let (images, labels) = Self.batch(8, seed: 5)
    let targets: [Float] = labels.flatMap { label in (0..<4).map { Float($0 == label ? 1 : 0) } }
    let a = try trainer.step(images: images.span, labels: labels.span, learningRate: 0.01)
    let b = try other.step(images: images.span, targets: targets.span, labels: labels.span, learningRate: 0.01)
    #expect(a == b && a.gradientNorm > 0 && a.correctTop5 == 8)
    #expect(try trainer.saveState() == other.saveState())
    let fewer = Array(targets.dropLast())
    #expect(throws: CNNRTError.self) {
      try trainer.step(images: images.span, targets: fewer.span, labels: labels.span, learningRate: 0.01)
    }
    #expect(throws: CNNRTError.self) { try Trainer(model, .init(batch: 8, classWeights: [1, 2])) }
  }

  @Test func averagesAreKeptOnDemand() throws {
    let model = try SessionTests.open(try Self.graph())
    let trainer = try Trainer(model, .init(batch: 8, averageDecay: 0.75)), plain = try Trainer(model, .init(batch: 8))
    let (images, labels) = Self.batch(8, seed: 6)
    let before = try trainer.values(of: 0)
    try trainer.step(images: images.span, labels: labels.span, learningRate: 0.01)
    for (average, (old, new)) in zip(try trainer.average(of: 0), zip(before, try trainer.values(of: 0))) {
      #expect(abs(average - (0.75 * old + 0.25 * new)) < 1e-6)
    }
    for index in plain.parameters.indices { try plain.setValues(of: index, to: trainer.average(of: index)) }
    let averaged = try trainer.evaluate(images: images.span, labels: labels.span, averages: true)
    #expect(try averaged == plain.evaluate(images: images.span, labels: labels.span))
    #expect(try trainer.outputs() == plain.outputs() && trainer.outputs().count == 32)
    #expect(throws: CNNRTError.self) { try plain.average(of: 0) }
    #expect(throws: CNNRTError.self) {
      try plain.evaluate(images: images.span, labels: labels.span, averages: true)
    }
  }

  @Test func wrongBatchesAreRefused() throws {
    let model = try SessionTests.open(try Self.graph())
    #expect(try Trainer.memoryBytes(model, .init(batch: 64)) > Trainer.memoryBytes(model, .init(batch: 8)))
    let trainer = try Trainer(model, .init(batch: 4))
    let (images, labels) = Self.batch(5, seed: 3)
    #expect(throws: CNNRTError.self) { try trainer.step(images: images.span, labels: labels.span, learningRate: 1) }
    let fewer = Array(labels.prefix(4))
    #expect { try trainer.step(images: images.span, labels: fewer.span, learningRate: 1) } throws: {
      "\($0)".contains("320 values are not 4 images of 64")
    }
    let four = Array(images.prefix(256))
    let outside: [Int32] = [0, 1, 2, 4]
    #expect(throws: CNNRTError.self) { try trainer.step(images: four.span, labels: outside.span, learningRate: 1) }
    #expect(throws: CNNRTError.self) { try Trainer(model, .init(batch: 0)) }
  }
}
