import CNNModel
import CNNPasses
import CNNQuantize
import CNNRT
import Testing

/// The same graphs in libcnnrt: what passes and quantization promise must hold where it counts.
@Suite struct RuntimeAgreementTests {
  /// Values of any tensors of a graph for one image.
  private func run(_ graph: Graph, _ tensors: [String], _ input: [Float]) throws -> [[Float]] {
    var graph = graph
    graph.outputs = tensors
    graph.removeUnused()
    let session = try Session(Model(bytes: try BundleWriter().bytes(of: graph)))
    try session.setInput(input.span)
    try session.run()
    return try tensors.indices.map { try session.output($0) }
  }

  private func decibels(_ real: [Float], _ approximate: [Float]) -> Double {
    var ratio = SignalToNoise()
    real.withUnsafeBufferPointer { real in
      approximate.withUnsafeBufferPointer { ratio.add(real: real, approximate: $0) }
    }
    return ratio.decibels
  }

  @Test(arguments: [0, 1, 2, 6, 7, 8]) func passesChangeNothing(seed: UInt64) throws {
    let before = try RandomGraph.network(seed)
    var after = before
    after.run(Pass.forInference)
    var generator = SeededGenerator(seed: 300 + seed)
    let input = generator.normals(before.tensors["input"]!.count)
    let expected = try run(before, [before.operators.last!.inputs[0]], input)[0]
    let found = try run(after, [after.operators.last!.inputs[0]], input)[0]
    #expect(decibels(expected, found) > 100)
    let naive = NaiveNetwork(before, input: input).real(before.operators.last!.inputs[0]).map(Float.init)
    #expect(decibels(naive, found) > 100)
  }

  /// The quantized graph in integer kernels, and by plain loops in double precision from the same scales.
  @Test(arguments: [0, 1, 2, 6, 7, 8]) func int8IsWhatTheScalesSay(seed: UInt64) throws {
    var float = try RandomGraph.network(seed)
    float.run(Pass.forInference + [.batchNormalizationToConv])
    var generator = SeededGenerator(seed: 400 + seed)
    let input = generator.normals(float.tensors["input"]!.count)
    var calibration = Calibration(float)
    for (tensor, values) in zip(calibration.tensors, try run(float, calibration.tensors, input)) {
      values.withUnsafeBufferPointer { calibration.add($0, of: tensor) }
    }
    var quantizations = calibration.quantizations(.meanSquaredError)
    quantizations["input"] = AffineQuantization(lower: -4, upper: 4)
    let int8 = try float.quantized(quantizations)
    let naive = NaiveNetwork(int8, input: input)
    let tensors = int8.operators.dropLast().map(\.output)
    for (tensor, values) in zip(tensors, try run(int8, tensors, input)) {
      // They differ where single precision rounds a tie the other way, by one step, and what follows from that.
      #expect(decibels(naive.real(tensor).map(Float.init), values) > 45, "\(tensor)")
    }
    let first = try run(int8, [int8.operators[0].output], input)[0]
    let step = int8.tensors[int8.operators[0].output]!.quantization!.scales[0]
    let differences = zip(naive.real(int8.operators[0].output), first).map { abs(Float($0) - $1) / step }
    #expect(differences.allSatisfy { $0 < 1.01 })
    #expect(differences.count { $0 > 0.01 } <= differences.count / 500)
  }
}
