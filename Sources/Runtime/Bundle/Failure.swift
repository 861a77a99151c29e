import CCNNRT

/// What went wrong, without a String: becomes a `cnnrt_error` before the memory that `name` points into is freed.
public struct Failure: Error, @unchecked Sendable {
  public var status: cnnrt_status
  /// One or two sentences; each `%` stands for the next of `numbers`.
  public var message: StaticString
  public var numbers: (Int, Int, Int)
  /// What `name` is, or where it happened: "layer", "section GRAPH".
  public var place: StaticString = ""
  public var name: UnsafePointer<CChar>?
  /// Byte in the file.
  public var offset = UInt64.max
  public var systemError: Int32 = 0

  @inline(never)
  public init(_ status: cnnrt_status, _ message: StaticString, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0) {
    self.status = status
    self.message = message
    numbers = (a, b, c)
  }

  /// The bytes are not a valid bundle.
  @inline(never)
  static func format(_ message: StaticString, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0) -> Failure {
    Failure(CNNRT_ERROR_FORMAT, message, a, b, c)
  }

  @inline(never)
  public func at(_ place: StaticString, _ name: UnsafePointer<CChar>? = nil, offset: UInt64 = .max) -> Failure {
    var failure = self
    failure.place = place
    failure.name = name
    if offset != .max { failure.offset = offset }
    return failure
  }
}

/// Writes text into a fixed number of bytes; what does not fit is cut off. Always ends with a zero byte.
public struct TextWriter {
  private let out: UnsafeMutableRawBufferPointer
  private var count = 0

  public init(_ out: UnsafeMutableRawBufferPointer) {
    self.out = out
    if out.count > 0 { out[0] = 0 }
  }

  public mutating func put(_ byte: UInt8) {
    guard count + 1 < out.count else { return }
    out[count] = byte
    count += 1
    out[count] = 0
  }

  public mutating func put(cString text: UnsafePointer<CChar>?) {
    guard var p = text else { return }
    while p.pointee != 0 {
      put(UInt8(bitPattern: p.pointee))
      p += 1
    }
  }

  /// Each `%` in `text` becomes the next number.
  public mutating func put(_ text: StaticString, _ numbers: (Int, Int, Int) = (0, 0, 0)) {
    var rest = numbers
    for i in 0..<text.utf8CodeUnitCount {
      let byte = text.utf8Start[i]
      if byte == UInt8(ascii: "%") {
        put(rest.0)
        rest = (rest.1, rest.2, 0)
      } else {
        put(byte)
      }
    }
  }

  public mutating func put(_ number: Int) {
    if number < 0 { put(UInt8(ascii: "-")) }
    var divisor: UInt = 1
    while number.magnitude / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number.magnitude / divisor % 10))
      divisor /= 10
    }
  }
}
