import Foundation

/// Numbers that remember what they were computed from: a derivative needs no code of its own (reverse accumulation,
/// Linnainmaa 1970). Numbers are spoken of by their place on the tape.
final class Tape {
  private(set) var values: [Double] = []
  /// Of number i: starts[i] ..< starts[i + 1].
  private var starts = [0]
  private var parents: [Int] = []
  private var slopes: [Double] = []

  /// A number whose parents and derivatives by them have been noted.
  private func push(_ value: Double) -> Int {
    values.append(value)
    starts.append(parents.count)
    return values.count - 1
  }

  private func note(_ parent: Int, _ slope: Double) {
    parents.append(parent)
    slopes.append(slope)
  }

  func number(_ value: Double) -> Int { push(value) }

  /// `start` + Σ a · b, of numbers that are there already.
  func products(_ start: Int?, _ pairs: (_ add: (_ a: Int, _ b: Int) -> Void) -> Void) -> Int {
    var sum = 0.0
    if let start {
      sum = values[start]
      note(start, 1)
    }
    pairs { a, b in
      sum += values[a] * values[b]
      note(a, values[b])
      note(b, values[a])
    }
    return push(sum)
  }

  func sum(_ numbers: [Int], times factor: Double = 1) -> Int {
    var sum = 0.0
    for x in numbers {
      sum += values[x] * factor
      note(x, factor)
    }
    return push(sum)
  }

  func function(_ x: Int, _ value: Double, slope: Double) -> Int {
    note(x, slope)
    return push(value)
  }

  func function(_ a: Int, _ b: Int, _ value: Double, slopes: (Double, Double)) -> Int {
    note(a, slopes.0)
    note(b, slopes.1)
    return push(value)
  }

  func add(_ a: Int, _ b: Int) -> Int { function(a, b, values[a] + values[b], slopes: (1, 1)) }
  func subtract(_ a: Int, _ b: Int) -> Int { function(a, b, values[a] - values[b], slopes: (1, -1)) }
  func multiply(_ a: Int, _ b: Int) -> Int { function(a, b, values[a] * values[b], slopes: (values[b], values[a])) }
  func divide(_ a: Int, _ b: Int) -> Int {
    function(a, b, values[a] / values[b], slopes: (1 / values[b], -values[a] / (values[b] * values[b])))
  }
  func exponential(_ x: Int) -> Int { function(x, exp(values[x]), slope: exp(values[x])) }
  func power(_ x: Int, _ p: Double) -> Int { function(x, pow(values[x], p), slope: p * pow(values[x], p - 1)) }

  /// The derivatives of number `result` by all numbers.
  func derivatives(of result: Int) -> [Double] {
    var gradient = [Double](repeating: 0, count: values.count)
    gradient[result] = 1
    for i in (0...result).reversed() where gradient[i] != 0 {
      for k in starts[i]..<starts[i + 1] { gradient[parents[k]] += gradient[i] * slopes[k] }
    }
    return gradient
  }
}
