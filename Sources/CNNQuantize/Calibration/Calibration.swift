import CNNModel

/// What was seen of a float graph's tensors while it ran over the calibration images, and the quantizations that
/// follow.
public struct Calibration: Sendable {
  /// The tensors to look at: those whose values decide a quantization.
  public let tensors: [String]
  private let groups: [String: [String]]
  private var histograms: [String: Histogram]

  public init(_ graph: Graph) {
    groups = graph.calibratedTensors
    tensors = groups.values.flatMap { $0 }.sorted()
    histograms = Dictionary(uniqueKeysWithValues: tensors.map { ($0, Histogram()) })
  }

  /// Counts values of one of `tensors`.
  public mutating func add(_ values: UnsafeBufferPointer<Float>, of tensor: String) {
    histograms[tensor]!.add(values)
  }

  /// The first tensor, by name, that held an infinity or NaN.
  public var notFinite: String? { tensors.first { histograms[$0]!.notFinite > 0 } }

  /// For every tensor that needs a quantization of its own.
  public func quantizations(_ rule: RangeRule) -> [String: AffineQuantization] {
    groups.mapValues { rule.quantization(for: merged($0)) }
  }

  /// The share of the values of a tensor's group that lie outside the stored range, in percent.
  public func clippedPercent(_ tensor: String, _ quantization: AffineQuantization) -> Double? {
    groups[tensor].map { merged($0).clippedShare(of: quantization) * 100 }
  }

  private func merged(_ group: [String]) -> Histogram {
    var result = histograms[group[0]]!
    for other in group.dropFirst() { result.merge(histograms[other]!) }
    return result
  }
}
