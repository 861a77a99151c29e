import Bundle

/// Exponential moving averages of the parameters and running statistics, in their order.
struct Averages {
  let values: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>

  /// Takes their memory; nil where the arena only counts.
  init?(_ parameters: Parameters, _ arena: inout Arena) {
    let values = arena.take(Float.self, parameters.elements)
    guard let statistics = arena.take(Float.self, parameters.statisticElements), let values else { return nil }
    self.values = values
    self.statistics = statistics
  }
}

extension Trainer {
  /// They begin as the parameters do.
  func beginAverages() {
    averages?.values.initialize(from: values, count: plan.parameters.elements)
    averages?.statistics.initialize(from: statistics, count: plan.parameters.statisticElements)
  }

  /// average += (1 − d)(w − average): with d · average + (1 − d) · w, d being rounded, the average of a constant would
  /// drift from it.
  func average(_ elements: Range<Int>, statistics range: Range<Int>) {
    guard let averages else { return }
    let part = Float(1 - options.averageDecay)
    func follow(_ source: UnsafeMutablePointer<Float>, _ average: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
      forEachVector(range.lowerBound, range.upperBound) { i in
        set(average, i, vector(average, i) + part * (vector(source, i) - vector(average, i)))
      }
    }
    follow(values, averages.values, elements)
    follow(statistics, averages.statistics, range)
  }

  /// The averages take the place of the parameters; done again, all is as it was.
  mutating func exchangeAverages() {
    guard let averages else { return }
    let exchanged = Averages(values: values, statistics: statistics)
    (values, statistics) = (averages.values, averages.statistics)
    self.averages = exchanged
  }

  /// A parameter's average, in kernel order.
  func average(_ index: Int) -> UnsafeMutablePointer<Float>? {
    let p = parameter(index)
    return averages.map { (p.trainable ? $0.values : $0.statistics) + p.start }
  }
}

extension Averages {
  fileprivate init(values: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>) {
    (self.values, self.statistics) = (values, statistics)
  }
}
