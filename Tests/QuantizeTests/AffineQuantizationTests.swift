import Testing

import CNNQuantize

@Suite struct AffineQuantizationTests {
  @Test func zeroIsExactAndTheRangeIsHeld() {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<2000 {
      let size = Double.random(in: -30...30, using: &generator)
      let lower = -Double.random(in: 0...1, using: &generator) * exp2Int(size)
      let upper = Double.random(in: 0...1, using: &generator) * exp2Int(size)
      let quantization = AffineQuantization(lower: lower, upper: upper)
      #expect((0...255).contains(quantization.zeroPoint))
      #expect(quantization.dequantize(quantization.quantize(0)) == 0)
      // The zero point is rounded, so an end may lie half a step outside.
      let slack = Double(quantization.scale) * 0.5001
      #expect(quantization.range.lowerBound <= lower + slack)
      #expect(quantization.range.upperBound >= upper - slack)
    }
  }

  @Test func onlyPositiveValuesHaveZeroPointZero() {
    let quantization = AffineQuantization(lower: 0, upper: 6)
    #expect(quantization == AffineQuantization(scale: 6 / 255, zeroPoint: 0))
  }

  @Test func deadTensor() { #expect(AffineQuantization(lower: 0, upper: 0) == .init(scale: 1, zeroPoint: 0)) }

  @Test func roundsToEvenAndClamps() {
    let quantization = AffineQuantization(scale: 0.5, zeroPoint: 10)
    #expect([0.25, 0.75, -0.25, -0.75, 1e9, -1e9].map(quantization.quantize) == [10, 12, 10, 8, 255, 0])
  }

  private func exp2Int(_ exponent: Double) -> Double { Double(sign: .plus, exponent: Int(exponent), significand: 1) }
}
