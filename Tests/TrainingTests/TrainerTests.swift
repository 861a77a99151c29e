import CCNNRT
import CNNModel
import CNNSupport
import Testing

func seedNetwork() throws -> Graph {
  try Zoo.make("seed", classes: 10, input: ImageSize(height: 28, width: 28, channels: 1), seed: 1)
}

/// Batches of a task that can be learnt: the class is where the bright spot is.
func spots(_ count: Int, random: inout Random) -> Batch {
  var images = (0..<count * 784).map { _ in random.uniform(-0.3, 0.3) }
  let labels = (0..<count).map { _ in Int32(random.below(10)) }
  for (i, label) in labels.enumerated() {
    let (row, column) = (4 + 10 * (Int(label) / 5), 2 + 5 * (Int(label) % 5))
    for y in 0..<4 {
      for x in 0..<4 { images[i * 784 + (row + y) * 28 + column + x] += 1 }
    }
  }
  return Batch(images: images, labels: labels)
}

func differingBytes(_ a: [UInt8], _ b: [UInt8]) -> Int {
  a.count == b.count ? zip(a, b).count { $0 != $1 } : Int.max
}

@Suite struct TrainerTests {
  @Test(arguments: [CNNRT_OPTIMIZER_SGD, CNNRT_OPTIMIZER_ADAM, CNNRT_OPTIMIZER_ADAMW])
  func learns(_ optimizer: Int) throws {
    let trainer = try Trainer(
      seedNetwork(), Options(batch: 32, threads: 2, optimizer: optimizer, momentum: optimizer == 0 ? 0.9 : 0))
    var random = Random(seed: 1)
    for _ in 0..<40 { try trainer.step(spots(32, random: &random), rate: optimizer == 0 ? 0.05 : 0.003) }
    let result = try trainer.evaluate(spots(32, random: &random))
    #expect(result.correct >= 31)
    #expect(result.loss < 0.3)
  }

  /// Weights of no meaning in padded lanes, uninitialised memory or the order of threads would show here.
  @Test(arguments: [1, 2, 3])
  func sameBitsTwice(_ threads: Int) throws {
    func train() throws -> [UInt8] {
      let trainer = try Trainer(seedNetwork(), Options(batch: 16, threads: threads, optimizer: CNNRT_OPTIMIZER_ADAM))
      var random = Random(seed: 2)
      for i in 0..<6 { try trainer.step(spots(i == 3 ? 7 : 16, random: &random), rate: 0.002) }
      return trainer.state
    }
    let first = try train(), second = try train()
    #expect(differingBytes(first, second) == 0)
  }

  @Test(arguments: [
    Options(optimizer: CNNRT_OPTIMIZER_ADAM), Options(momentum: 0.9), Options(),
    Options(optimizer: CNNRT_OPTIMIZER_ADAMW, maxGradientNorm: 0.1, emaDecay: 0.9, seed: 3),
  ])
  func resumesToTheSameBits(_ options: Options) throws {
    var options = options
    (options.batch, options.threads, options.weightDecay) = (8, 2, 0.01)
    let straight = try Trainer(seedNetwork(), options), resumed = try Trainer(seedNetwork(), options)
    var random = Random(seed: 3)
    let batches = (0..<6).map { _ in spots(8, random: &random) }
    for batch in batches[0..<3] { try straight.step(batch, rate: 0.01) }
    // The other has been somewhere else.
    try resumed.step(batches[5], rate: 0.1)
    try resumed.load(straight.state)
    for batch in batches[3...] {
      let a = try straight.step(batch, rate: 0.01), b = try resumed.step(batch, rate: 0.01)
      #expect(a.loss == b.loss && a.correct == b.correct)
    }
    #expect(differingBytes(straight.state, resumed.state) == 0)
  }

  @Test func evaluationUsesTheRunningStatisticsAndChangesNothing() throws {
    let graph = try seedNetwork(), trainer = try Trainer(graph, Options(batch: 4))
    var random = Random(seed: 4)
    let batch = spots(4, random: &random)
    try trainer.step(batch, rate: 0.01)
    let before = trainer.state, result = try trainer.evaluate(batch)
    #expect(differingBytes(trainer.state, before) == 0)
    var reference = ReferenceNetwork(graph)
    for p in trainer.parameters { reference.parameters[p.name] = trainer[p.name].map(Double.init) }
    #expect(abs(result.loss - reference.loss(batch, usesRunning: true).loss) < 1e-4)
    try trainer.gradients(batch)
    #expect(differingBytes(trainer.state, before) == 0)
  }

  @Test func parametersAreThoseOfTheBundle() throws {
    let graph = try seedNetwork(), trainer = try Trainer(graph, Options())
    for p in trainer.parameters {
      let constant = graph.tensors[p.name]!
      #expect(p.shape == constant.shape && p.count == constant.count)
      #expect(trainer[p.name] == constant.data!.floats!)
      let changed = trainer[p.name].map { $0 + 1 }
      trainer[p.name] = changed
      #expect(trainer[p.name] == changed)
    }
    #expect(Set(trainer.names) == Set(graph.tensors.filter { $0.value.isConstant }.keys))
    #expect(trainer.parameters.filter { !$0.isTrainable }.count == 8)
  }

  @Test func memoryGrowsWithBatchAndThreads() throws {
    let small = try Trainer(seedNetwork(), Options(batch: 1)).memorySize
    let large = try Trainer(seedNetwork(), Options(batch: 64)).memorySize
    let threads = try Trainer(seedNetwork(), Options(batch: 64, threads: 2)).memorySize
    #expect(small < large && large < threads)
    #expect(large < 26_000_000)
  }
}

@Suite struct TrainerErrorTests {
  private func failure(_ body: () throws -> Void) -> CallError? {
    do {
      try body()
      return nil
    } catch { return error as? CallError }
  }

