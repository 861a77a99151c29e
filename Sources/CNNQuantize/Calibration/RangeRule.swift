/// How a tensor's stored range is chosen from the values seen in calibration.
public enum RangeRule: String, CaseIterable, Sendable {
  /// Everything that was seen fits.
  case minMax = "min-max"
  /// The range with the least mean squared error over the histogram: it cuts off rare large values where the finer
  /// steps for all others are worth more. The whole range is among the candidates, so it is never worse than min-max by
  /// this measure.
  case meanSquaredError = "mse"

  public func quantization(for histogram: Histogram) -> AffineQuantization {
    let lower = Double(histogram.minimum)
    let upper = Double(histogram.maximum)
    switch self {
    case .minMax: return AffineQuantization(lower: lower, upper: upper)
    case .meanSquaredError: return Self.leastError(histogram, lower, upper)
    }
  }

  /// Each end in turn is drawn in, in steps of a hundredth, while the other stays; two rounds settle it.
  private static func leastError(_ histogram: Histogram, _ lower: Double, _ upper: Double) -> AffineQuantization {
    var best = AffineQuantization(lower: lower, upper: upper)
    var error = histogram.meanSquaredError(of: best)
    var ends = (lower: lower, upper: upper)
    func consider(_ lower: Double, _ upper: Double) {
      let candidate = AffineQuantization(lower: lower, upper: upper)
      let candidateError = histogram.meanSquaredError(of: candidate)
      guard candidateError < error else { return }
      (best, error, ends) = (candidate, candidateError, (lower, upper))
    }
    for _ in 0..<2 {
      if upper > 0 { for percent in 20..<100 { consider(ends.lower, upper * Double(percent) / 100) } }
      if lower < 0 { for percent in 20..<100 { consider(lower * Double(percent) / 100, ends.upper) } }
      if lower == 0 || upper == 0 { break }
    }
    return best
  }
}
