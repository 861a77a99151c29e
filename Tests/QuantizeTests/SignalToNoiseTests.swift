import Testing

import CNNQuantize

@Suite struct SignalToNoiseTests {
  @Test func closedFormulas() {
    #expect(abs(decibels([10, -10], [11, -11]) - 20) < 1e-9)
    #expect(abs(decibels([1, 1], [0, 0])) < 1e-9)
    #expect(decibels([1, 2], [1, 2]) == SignalToNoise.mostDecibels)
    #expect(decibels([0, 0], [1, 0]) == -SignalToNoise.mostDecibels)
  }

  /// Rounding a full-scale uniform signal to 256 levels: 6.02 dB per bit.
  @Test func uniformSignal() {
    var generator = SeededGenerator(seed: 7)
    let values = (0..<100_000).map { _ in Float.random(in: -1...1, using: &generator) }
    let quantization = AffineQuantization(lower: -1, upper: 1)
    let stored = values.map { quantization.dequantize(quantization.quantize($0)) }
    #expect(abs(decibels(values, stored) - 48.16) < 0.3)
  }
}
