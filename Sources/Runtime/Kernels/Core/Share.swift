/// One of several equal shares of a kernel's work.
struct Share {
  let part: Int, parts: Int

  @inline(__always) init(_ part: Int32, _ parts: Int32) {
    self.part = Int(part)
    self.parts = Int(parts)
  }
  /// This share of `count` units, in one piece.
  @inline(__always) func range(of count: Int) -> Range<Int> {
    Range(uncheckedBounds: (count &* part / parts, count &* (part &+ 1) / parts))
  }
}
