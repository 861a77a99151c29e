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

  @Test(arguments: ["adam", "adam-decay", "sgd-momentum-decay"], [1, 2])
  func wholeSteps(_ name: String, _ threads: Int) throws {
    var vectors = try Vectors(name)
    var options = Options(batch: Self.batch, threads: threads), rate: Float = 0.001
    switch name {
    case "adam": options.optimizer = CNNRT_OPTIMIZER_ADAM
    case "adam-decay": (options.optimizer, options.weightDecay) = (CNNRT_OPTIMIZER_ADAM, 0.01)
    default: (options.momentum, options.weightDecay, rate) = (0.9, 0.0005, 0.05)
    }
    let seed = Int(vectors.next(1)[0])
    let trainer = try Self.trainer(options), parameters = trainer.parameters
    for step in 0..<Self.steps {
      let result = try trainer.step(Self.batch(step, seed: seed), rate: rate), expected = vectors.next(1)[0]
      #expect(abs(result.loss - expected) < 2e-6 * expected, "step \(step)")
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
