import Foundation

/// A confusion matrix as an SVG: a row for each class, its images shared out over what they were taken for, the shade
/// being the share. Readable on dark and on light ground, as `LineChart` is.
public struct ConfusionChart {
  private let title: String
  private let matrix: ConfusionMatrix

  public init(_ title: String, _ matrix: ConfusionMatrix) { (self.title, self.matrix) = (title, matrix) }

  /// Side of a cell: smaller where there are many.
  private var cell: Double { min(46, max(9, 640 / Double(max(matrix.classNames.count, 1)))) }
  private var side: Double { cell * Double(matrix.classNames.count) }
  private var fontSize: Double { min(13, cell * 0.9) }
  private let top = 62.0

  private var names: [String] {
    matrix.classNames.map { $0.count > 24 ? $0.prefix(23) + "…" : $0 }
  }
  /// Room for the longest name.
  private var room: Double { 16 + 0.62 * fontSize * Double(names.map(\.count).max() ?? 0) }
  private var left: Double { 26 + room }

  public var svg: String {
    let width = max(left + side + 24, 26 + 0.62 * 16 * Double(title.count)), height = top + side + room + 34
    let body = labels() + matrix.counts.indices.flatMap(row)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width.rounded(.up))) \(Int(height.rounded(.up)))" \
      role="img" aria-label="\(escaped(title))">
      <style>
      text { font: \(number(fontSize))px system-ui, sans-serif; fill: #222 } .title { font-size: 16px; font-weight: 600 }
      .axis { font-size: 13px } .ground { fill: #fff } .frame { fill: none; stroke: #888 }
      .right { fill: #0072b2 } .wrong { fill: #d55e00 } .on { fill: #fff }
      @media (prefers-color-scheme: dark) {
        text { fill: #ddd } .ground { fill: #1a1a1a } .right { fill: #4ba3e3 } .wrong { fill: #f08a3c } .on { fill: #111 }
      }
      </style>
      <rect class="ground" width="100%" height="100%"/>
      \(body.joined(separator: "\n"))
      <rect class="frame" x="\(number(left))" y="\(number(top))" width="\(number(side))" height="\(number(side))"/>
      </svg>

      """
  }

  private func labels() -> [String] {
    let middle = left + side / 2, bottom = top + side
    let names = names.enumerated().flatMap { index, name in
      let at = (Double(index) + 0.5) * cell
      return [
        #"<text x="\#(number(left - 6))" y="\#(number(top + at))" dy="0.35em" text-anchor="end">\#(escaped(name))</text>"#,
        #"<text transform="translate(\#(number(left + at)) \#(number(bottom + 6))) rotate(-90)" dy="0.35em" "#
          + #"text-anchor="end">\#(escaped(name))</text>"#,
      ]
    }
    return [
      #"<text class="title" x="14" y="28">\#(escaped(title))</text>"#,
      #"<text class="axis" x="\#(number(middle))" y="\#(number(bottom + room + 22))" text-anchor="middle">"#
        + "taken for</text>",
      #"<text class="axis" transform="translate(18 \#(number(top + side / 2))) rotate(-90)" text-anchor="middle">"#
        + "class</text>",
    ] + names
  }

  private func row(_ label: Int) -> [String] {
    let support = matrix.support(label)
    return matrix.counts[label].enumerated().filter { $1 > 0 }.map { taken, count in
      let share = Double(count) / Double(support)
      let x = left + Double(taken) * cell, y = top + Double(label) * cell
      let kind = taken == label ? "right" : "wrong"
      let note = "\(matrix.classNames[label]) taken for \(matrix.classNames[taken]): \(count) of \(support)"
      let rect =
        #"<rect class="\#(kind)" fill-opacity="\#(String(format: "%.3f", 0.06 + 0.94 * share))" x="\#(number(x))" "#
        + #"y="\#(number(y))" width="\#(number(cell))" height="\#(number(cell))"><title>\#(escaped(note))</title></rect>"#
      guard cell >= 24 else { return rect }
      // On a strong shade the other colour is read better.
      return rect + #"<text class="\#(share > 0.6 ? "on" : "off")" x="\#(number(x + cell / 2))" "#
        + #"y="\#(number(y + cell / 2))" dy="0.35em" text-anchor="middle" pointer-events="none">\#(count)</text>"#
    }
  }
}
