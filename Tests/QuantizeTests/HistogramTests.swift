import Testing

import CNNQuantize

@Suite struct HistogramTests {
  @Test func countsEverythingOnce() {
    var histogram = Histogram()
    histogram.add([0, 0, 1, -3, 1e-30, 100, .nan, .infinity])
    #expect(histogram.count == 8)
    #expect(histogram.zeros == 2)
    #expect(histogram.notFinite == 2)
    #expect(histogram.positive.reduce(0, +) == 3)
    #expect(histogram.negative.reduce(0, +) == 1)
    #expect(histogram.minimum == -3)
    #expect(histogram.maximum == 100)
  }

  /// Data-parallel calibration must not depend on who sees which image first.
  @Test func orderAndSplitDoNotMatter() {
    var generator = SeededGenerator(seed: 2)
    var values = generator.normals(5000)
    for index in 0..<50 { values[index * 100] *= 1000 }
    var whole = Histogram()
    whole.add(values)
    var turned = Histogram()
    for value in values.reversed() { turned.add([value]) }
    var parts = [Histogram(), Histogram()]
    parts[0].add(Array(values[..<1234]))
    parts[1].add(Array(values[1234...]))
    parts[1].merge(parts[0])
    for other in [turned, parts[1]] {
      #expect(other.width == whole.width)
      #expect(other.positive == whole.positive)
      #expect(other.negative == whole.negative)
    }
  }

  @Test(arguments: [Float(3e38), 1e-38, 1, 4096])
  func extremeValuesStayInRange(magnitude: Float) {
    var histogram = Histogram()
    histogram.add([magnitude, -magnitude])
    #expect(histogram.positive.reduce(0, +) == 1)
    #expect(histogram.negative.reduce(0, +) == 1)
  }

  /// The error that the histogram foretells is the one that quantizing the values themselves gives.
  @Test func errorAgreesWithTheValuesThemselves() {
    var generator = SeededGenerator(seed: 3)
    for relu in [false, true] {
      let values = generator.normals(50_000).map { relu ? max($0, 0) : $0 }
      var histogram = Histogram()
      histogram.add(values)
      for upper in [1.0, 2, 4, 6] {
        let quantization = AffineQuantization(lower: relu ? 0 : -upper, upper: upper)
        let errors = values.map { Double(quantization.dequantize(quantization.quantize($0)) - $0) }
        let expected = errors.reduce(0) { $0 + $1 * $1 } / Double(values.count)
        let found = histogram.meanSquaredError(of: quantization)
        #expect(abs(found - expected) <= 0.03 * expected, "relu \(relu), upper \(upper): \(found), \(expected)")
      }
    }
  }
}

@Suite struct RangeRuleTests {
  private func histogram(_ values: [Float]) -> Histogram {
    var histogram = Histogram()
    histogram.add(values)
    return histogram
  }

  @Test func uniformValuesAreNotCut() {
    let uniform = histogram((0...10_000).map { Float($0) / 10_000 })
    #expect(RangeRule.meanSquaredError.quantization(for: uniform) == RangeRule.minMax.quantization(for: uniform))
  }

  @Test func rareOutliersAreCut() {
    var generator = SeededGenerator(seed: 4)
    let values = generator.normals(100_000).map { max($0, 0) }
    var histogram = histogram([12])
    for _ in 0..<10 { histogram.add(values) }
    let chosen = RangeRule.meanSquaredError.quantization(for: histogram)
    #expect(chosen.zeroPoint == 0)
    #expect((3...9).contains(chosen.range.upperBound))
    #expect(RangeRule.minMax.quantization(for: histogram).range.upperBound > 11.9)
  }

  /// A full search over both ends finds nothing much better.
  @Test func nearTheBestOfAll() {
    var generator = SeededGenerator(seed: 5)
    let values = generator.normals(20_000, mean: 0.7).map { $0 * $0 * $0 }
    let histogram = histogram(values)
    let found = histogram.meanSquaredError(of: RangeRule.meanSquaredError.quantization(for: histogram))
    var best = Double.infinity
    for low in stride(from: 0.1, through: 1, by: 0.05) {
      for high in stride(from: 0.1, through: 1, by: 0.05) {
        let candidate = AffineQuantization(
          lower: low * Double(histogram.minimum), upper: high * Double(histogram.maximum))
        best = min(best, histogram.meanSquaredError(of: candidate))
      }
    }
    #expect(found <= best * 1.05)
    #expect(found < histogram.meanSquaredError(of: RangeRule.minMax.quantization(for: histogram)))
  }
}
