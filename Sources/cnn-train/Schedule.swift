import ArgumentParser
import Foundation

/// How the learning rate changes from step to step.
enum Schedule: String, Codable, CaseIterable, ExpressibleByArgument {
  case constant
  /// Half a cosine, from the initial rate to 0 (Loshchilov and Hutter 2017, without restarts).
  case cosine

  /// The rate of step `step` of `count`, the first being 0.
  func rate(_ initial: Float, step: Int, of count: Int) -> Float {
    switch self {
    case .constant: initial
    case .cosine: Float(Double(initial) * 0.5 * (1 + cos(.pi * Double(step) / Double(count))))
    }
  }
}
