import CCNNRT
import CNNModel
import CNNSupport
import Foundation
import Testing

/// Whole steps of the seed network against PyTorch's (Tools/vectors/training.py makes the files and says what is in
/// them).
@Suite struct PyTorchTests {
  private static let steps = 3, batch = 4

  /// The generator of the script.
  private static func noise(_ count: Int, _ seed: UInt32) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 16) / 32768 - 1
    }
  }

  private static func seedNetwork() throws -> Graph {
    var net = RandomNetwork(channels: 1, height: 28, width: 28, seed: 0)
    for (outputs, isPooled) in [(10, true), (10, false), (20, false), (20, true)] {
      try net.conv(outputs, Window(3, padding: 1), bias: false)
      try net.batchNorm()
      try net.append(.relu)
      if isPooled { try net.append(.maxPool(Window(2, stride: 2))) }
    }
    return try net.finish(classes: 10)
  }

  private static func trainer(_ options: Options) throws -> Trainer {
    let trainer = try Trainer(seedNetwork(), options)
    for (i, p) in trainer.parameters.filter(\.isTrainable).enumerated() {
      let values = noise(p.count, UInt32(100 + i))
      let inputs = p.shape.dropFirst().reduce(1, *)
      if p.shape.count > 1 {
        trainer[p.name] = values.map { $0 * Float(1.7 / Double(inputs).squareRoot()) }
      } else {
        trainer[p.name] = values.map { $0 * 0.2 + (p.name.hasSuffix("scale") ? 1 : 0) }
      }
    }
    for p in trainer.parameters where !p.isTrainable {
      trainer[p.name] = [Float](repeating: p.name.hasSuffix("variance") ? 1 : 0, count: p.count)
    }
    return trainer
  }

  private static func batch(_ step: Int, seed: Int) -> Batch {
    Batch(
      images: noise(batch * 784, UInt32(seed + step)), labels: (0..<batch).map { Int32(($0 * 7 + step) % 10) })
  }

  /// Mixed labels, as the script has them.
  private static func targets(_ labels: [Int32], _ step: Int) -> [Float] {
    let share = Float(0.75 - 0.05 * Double(step))
    return labels.indices.flatMap { i in
      (0..<10).map { c in
        (labels[i] == c ? share : 0) + (labels[(i + 1) % labels.count] == c ? 1 - share : 0)
      }
    }
  }

  private struct Vectors {
    private var rest: ArraySlice<Float>

    init(_ name: String) throws {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Vectors")
      let data = try Data(contentsOf: folder.appending(path: name + ".f32"))
      rest = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }[...]
    }

    mutating func next(_ count: Int) -> [Double] {
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count).map(Double.init)
    }

    var isAtEnd: Bool { rest.isEmpty }
  }

  private static let cases = [
    "adam", "adam-decay", "sgd-momentum-decay", "adamw", "label-smoothing", "class-weights", "class-weights-smoothing",
    "clipping", "targets", "targets-class-weights-smoothing",
  ]

  private static func options(_ name: String) -> (Options, rate: Float) {
    var options = Options(batch: batch, optimizer: CNNRT_OPTIMIZER_ADAM)
    switch name {
    case "adam": return (options, 0.001)
    case "adam-decay": options.weightDecay = 0.01
    case "adamw": (options.optimizer, options.weightDecay) = (CNNRT_OPTIMIZER_ADAMW, 5)
    default:
      options.optimizer = CNNRT_OPTIMIZER_SGD
      (options.momentum, options.weightDecay) = (0.9, 0.0005)
      options.labelSmoothing = name.hasSuffix("smoothing") ? 0.1 : 0
      options.classWeights = name.contains("class-weights") ? (0..<10).map { 0.25 + 0.5 * Float($0) } : []
      options.maxGradientNorm = name == "clipping" ? 0.5 : 0
      return (options, 0.05)
    }
    return (options, 0.001)
  }

  @Test(arguments: cases, [1, 2])
  func wholeSteps(_ name: String, _ threads: Int) throws {
    var vectors = try Vectors(name)
    var (options, rate) = Self.options(name)
    options.threads = threads
    let seed = Int(vectors.next(1)[0])
    let trainer = try Self.trainer(options), parameters = trainer.parameters
    for step in 0..<Self.steps {
      var batch = Self.batch(step, seed: seed)
      if name.hasPrefix("targets") { batch.targets = Self.targets(batch.labels, step) }
      let result = try trainer.step(batch, rate: rate), expected = vectors.next(1)[0]
      #expect(abs(result.loss - expected) < 2e-6 * expected, "step \(step)")
      if name == "clipping" {
        let norm = vectors.next(1)[0]
        #expect(abs(result.gradient_norm - norm) < 1e-5 * norm)
      }
      guard step == 0 && name == "adam" else { continue }
      for p in parameters where p.isTrainable {
        #expect(distance(try trainer.gradient(p.name), vectors.next(p.count)) < 1e-5, "gradient of \(p.name)")
      }
    }
    for p in parameters where p.isTrainable {
      #expect(distance(trainer[p.name], vectors.next(p.count)) < 2e-6, "\(p.name)")
    }
    for p in parameters where !p.isTrainable {
      #expect(distance(trainer[p.name], vectors.next(p.count)) < 2e-6, "\(p.name)")
    }
    let result = try trainer.evaluate(Self.batch(Self.steps - 1, seed: seed)), expected = vectors.next(1)[0]
    #expect(abs(result.loss - expected) < 1e-5 * expected)
    #expect(vectors.isAtEnd)
  }
}
