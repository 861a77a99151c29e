import CNNModel
import CNNPasses
import CNNQuantize
import Testing

/// An int8 network gives nearly what its float one gives: calibrated and computed here with plain loops.
@Suite struct QuantizedResultTests {
  @Test(arguments: 0..<12, RangeRule.allCases) func logitsAgree(seed: UInt64, rule: RangeRule) throws {
    var float = try RandomGraph.network(seed, small: true)
    float.run(Pass.forInference + [.batchNormalizationToConv])
    var generator = SeededGenerator(seed: 200 + seed)
    let images = (0..<12).map { _ in generator.normals(float.tensors["input"]!.count) }
    let references = images.map { NaiveNetwork(float, input: $0) }

    var calibration = Calibration(float)
    for reference in references {
      for tensor in calibration.tensors {
        reference.real(tensor).map(Float.init).withUnsafeBufferPointer { calibration.add($0, of: tensor) }
      }
    }
    var quantizations = calibration.quantizations(rule)
    quantizations["input"] = AffineQuantization(lower: -4, upper: 4)
    let int8 = try float.quantized(quantizations)
    try int8.validate()

    var ratios = [String: SignalToNoise]()
    for (image, reference) in zip(images, references) {
      let network = NaiveNetwork(int8, input: image)
      for name in float.operators.map(\.output) {
        let real = reference.real(name).map(Float.init)
        let approximate = network.real(name).map(Float.init)
        real.withUnsafeBufferPointer { real in
          approximate.withUnsafeBufferPointer { ratios[name, default: .init()].add(real: real, approximate: $0) }
        }
      }
    }
    let worst = ratios.min { $0.value.decibels < $1.value.decibels }!
    // Eight bits give about 40 dB in one layer; a few layers behind each other lose some of it, and so does a branch of
    // small values that is stored in the steps of what it is joined to. A wrong scale, bias or zero point anywhere leaves
    // less than 10.
    #expect(worst.value.decibels > (seed % 6 < 2 ? 24 : 17), "\(worst.key): \(worst.value.decibels) dB")
    #expect(ratios[float.operators[0].output]!.decibels > 34)
  }
}
