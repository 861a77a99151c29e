import CCNNRT

/// Where a session itself keeps an input or output: written and read in place, without a copy. It keeps the session, so
/// the memory is there as long as this value is; like the session it belongs to one thread at a time.
///
///     let input = try session.mapInput(as: UInt8.self)
///     input.withMutableSpan { pixels in
///       for y in 0..<28 { for x in 0..<28 { pixels[input.offset(0, 0, y, x)] = frame[y, x] } }
///     }
///
/// The layout is the session's, with gaps where it needs them: write at the offsets of `shape` only, since the values in
/// the gaps matter to the network. What an input holds is kept from run to run.
public struct MappedTensor<Element: TensorElement> {
  /// Batch first.
  public let shape: [Int]
  /// Elements from one index to the next, for each axis of `shape`.
  public let strides: [Int]
  private let start: UnsafeMutablePointer<Element>
  /// Elements from the first to the last, gaps included.
  private let extent: Int
  private let session: Session

  init(_ array: cnnrt_array, _ session: Session) {
    shape = dimensions(array.shape, rank: array.rank)
    strides = dimensions(array.strides, rank: array.rank).map { $0 / MemoryLayout<Element>.stride }
    start = array.data.assumingMemoryBound(to: Element.self)
    extent = zip(shape, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
    self.session = session
  }

  /// Where an element lies in the span; one index for each axis. For loops that matter, use `strides`.
  public func offset(_ indices: Int...) -> Int {
    precondition(indices.count == shape.count, "a tensor of \(shape.count) axes needs as many indices")
    return zip(indices, strides).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// True if there are no gaps and the order is that of `shape`: then the span is the tensor, row-major.
  public var isContiguous: Bool {
    var step = 1
    for axis in shape.indices.reversed() where shape[axis] > 1 {
      guard strides[axis] == step else { return false }
      step *= shape[axis]
    }
    return true
  }

  /// The values, row-major and without the gaps: a copy.
  public func values() -> [Element] {
    var values: [Element] = []
    values.reserveCapacity(shape.reduce(1, *))
    func append(_ axis: Int, _ place: Int) {
      if axis == shape.count { return values.append(start[place]) }
      for index in 0..<shape[axis] { append(axis + 1, place + index * strides[axis]) }
    }
    withExtendedLifetime(session) { append(0, 0) }
    return values
  }

  /// Reads it. The span begins with the first element and ends with the last, gaps included.
  public func withSpan<Result, Failure: Error>(
    _ body: (Span<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(session) {} }
    return try body(UnsafeBufferPointer(start: start, count: extent).span)
  }

  /// Writes it. The span begins with the first element and ends with the last, gaps included.
  public func withMutableSpan<Result, Failure: Error>(
    _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(session) {} }
    var span = UnsafeMutableBufferPointer(start: start, count: extent).mutableSpan
    return try body(&span)
  }

  /// The memory itself, for C functions. The pointer must not be used after `body`.
  public func withUnsafeMutableBufferPointer<Result, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(session) {} }
    return try body(UnsafeMutableBufferPointer(start: start, count: extent))
  }
}
