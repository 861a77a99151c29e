import ArgumentParser
import CNNSupport
import Foundation

// What flags say in two ways: an amount of one thing or of another.

/// How long the learning rate rises at the start: "2" (epochs), "0.5", "200steps".
enum Warmup: Codable, Equatable, ExpressibleByArgument, CustomStringConvertible {
  case epochs(Double)
  case steps(Int)

  init?(argument: String) {
    if argument.hasSuffix("steps") {
      guard let steps = Int(argument.dropLast("steps".count)), steps >= 0 else { return nil }
      self = .steps(steps)
    } else {
      guard let epochs = Double(argument), epochs >= 0, epochs <= 1e6 else { return nil }
      self = .epochs(epochs)
    }
  }

  var isNone: Bool { self == .steps(0) || self == .epochs(0) }

  func steps(perEpoch: Int) -> Int {
    switch self {
    case .epochs(let epochs): Int((epochs * Double(perEpoch)).rounded())
    case .steps(let steps): steps
    }
  }

  var description: String {
    switch self {
    case .epochs(let epochs): plain(epochs)
    case .steps(let steps): "\(steps)steps"
    }
  }
}

/// Images set aside: "5000", or a share of all as "0.1" or "10%".
enum ValidationAmount: Codable, Equatable, ExpressibleByArgument, CustomStringConvertible {
  case images(Int)
  /// 0 to below 1.
  case share(Double)

  init?(argument: String) {
    if let images = Int(argument) {
      guard images >= 0 else { return nil }
      self = .images(images)
      return
    }
    let isPercent = argument.hasSuffix("%")
    guard let number = Double(isPercent ? String(argument.dropLast()) : argument) else { return nil }
    let share = isPercent ? number / 100 : number
    guard 0..<1 ~= share else { return nil }
    self = .share(share)
  }

  func images(of count: Int) -> Int {
    switch self {
    case .images(let images): images
    case .share(let share): Int((share * Double(count)).rounded())
    }
  }

  var isNone: Bool { self == .images(0) || self == .share(0) }

  var description: String {
    switch self {
    case .images(let images): "\(images)"
    case .share(let share): "\(share)"
    }
  }
}

/// How much each class counts: "balanced", or a number for each: "1,1,2.5".
enum ClassWeights: Codable, Equatable, ExpressibleByArgument, CustomStringConvertible {
  /// So that all classes count alike, however many images they have.
  case balanced
  case each([Float])

  init?(argument: String) {
    if argument == "balanced" {
      self = .balanced
      return
    }
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let weights = parts.compactMap { Float($0) }.filter { $0 >= 0 && $0.isFinite }
    guard weights.count == parts.count, weights.contains(where: { $0 > 0 }) else { return nil }
    self = .each(weights)
  }

  /// - Parameter labels: of the images that are learnt from.
  func weights(classes: Int, labels: some Sequence<Int32>) throws(CNNError) -> [Float] {
    switch self {
    case .balanced:
      var counts = [Int](repeating: 0, count: classes)
      for label in labels { counts[Int(label)] += 1 }
      let total = counts.reduce(0, +)
      // Scikit-learn's rule: the mean over the images is 1. A class without images is no label's.
      return counts.map { $0 == 0 ? 1 : Float(Double(total) / (Double(classes) * Double($0))) }
    case .each(let weights):
      guard weights.count == classes else {
        throw CNNError(
          "\(weights.count) weights for \(classes) classes", at: "--class-weights",
          advice: "give one for each class, or balanced")
      }
      return weights
    }
  }

  var description: String {
    switch self {
    case .balanced: "balanced"
    case .each(let weights): weights.map { "\($0)" }.joined(separator: ",")
    }
  }
}

/// "2" for 2.0, "0.5".
private func plain(_ number: Double) -> String {
  number == number.rounded() ? String(Int(number)) : "\(number)"
}
