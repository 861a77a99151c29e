/// Times of equal runs.
struct Latencies {
  /// In nanoseconds, ascending.
  private let sorted: [Int64]

  /// - Parameter nanoseconds: at least one.
  init(_ nanoseconds: [Int64]) { sorted = nanoseconds.sorted() }

  var count: Int { sorted.count }
  var minimum: Double { milliseconds(sorted[0]) }
  var median: Double { percentile(50) }

  /// The smallest time that is at least as long as `percent` of them (nearest rank).
  func percentile(_ percent: Int) -> Double {
    milliseconds(sorted[max((sorted.count * percent + 99) / 100, 1) - 1])
  }

  private func milliseconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds) / 1e6 }
}