  @Test func wrongBatches() throws {
    let trainer = try Trainer(seedNetwork(), Options(batch: 4))
    var random = Random(seed: 5)
    let good = spots(4, random: &random), before = trainer.state
    for label: Int32 in [-1, 10, .max, .min] {
      var bad = good
      bad.labels[2] = label
      let error = failure { try trainer.step(bad, rate: 0.1) }
      #expect(error?.status == CNNRT_ERROR_INVALID_ARGUMENT && error?.place == "labels")
      #expect(error?.message.contains("image 2 is \(label)") == true)
    }
    let many = spots(5, random: &random)
    #expect(failure { try trainer.step(many, rate: 0.1) }?.place == "count")
    #expect(failure { try trainer.evaluate(Batch(images: [], labels: [])) }?.place == "count")
    #expect(failure { try trainer.step(good, rate: .nan) }?.place == "learning_rate")
    #expect(differingBytes(trainer.state, before) == 0)
  }

  @Test func nullPointers() throws {
    let trainer = try Trainer(seedNetwork(), Options(batch: 4))
    let invalid = CNNRT_ERROR_INVALID_ARGUMENT
    #expect(cnnrt_trainer_step(nil, nil, nil, 1, 0, nil, nil) == invalid)
    #expect(cnnrt_trainer_step(trainer.handle, nil, nil, 1, 0, nil, nil) == invalid)
    #expect(cnnrt_trainer_create(nil, nil, nil, nil) == invalid)
    #expect(cnnrt_trainer_memory_size(nil, nil, nil, nil) == invalid)
    #expect(cnnrt_trainer_get_parameter(trainer.handle, 99, nil, 0, nil) == invalid)
    #expect(cnnrt_trainer_get_parameter(trainer.handle, 0, nil, 90, nil) == invalid)
    #expect(cnnrt_trainer_get_parameter_info(trainer.handle, 0, nil) == invalid)
    #expect(cnnrt_trainer_save_state(trainer.handle, nil, 0, nil) == invalid)
    #expect(cnnrt_trainer_load_state(trainer.handle, nil, 0, nil) == invalid)
    #expect(cnnrt_trainer_parameter_count(nil) == 0 && cnnrt_trainer_state_size(nil) == 0)
    cnnrt_trainer_destroy(nil)
  }

  @Test func runningStatisticsHaveNoGradient() throws {
    let trainer = try Trainer(seedNetwork(), Options())
    let name = trainer.parameters.first { !$0.isTrainable }!.name
    #expect(failure { _ = try trainer.gradient(name) }?.status == CNNRT_ERROR_INVALID_ARGUMENT)
  }

  @Test func wrongOptions() throws {
    for options in [
      Options(batch: 0), Options(batch: -1), Options(threads: -1), Options(threads: 65),
      Options(optimizer: 3), Options(momentum: 1), Options(momentum: .nan), Options(weightDecay: -1),
      Options(weightDecay: .infinity), Options(labelSmoothing: 1.1), Options(labelSmoothing: .nan),
      Options(maxGradientNorm: -1), Options(maxGradientNorm: .infinity), Options(emaDecay: 1), Options(emaDecay: -0.1),
      Options(classWeights: [1, 2]), Options(classWeights: [Float](repeating: -1, count: 10)),
      Options(classWeights: [Float](repeating: .nan, count: 10)),
    ] {
      #expect(failure { _ = try Trainer(seedNetwork(), options) }?.place == "options", "\(options)")
    }
    // Larger than any memory: an error, not a trap.
    let error = failure { _ = try Trainer(seedNetwork(), Options(batch: Int(Int32.max))) }
    #expect(error?.status == CNNRT_ERROR_OUT_OF_MEMORY || error?.status == CNNRT_ERROR_LIMIT)
  }

  @Test func networksThatCannotBeTrained() throws {
    // Nothing to learn.
    var fixed = RandomNetwork(channels: 3, height: 1, width: 1, seed: 1)
    try fixed.append(.flatten)
    fixed.graph.outputs = [fixed.x]
    #expect(failure { _ = try Trainer(fixed.graph, Options()) }?.status == CNNRT_ERROR_UNSUPPORTED)
    // A class for each pixel.
    var wide = RandomNetwork(channels: 3, height: 2, width: 2, seed: 1)
    try wide.conv(4, Window(1))
    wide.graph.outputs = [wide.x]
    #expect(failure { _ = try Trainer(wide.graph, Options()) }?.status == CNNRT_ERROR_UNSUPPORTED)
  }

  @Test func damagedOrForeignStates() throws {
    let trainer = try Trainer(seedNetwork(), Options(batch: 2, optimizer: CNNRT_OPTIMIZER_ADAM))
    let good = trainer.state
    #expect(failure { try trainer.load(Array(good.dropLast())) }?.status == CNNRT_ERROR_FORMAT)
    #expect(failure { try trainer.load([]) }?.status == CNNRT_ERROR_FORMAT)
    for position in [0, 8, 12, 16, 24, 32, 40, 44, 64, good.count - 1] {
      var bad = good
      bad[position] ^= 1
      #expect(failure { try trainer.load(bad) } != nil, "byte \(position)")
    }
    #expect(differingBytes(trainer.state, good) == 0)
    let sgd = try Trainer(seedNetwork(), Options(batch: 2))
    #expect(failure { try sgd.load(good) } != nil)
    let other = try Trainer(
      Zoo.make("seed", classes: 9, input: ImageSize(height: 28, width: 28, channels: 1)),
      Options(batch: 2, optimizer: CNNRT_OPTIMIZER_ADAM))
    #expect(failure { try other.load(good) } != nil)
  }
}
