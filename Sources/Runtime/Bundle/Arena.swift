/// Hands out parts of one block of memory, each aligned to 64 bytes. Without a block it only counts: the same code says
/// how much it needs and then takes it, so that the two cannot differ.
public struct Arena {
  public let base: UnsafeMutableRawPointer?
  /// Bytes taken; `Int.max` once they do not fit an Int.
  public private(set) var used = 0

  public init(_ base: UnsafeMutableRawPointer?) { self.base = base }

  @inline(never)
  public mutating func take(_ bytes: Int) -> UnsafeMutableRawPointer? {
    let start = used
    let (sum, overflow) = start.addingReportingOverflow(bytes)
    guard bytes >= 0, !overflow, sum <= Int.max - 64 else {
      used = Int.max
      return nil
    }
    used = (sum + 63) & ~63
    return base.map { $0 + start }
  }

  public mutating func take<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T>? {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    return take(overflow ? -1 : bytes)?.assumingMemoryBound(to: T.self)
  }
}
