import ArgumentParser
import Foundation

/// How the learning rate changes from step to step: a linear warm-up, if there is one, and a shape behind it. The rates
/// are those of PyTorch's schedulers of the same names, stepped after each batch.
struct Schedule {
  enum Shape: String, Codable, CaseIterable, ExpressibleByArgument {
    case constant
    /// Half a cosine, from the rate to 0 (Loshchilov and Hutter 2017, without restarts).
    case cosine
    /// Multiplied by a factor every so many steps.
    case step
    /// Up to the rate and down to almost 0, both as half a cosine (Smith and Topin 2017, in PyTorch's form).
    case oneCycle = "one-cycle"
  }

  var shape: Shape
  /// The largest.
  var rate: Float
  /// Of the whole run.
  var steps: Int
  /// Steps of the warm-up.
  var warmup = 0
  /// Steps between two falls of shape `step`, from the end of the warm-up on.
  var fallSteps = 1
  var fallFactor: Float = 0.1

  /// The rate of a step, the first being 0.
  subscript(step: Int) -> Float {
    guard step >= warmup else { return Float(Double(rate) * Double(step + 1) / Double(warmup + 1)) }
    return Float(Double(rate) * factor(Double(step - warmup), of: Double(steps - warmup)))
  }

  private func factor(_ step: Double, of count: Double) -> Double {
    switch shape {
    case .constant: 1
    case .cosine: cosine(from: 1, to: 0, step / count)
    case .step: pow(Double(fallFactor), (step / Double(fallSteps)).rounded(.down))
    case .oneCycle: oneCycle(step, of: count)
    }
  }

  /// PyTorch's OneCycleLR: three tenths of the way up from 1/25, then down to 1/10000 of that.
  private func oneCycle(_ step: Double, of count: Double) -> Double {
    let first = 1.0 / 25, top = 0.3 * count - 1, last = count - 1
    return step <= top
      ? cosine(from: first, to: 1, step / top) : cosine(from: 1, to: first / 1e4, (step - top) / (last - top))
  }

  /// Half a cosine, `share` of the way along.
  private func cosine(from start: Double, to end: Double, _ share: Double) -> Double {
    end + (start - end) / 2 * (1 + cos(.pi * share))
  }
}
