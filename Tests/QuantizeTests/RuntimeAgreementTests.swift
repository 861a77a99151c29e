import CNNModel
import CNNPasses
import CNNQuantize
import Testing

/// The same graphs in libcnnrt: what passes and quantization promise must hold where it counts.
@Suite struct RuntimeAgreementTests {
  @Test(arguments: [0, 1, 2, 6, 7, 8]) func passesChangeNothing(seed: UInt64) throws {
    let before = try RandomGraph.network(seed)
    var after = before
    after.run(Pass.forInference)
    var generator = SeededGenerator(seed: 300 + seed)
    let input = generator.normals(before.tensors["input"]!.count)
    let expected = try before.values(of: [before.operators.last!.inputs[0]], for: input)[0]
    let found = try after.values(of: [after.operators.last!.inputs[0]], for: input)[0]
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
    let int8 = try float.quantized(float.calibrated(.meanSquaredError, for: input))
    let naive = NaiveNetwork(int8, input: input)
    let tensors = int8.operators.dropLast().map(\.output)
    for (tensor, values) in zip(tensors, try int8.values(of: tensors, for: input)) {
      // They differ where single precision rounds a tie the other way, by one step, and what follows from that.
      #expect(decibels(naive.real(tensor).map(Float.init), values) > 45, "\(tensor)")
    }
    let first = try int8.values(of: [int8.operators[0].output], for: input)[0]
    let step = int8.tensors[int8.operators[0].output]!.quantization!.scales[0]
    let differences = zip(naive.real(int8.operators[0].output), first).map { abs(Float($0) - $1) / step }
    #expect(differences.allSatisfy { $0 < 1.01 })
    #expect(differences.count { $0 > 0.01 } <= differences.count / 500)
  }
}
