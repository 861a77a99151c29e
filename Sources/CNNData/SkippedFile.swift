/// A file that could not be used.
public struct SkippedFile: Equatable, Sendable {
  public let path: String
  /// "is a damaged PNG: IDAT: CRC error"
  public let reason: String
}

extension [SkippedFile] {
  /// A line each with path and reason, at most `most` of them, and how many more there are.
  public func list(most: Int = 10) -> String {
    let lines = prefix(most).map { "  \($0.path): \($0.reason)" }
    return (lines + (count > most ? ["  and \(count - most) more"] : [])).joined(separator: "\n")
  }
}
