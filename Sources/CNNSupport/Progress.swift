import Foundation

/// How far a long job is, on standard error: a bar that redraws itself on a terminal, elsewhere a plain line now and
/// then. The tools' results go to standard output, so a pipe stays clean.
///
///     epoch 3/10 ████████████▌        62 %  15900 images/s  loss 0.3120  accuracy 88.52 %  0:12 left
public final class Progress {
  private let title: String
  private let total: Int
  private let unit: String
  private let isTerminal: Bool
  private let write: (String) -> Void
  private let now: () -> Double
  private let start: Double
  private var drawn: Double

  /// Seconds between two redrawings of the bar, and between two plain lines.
  private var interval: Double { isTerminal ? 0.1 : 10 }

  /// A job of `total` units ("images"). The last arguments are for tests.
  public init(
    _ title: String, total: Int, unit: String = "images", isTerminal: Bool = isatty(STDERR_FILENO) == 1,
    write: @escaping (String) -> Void = { FileHandle.standardError.write(Data($0.utf8)) },
    now: @escaping () -> Double = { Progress.monotonicSeconds() }
  ) {
    self.title = title
    self.total = total
    self.unit = unit
    self.isTerminal = isTerminal
    self.write = write
    self.now = now
    start = now()
    drawn = start
  }

  /// Tells that `done` units are done. `figures` are what the job knows by now: [("loss", "0.3120")]; they are only
  /// made when something is drawn.
  public func update(_ done: Int, _ figures: @autoclosure () -> [(name: String, value: String)] = []) {
    let time = now()
    guard time - drawn >= interval else { return }
    drawn = time
    let line = line(done, figures(), at: time)
    write(isTerminal ? "\r" + line + "\u{1B}[K" : line + "\n")
  }

  /// Ends the bar, and leaves a line that says how long the whole took.
  public func finish(_ figures: [(name: String, value: String)] = []) {
    let time = now()
    let parts = [title, speed(total, time)] + figures.map { "\($0.name) \($0.value)" } + [Self.clock(time - start)]
    write((isTerminal ? "\r" : "") + parts.joined(separator: "  ") + (isTerminal ? "\u{1B}[K\n" : "\n"))
  }

  private func line(_ done: Int, _ figures: [(name: String, value: String)], at time: Double) -> String {
    let share = total > 0 ? min(max(Double(done) / Double(total), 0), 1) : 1
    let bar = isTerminal ? " " + Self.bar(share, width: 20) : ""
    let left = share > 0 ? (time - start) * (1 - share) / share : .infinity
    let percent = String(Int(share * 100))
    let parts =
      [title + bar + String(repeating: " ", count: 4 - percent.count) + percent + " %", speed(done, time)]
      + figures.map { "\($0.name) \($0.value)" } + [Self.clock(left) + " left"]
    return parts.joined(separator: "  ")
  }

  private func speed(_ done: Int, _ time: Double) -> String {
    let rate = time > start ? Double(done) / (time - start) : 0
    return (rate < 10 ? String(format: "%.1f", rate) : String(format: "%.0f", rate)) + " \(unit)/s"
  }

  /// Eighths of a character make the bar smooth.
  private static func bar(_ share: Double, width: Int) -> String {
    let eighths = Int(share * Double(width * 8))
    let full = String(repeating: "█", count: eighths / 8)
    let part = eighths % 8 == 0 ? "" : String(["▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8 - 1])
    return full + part + String(repeating: " ", count: width - full.count - part.count)
  }

  /// "0:07", "12:34", "3:04:05"; "–:––" for a time that is not known yet.
  public static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "–:––" }
    let seconds = Int(seconds.rounded())
    return seconds < 3600
      ? String(format: "%d:%02d", seconds / 60, seconds % 60)
      : String(format: "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
  }

  /// Seconds that no change of the clock disturbs.
  public static func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
