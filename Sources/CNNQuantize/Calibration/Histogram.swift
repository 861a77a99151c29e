/// How often values occur, in bins of one width on both sides of zero.
///
/// The width is a power of two that doubles (neighbouring bins are merged) whenever a value falls outside. So one pass
/// over the data is enough, memory is constant, and the result does not depend on the order of the values. Exact zeros,
/// half of all values behind a ReLU, are counted apart, so that the first bin's width does not blur them.
public struct Histogram: Sendable {
  package static let bins = 4096

  package private(set) var width: Float = 0x1p-40
  package private(set) var positive = [UInt64](repeating: 0, count: bins)
  package private(set) var negative = [UInt64](repeating: 0, count: bins)
  package private(set) var zeros: UInt64 = 0
  public private(set) var count: UInt64 = 0
  public private(set) var minimum: Float = 0
  public private(set) var maximum: Float = 0
  /// Infinities and NaN, which are in no bin.
  public private(set) var notFinite: UInt64 = 0

  public init() {}

  public mutating func add(_ values: UnsafeBufferPointer<Float>) {
    for value in values where value.isFinite {
      minimum = min(minimum, value)
      maximum = max(maximum, value)
    }
    widen(toHold: max(maximum, -minimum))
    let perWidth = 1 / width  // exact: a power of two
    for value in values {
      if value == 0 {
        zeros += 1
      } else if !value.isFinite {
        notFinite += 1
      } else if value > 0 {
        positive[Int(value * perWidth)] += 1
      } else {
        negative[Int(-value * perWidth)] += 1
      }
    }
    count += UInt64(values.count)
  }

  public mutating func add(_ values: [Float]) { values.withUnsafeBufferPointer { add($0) } }

  /// Adds everything that another histogram has counted.
  public mutating func merge(_ other: Histogram) {
    var other = other
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
    let magnitude = max(maximum, -minimum)
    widen(toHold: magnitude)
    other.widen(toHold: magnitude)
    // Both are as wide as the largest value among them demands, so they are equally wide.
    for bin in 0..<Self.bins {
      positive[bin] += other.positive[bin]
      negative[bin] += other.negative[bin]
    }
    zeros += other.zeros
    count += other.count
    notFinite += other.notFinite
  }

  private mutating func widen(toHold magnitude: Float) {
    guard magnitude / width >= Float(Self.bins) else { return }
    var halvings = 0
    while magnitude / width >= Float(Self.bins) {
      width *= 2
      halvings += 1
    }
    positive = Self.merged(positive, halvings)
    negative = Self.merged(negative, halvings)
  }

  private static func merged(_ counts: [UInt64], _ halvings: Int) -> [UInt64] {
    var result = [UInt64](repeating: 0, count: bins)
    for (bin, count) in counts.enumerated() { result[bin >> halvings] += count }
    return result
  }

  /// The mean of (quantized − real)² over the values, each taken at the middle of its bin.
  public func meanSquaredError(of quantization: AffineQuantization) -> Double {
    let finite = count - notFinite
    guard finite > 0 else { return 0 }
    let scale = Double(quantization.scale)
    let lowest = Double(-quantization.zeroPoint)
    let highest = Double(255 - quantization.zeroPoint)
    var sum = 0.0
    func add(_ count: UInt64, _ value: Double) {
      let stored = min(max((value / scale).rounded(.toNearestOrEven), lowest), highest)
      let error = stored * scale - value
      sum += Double(count) * error * error
    }
    for bin in 0..<Self.bins {
      let middle = (Double(bin) + 0.5) * Double(width)
      if positive[bin] > 0 { add(positive[bin], middle) }
      if negative[bin] > 0 { add(negative[bin], -middle) }
    }
    return sum / Double(finite)
  }

  /// The share of the finite values that `quantization` cuts off, to the width of a bin.
  public func clippedShare(of quantization: AffineQuantization) -> Double {
    let finite = count - notFinite
    guard finite > 0 else { return 0 }
    let range = quantization.range
    var clipped: UInt64 = 0
    for bin in 0..<Self.bins {
      let middle = (Double(bin) + 0.5) * Double(width)
      if middle > range.upperBound { clipped += positive[bin] }
      if -middle < range.lowerBound { clipped += negative[bin] }
    }
    return Double(clipped) / Double(finite)
  }
}
