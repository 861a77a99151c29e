/// Why data cannot be used: what happened, where, and what to do about it.
public struct DataError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
