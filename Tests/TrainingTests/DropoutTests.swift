import CCNNRT
import CNNModel
import CNNSupport
import Testing

@Suite struct DropoutTests {
  /// What a Dropout, operator 2, multiplies each of `count` elements with: the outputs of a network that passes ones on.
  private func mask(_ count: Int, ratio: Float, images: Int, seed: UInt64, threads: Int = 1, step: Int = 0) throws
    -> [Float]
  {
    var net = RandomNetwork(channels: count, height: 1, width: 1, seed: 1)
    try net.append(.flatten)
    try net.append(.relu)
    try net.append(.dropout(ratio: ratio))
    let identity = (0..<count * count).map { Float($0 / count == $0 % count ? 1 : 0) }
    net.graph.tensors["identity"] = Tensor(.float32(identity), shape: [count, count])
    try net.append(.gemm, ["identity"])
    net.graph.outputs = [net.x]
    var options = Options(batch: images, threads: threads)
    options.seed = seed
    let trainer = try Trainer(net.graph, options)
    let batch = Batch(
      images: [Float](repeating: 1, count: images * count), labels: [Int32](repeating: 0, count: images))
    // A step without a rate counts and changes nothing.
    for _ in 0..<step { try trainer.step(batch, rate: 0) }
    try trainer.gradients(batch)
    return try trainer.outputs(images * count)
  }

  @Test(arguments: [Float(0), 0.1, 0.5, 0.8])
  func elementsAreDroppedWithTheProbabilityOfTheRatio(_ ratio: Float) throws {
    let mask = try mask(100, ratio: ratio, images: 200, seed: 5), n = Double(mask.count)
    let kept = mask.filter { $0 != 0 }
    #expect(kept.allSatisfy { abs($0 - 1 / (1 - ratio)) < 1e-6 })
    // Four standard deviations of a binomial distribution.
    let expected = n * Double(1 - ratio), deviation = (expected * Double(ratio)).squareRoot()
    #expect(abs(Double(kept.count) - expected) <= 4 * deviation)
    // Neither images nor elements have more of them than chance gives: the mean of squared deviations is binomial's.
    for stride in [1, 100] where ratio > 0 {
      let groups = (0..<(stride == 1 ? 200 : 100)).map { g in
        (0..<(stride == 1 ? 100 : 200)).filter { mask[stride == 1 ? g * 100 + $0 : $0 * 100 + g] != 0 }.count
      }
      let size = stride == 1 ? 100.0 : 200.0, mean = size * Double(1 - ratio)
      let variance = groups.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(groups.count)
      #expect(0.6...1.5 ~= variance / (mean * Double(ratio)))
    }
  }

  @Test func masksDependOnSeedAndStepAndNotOnThreads() throws {
    let one = try mask(50, ratio: 0.5, images: 9, seed: 3)
    for threads in 2...4 { #expect(try mask(50, ratio: 0.5, images: 9, seed: 3, threads: threads) == one) }
    let others = [
      try mask(50, ratio: 0.5, images: 9, seed: 4), try mask(50, ratio: 0.5, images: 9, seed: 3, step: 1),
    ]
    for other in others {
      let equal = zip(one, other).filter { $0 == $1 }.count
      #expect(abs(equal - 225) < 43)
    }
    // Two images have different masks.
    #expect(Array(one[0..<50]) != Array(one[50..<100]))
  }

  @Test func gradientsPassWhereElementsDid() throws {
    var net = RandomNetwork(channels: 3, height: 1, width: 1, seed: 2)
    try net.conv(20, Window(1))
    try net.append(.flatten)
    try net.append(.dropout(ratio: 0.4))
    try net.gemm(9)
    try net.append(.relu)
    let graph = try net.finish(classes: 4)
    var random = Random(seed: 6)
    let batch = Batch(graph, count: 5, random: &random)
    var options = Options(batch: 5)
    options.seed = 11
    let trainer = try Trainer(graph, options)
    var reference = ReferenceNetwork(graph)
    reference.masks[graph.operators[2].name] = try mask(20, ratio: 0.4, images: 5, seed: 11).map(Double.init)
    let expected = reference.loss(batch), result = try trainer.gradients(batch)
    #expect(abs(result.loss - expected.loss) < 1e-5)
    for p in trainer.parameters {
      #expect(distance(try trainer.gradient(p.name), expected.gradients[p.name]!) < 2e-5, "\(p.name)")
    }
    // To evaluate, nothing is dropped.
    reference.masks[graph.operators[2].name] = [Double](repeating: 1, count: 100)
    #expect(abs(try trainer.evaluate(batch).loss - reference.loss(batch).loss) < 1e-5)
  }
}
