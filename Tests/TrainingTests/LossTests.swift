import CCNNRT
import CNNSupport
import Foundation
import Testing

/// Loss and what is counted beside it, against closed formulas. (PyTorchTests has whole steps.)
@Suite struct LossTests {
  private func oneHot(_ labels: [Int32]) -> [Float] {
    labels.flatMap { label in (0..<10).map { $0 == label ? 1 : 0 } }
  }

  @Test func outputsAreTheLogitsOfTheLastBatch() throws {
    let trainer = try Trainer(seedNetwork(), Options(batch: 9, threads: 2))
    #expect(throws: CallError.self) { try trainer.outputs(90) }
    var random = Random(seed: 11)
    let batch = spots(9, random: &random), fewer = spots(5, random: &random)
    func expectAgreement(_ result: cnnrt_train_result) throws {
      let z = try trainer.outputs(90).map(Double.init)
      var loss = 0.0, correct = 0, correctTop5 = 0
      for (i, label) in batch.labels.map(Int.init).enumerated() {
        let row = Array(z[10 * i..<10 * i + 10])
        loss += log(row.map { exp($0 - row[label]) }.reduce(0, +))
        let place = row.sorted(by: >).firstIndex(of: row[label])!
        correct += place == 0 ? 1 : 0
        correctTop5 += place < 5 ? 1 : 0
      }
      // The library takes differences of outputs in float32.
      #expect(abs(result.loss - loss / 9) < 1e-7)
      #expect(result.correct == correct && result.correct_top5 == correctTop5 && correctTop5 > correct)
    }
    try expectAgreement(trainer.step(batch, rate: 0.01))
    try expectAgreement(trainer.evaluate(batch))
    try trainer.evaluate(fewer)
    _ = try trainer.outputs(50)
    #expect(throws: CallError.self) { try trainer.outputs(90) }
  }

  @Test func targetsOfOneClassAreLabels() throws {
    let options = Options(batch: 6, labelSmoothing: 0.2)
    let labels = try Trainer(seedNetwork(), options), targets = try Trainer(seedNetwork(), options)
    var random = Random(seed: 12)
    for _ in 0..<3 {
      let batch = spots(6, random: &random)
      var same = batch
      same.targets = oneHot(batch.labels)
      same.labels = []
      let a = try labels.step(batch, rate: 0.05), b = try targets.step(same, rate: 0.05)
      #expect(a.loss == b.loss && a.correct == b.correct && a.correct_top5 == b.correct_top5)
      #expect(try labels.evaluate(batch).loss == targets.evaluate(same).loss)
    }
    #expect(differingBytes(labels.state, targets.state) == 0)
  }

  /// An evaluation is of what the network knows, whatever it is taught with.
  @Test func evaluationsAreWithoutSmoothingAndWeights() throws {
    var random = Random(seed: 13)
    let batch = spots(6, random: &random)
    let plain = try Trainer(seedNetwork(), Options(batch: 6))
    let other = try Trainer(
      seedNetwork(), Options(batch: 6, labelSmoothing: 0.3, classWeights: (0..<10).map { Float($0) }))
    #expect(try plain.evaluate(batch).loss == other.evaluate(batch).loss)
    #expect(try plain.gradients(batch).loss != other.gradients(batch).loss)
  }

  @Test func classesOfNoWeightTeachNothing() throws {
    var random = Random(seed: 14)
    var weights = [Float](repeating: 1, count: 10)
    weights[3] = 0
    let trainer = try Trainer(seedNetwork(), Options(classWeights: weights))
    var batch = spots(4, random: &random)
    batch.labels = [3, 3, 3, 3]
    let result = try trainer.gradients(batch)
    #expect(result.loss == 0)
    for p in trainer.parameters where p.isTrainable {
      #expect(try trainer.gradient(p.name).allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: [1, 3]) func theNormIsThatOfTheGradients(threads: Int) throws {
    let trainer = try Trainer(seedNetwork(), Options(batch: 8, threads: threads, maxGradientNorm: 1))
    var random = Random(seed: 15)
    let batch = spots(8, random: &random), result = try trainer.gradients(batch)
    var sum = 0.0
    for p in trainer.parameters where p.isTrainable {
      for g in try trainer.gradient(p.name) { sum += Double(g) * Double(g) }
    }
    #expect(abs(result.gradient_norm - sum.squareRoot()) < 1e-12 * sum)
    #expect(try trainer.gradients(batch).gradient_norm == result.gradient_norm)
  }

  @Test func wrongTargetsAreRefused() throws {
    let trainer = try Trainer(seedNetwork(), Options())
    var random = Random(seed: 16)
    var batch = spots(4, random: &random)
    let before = trainer.state
    for bad in [Float.nan, -0.1, .infinity] {
      batch.targets = oneHot(batch.labels)
      batch.targets[17] = bad
      #expect { try trainer.step(batch, rate: 0.1) } throws: {
        ($0 as? CallError)?.message.contains("image 1, class 7") == true
      }
    }
    (batch.labels, batch.targets) = ([], [])
    #expect(throws: CallError.self) {
      try trainer.run(batch) { cnnrt_trainer_step_batch(trainer.handle, $0, 0.1, $1, $2) }
    }
    #expect(differingBytes(trainer.state, before) == 0)
  }
}
