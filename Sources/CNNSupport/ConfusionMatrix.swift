import Foundation

/// How often images of each class were taken for each class, and the figures that follow from it. They are in percent
/// and nil where they would be divided by 0.
public struct ConfusionMatrix: Equatable, Sendable {
  public let classNames: [String]
  /// [label][what it was taken for]
  public private(set) var counts: [[Int]]

  public init(_ classNames: [String]) {
    self.classNames = classNames
    counts = classNames.map { _ in [Int](repeating: 0, count: classNames.count) }
  }

  public mutating func add(label: Int, taken: Int) { counts[label][taken] += 1 }

  /// Images of a class.
  public func support(_ c: Int) -> Int { counts[c].reduce(0, +) }

  /// Of the images taken for the class, those that are of it.
  public func precision(_ c: Int) -> Double? { percent(counts[c][c], of: taken(c)) }

  /// Of the class's images, those taken for it.
  public func recall(_ c: Int) -> Double? { percent(counts[c][c], of: support(c)) }

  /// The harmonic mean of both.
  public func f1(_ c: Int) -> Double? { percent(2 * counts[c][c], of: support(c) + taken(c)) }

  private func taken(_ c: Int) -> Int { counts.reduce(0) { $0 + $1[c] } }

  private func percent(_ part: Int, of whole: Int) -> Double? {
    whole == 0 ? nil : 100 * Double(part) / Double(whole)
  }

  // MARK: Written

  /// A row for each class, and the means over the classes where there is something to divide by.
  public var text: String {
    func cell(_ percent: Double?) -> String { percent.map { String(format: "%.2f %%", $0) } ?? "–" }
    func mean(_ figure: (Int) -> Double?) -> Double? {
      let figures = classNames.indices.compactMap(figure)
      return figures.isEmpty ? nil : figures.reduce(0, +) / Double(figures.count)
    }
    var table = TextTable(["class", "precision", "recall", "F1", "support"])
    for (c, name) in classNames.enumerated() {
      table.add([name, cell(precision(c)), cell(recall(c)), cell(f1(c)), "\(support(c))"])
    }
    let total = classNames.indices.reduce(0) { $0 + support($1) }
    table.add(["mean", cell(mean(precision)), cell(mean(recall)), cell(mean(f1)), "\(total)"])
    return table.text
  }

  public var classesJSON: JSON {
    func number(_ percent: Double?) -> JSON { percent.map { .number($0) } ?? .null }
    return .array(
      classNames.enumerated().map { c, name in
        [
          "name": .string(name), "precision": number(precision(c)), "recall": number(recall(c)), "f1": number(f1(c)),
          "support": .integer(support(c)),
        ]
      })
  }

  public var countsJSON: JSON { .array(counts.map { .array($0.map { .integer($0) }) }) }
}
