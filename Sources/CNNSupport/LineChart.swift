import Foundation

/// Curves over a common horizontal axis as an SVG that needs nothing else: no fonts, no scripts, readable on dark and
/// on light ground (colours follow `prefers-color-scheme`).
public struct LineChart {
  public struct Series {
    public var name: String
    public var points: [(x: Double, y: Double)]

    public init(_ name: String, _ points: [(x: Double, y: Double)]) {
      self.name = name
      self.points = points
    }
  }

  public var title: String
  public var xLabel: String
  public var yLabel: String
  public var series: [Series]

  public init(_ title: String, x: String, y: String, _ series: [Series]) {
    self.title = title
    xLabel = x
    yLabel = y
    self.series = series
  }

  private static let width = 720.0
  private static let height = 420.0
  private static let left = 70.0
  private static let right = 150.0
  private static let top = 50.0
  private static let bottom = 55.0

  /// The document. Points that are not finite are left out and break their curve.
  public var svg: String {
    let points = series.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let x = Axis(points.map(\.x), from: Self.left, to: Self.width - Self.right)
    let y = Axis(points.map(\.y), from: Self.height - Self.bottom, to: Self.top)
    let body = grid(x, y) + labels() + series.enumerated().flatMap { curve($1, number: $0, x, y) }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" \
      role="img" aria-label="\(escaped(title))">
      <style>
      \(Self.style)
      </style>
      <rect class="ground" width="100%" height="100%"/>
      \(body.joined(separator: "\n"))
      </svg>

      """
  }

  /// Okabe and Ito's colours, which colour-blind people can tell apart.
  private static let style = """
    text { font: 13px system-ui, sans-serif; fill: #222 } .title { font-size: 16px; font-weight: 600 }
    .ground { fill: #fff } .grid { stroke: #ddd } .axis { stroke: #888 }
    .curve { fill: none; stroke-width: 2; stroke-linejoin: round } .dot { stroke: none }
    .c0 { stroke: #0072b2; fill: #0072b2 } .c1 { stroke: #d55e00; fill: #d55e00 } .c2 { stroke: #009e73; fill: #009e73 }
    .c3 { stroke: #cc79a7; fill: #cc79a7 } .c4 { stroke: #e69f00; fill: #e69f00 } .c5 { stroke: #56b4e9; fill: #56b4e9 }
    .curve.c0, .curve.c1, .curve.c2, .curve.c3, .curve.c4, .curve.c5 { fill: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #ddd } .ground { fill: #1a1a1a } .grid { stroke: #383838 }
      .c0 { stroke: #4ba3e3; fill: #4ba3e3 } .c1 { stroke: #f08a3c; fill: #f08a3c }
    }
    """

  private func grid(_ x: Axis, _ y: Axis) -> [String] {
    let right = Self.width - Self.right
    let bottom = Self.height - Self.bottom
    let frame = "M\(number(Self.left)) \(number(Self.top))V\(number(bottom))H\(number(right))"
    return y.ticks.map { value in
      let at = number(y.place(value))
      return #"<line class="grid" x1="\#(number(Self.left))" y1="\#(at)" x2="\#(number(right))" y2="\#(at)"/>"#
        + #"<text x="\#(number(Self.left - 8))" y="\#(at)" dy="4" text-anchor="end">\#(y.label(value))</text>"#
    }
      + x.ticks.map { value in
        let at = number(x.place(value))
        return #"<line class="axis" x1="\#(at)" y1="\#(number(bottom))" x2="\#(at)" y2="\#(number(bottom + 5))"/>"#
          + #"<text x="\#(at)" y="\#(number(bottom + 20))" text-anchor="middle">\#(x.label(value))</text>"#
      }
      + [
        #"<path class="axis" fill="none" d="\#(frame)"/>"#
      ]
  }

  private func labels() -> [String] {
    let middle = number((Self.left + Self.width - Self.right) / 2)
    let side = number((Self.top + Self.height - Self.bottom) / 2)
    return [
      #"<text class="title" x="\#(number(Self.left))" y="28">\#(escaped(title))</text>"#,
      #"<text x="\#(middle)" y="\#(number(Self.height - 14))" text-anchor="middle">\#(escaped(xLabel))</text>"#,
      #"<text transform="translate(18 \#(side)) rotate(-90)" text-anchor="middle">\#(escaped(yLabel))</text>"#,
    ]
  }

  private func curve(_ series: Series, number index: Int, _ x: Axis, _ y: Axis) -> [String] {
    let color = "c\(index % 6)"
    var path = ""
    var pen = "M"
    for point in series.points {
      guard point.x.isFinite, point.y.isFinite else {
        pen = "M"
        continue
      }
      path += "\(pen)\(number(x.place(point.x))) \(number(y.place(point.y)))"
      pen = "L"
    }
    let dots = series.points.filter { $0.x.isFinite && $0.y.isFinite }
    // A dot per point where they are few: a curve of one point would not be seen.
    let marks =
      dots.count > 50
      ? ""
      : dots.map {
        #"<circle class="dot \#(color)" cx="\#(number(x.place($0.x)))" cy="\#(number(y.place($0.y)))" r="2.5"/>"#
      }.joined()
    let key = Self.top + 10 + 22 * Double(index)
    let keyX = Self.width - Self.right + 15
    return [
      #"<path class="curve \#(color)" d="\#(path)"/>"# + marks,
      #"<path class="curve \#(color)" d="M\#(number(keyX)) \#(number(key))h18"/>"#
        + #"<text x="\#(number(keyX + 25))" y="\#(number(key))" dy="4">\#(escaped(series.name))</text>"#,
    ]
  }
}

/// Round numbers along an axis, and where each value lies.
private struct Axis {
  let low: Double
  let high: Double
  let step: Double
  let from: Double
  let to: Double

  init(_ values: [Double], from: Double, to: Double) {
    var low = values.min() ?? 0
    var high = values.max() ?? 1
    if low == high {
      let room = low == 0 ? 1 : abs(low) / 2
      (low, high) = (low - room, high + room)
    }
    // About five steps of 1, 2 or 5 times a power of ten.
    let rough = (high - low) / 5
    let power = pow(10, floor(log10(rough)))
    step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? 10 * power
    self.low = floor(low / step + 1e-9) * step
    self.high = ceil(high / step - 1e-9) * step
    self.from = from
    self.to = to
  }

  var ticks: [Double] { (0...Int(((high - low) / step).rounded())).map { low + Double($0) * step } }

  func place(_ value: Double) -> Double { from + (value - low) / (high - low) * (to - from) }

  /// As many decimals as the step has.
  func label(_ value: Double) -> String {
    abs(step) >= 1e6 || step < 1e-5
      ? String(format: "%g", value)
      : String(format: "%.\(max(0, Int(-floor(log10(step) + 1e-9))))f", abs(value) < step / 2 ? 0 : value)
  }
}
