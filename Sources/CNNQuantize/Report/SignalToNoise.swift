import Foundation

/// How much louder a tensor's true values are than the error of its int8 form, in decibels:
/// SQNR = 10 · log₁₀(Σ true² / Σ (true − int8)²). Every 6 dB are one more bit of precision.
public struct SignalToNoise: Sendable {
  /// Reported where there is no error (or none that float32 could show), so that the figure is always a number.
  public static let mostDecibels = 150.0

  private var signal = 0.0
  private var noise = 0.0

  public init() {}

  public mutating func add(real: UnsafeBufferPointer<Float>, approximate: UnsafeBufferPointer<Float>) {
    precondition(real.count == approximate.count, "one tensor, computed twice")
    for index in real.indices {
      let value = Double(real[index])
      let error = value - Double(approximate[index])
      signal += value * value
      noise += error * error
    }
  }

  public var decibels: Double {
    guard noise > 0 else { return Self.mostDecibels }
    guard signal > 0 else { return -Self.mostDecibels }
    return min(max(10 * log10(signal / noise), -Self.mostDecibels), Self.mostDecibels)
  }
}
