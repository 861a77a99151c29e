import CCNNRT
import CNNSupport
import Testing

/// Exponential moving averages against their closed formula.
@Suite struct AveragesTests {
  /// dⁿ · w₀ + (1 − d) · Σ dⁿ⁻ᵏ · wₖ
  @Test(arguments: [1, 2]) func averagesAreWeightedSums(threads: Int) throws {
    let decay = 0.7, steps = 5
    let trainer = try Trainer(
      seedNetwork(),
      Options(batch: 8, threads: threads, optimizer: CNNRT_OPTIMIZER_ADAM, emaDecay: Float(decay)))
    var expected: [String: [Double]] = [:]
    for name in trainer.names {
      expected[name] = trainer[name].map(Double.init)
      #expect(try trainer.average(name) == trainer[name])
    }
    var random = Random(seed: 21)
    for _ in 0..<steps {
      try trainer.step(spots(8, random: &random), rate: 0.01)
      for name in trainer.names {
        expected[name] = zip(expected[name]!, trainer[name]).map { decay * $0 + (1 - decay) * Double($1) }
      }
    }
    for name in trainer.names { #expect(distance(try trainer.average(name), expected[name]!) < 1e-6, "\(name)") }
    #expect(trainer.names.contains { (try? trainer.average($0)) != trainer[$0] })
  }

  @Test func evaluatesWithTheAverages() throws {
    let trainer = try Trainer(seedNetwork(), Options(batch: 8, threads: 2, emaDecay: 0.8))
    let plain = try Trainer(seedNetwork(), Options(batch: 8, threads: 2))
    var random = Random(seed: 22)
    for _ in 0..<4 { try trainer.step(spots(8, random: &random), rate: 0.05) }
    for name in trainer.names { plain[name] = try trainer.average(name) }
    let batch = spots(8, random: &random), state = trainer.state
    #expect(try trainer.evaluate(batch, averages: true).loss == plain.evaluate(batch).loss)
    #expect(try trainer.evaluate(batch).loss != plain.evaluate(batch).loss)
    #expect(differingBytes(trainer.state, state) == 0)
    #expect(plain.memorySize < trainer.memorySize)
    #expect(throws: CallError.self) { try plain.evaluate(batch, averages: true) }
    #expect(throws: CallError.self) { try plain.average(plain.names[0]) }
    #expect(throws: CallError.self) {
      try trainer.run(batch, flags: CNNRT_BATCH_AVERAGES) {
        cnnrt_trainer_step_batch(trainer.handle, $0, 0.1, $1, $2)
      }
    }
  }

  /// A value that does not change is its own average, to the bit.
  @Test func theAverageOfAConstantStays() throws {
    let trainer = try Trainer(seedNetwork(), Options(batch: 4, emaDecay: 0.9999))
    var random = Random(seed: 23)
    let name = trainer.names[0], values = trainer[name]
    for _ in 0..<20 { try trainer.step(spots(4, random: &random), rate: 0) }
    #expect(trainer[name] == values)
    #expect(try trainer.average(name) == values)
    trainer[name] = values.map { $0 + 1 }
    #expect(try trainer.average(name) == trainer[name])
  }

  @Test func theStateHoldsAveragesAndSeed() throws {
    let trainer = try Trainer(seedNetwork(), Options(emaDecay: 0.5, seed: 7))
    let other = try Trainer(seedNetwork(), Options(emaDecay: 0.5, seed: 8))
    var random = Random(seed: 24)
    try trainer.step(spots(4, random: &random), rate: 0.1)
    #expect(differingBytes(trainer.state, other.state) > 0)
    try other.load(trainer.state)
    #expect(differingBytes(trainer.state, other.state) == 0)
    #expect(try trainer.average(trainer.names[0]) == other.average(trainer.names[0]))
    let without = try Trainer(seedNetwork(), Options())
    #expect(throws: CallError.self) { try without.load(trainer.state) }
  }
}
