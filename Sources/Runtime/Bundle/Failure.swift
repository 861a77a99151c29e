import CCNNRT

/// What went wrong, without a String: becomes a `cnnrt_error` before the memory that `name` points into is freed.
///
/// Texts are literals' pointers, and each way to make a failure is a function of its own that is not inlined: there are a hundred
/// places that throw one, and they are to be small.
public struct Failure: Error, @unchecked Sendable {
  public var status: cnnrt_status
  public var systemError: Int32 = 0
  /// One or two sentences; each `%` stands for the next of `numbers`.
  public var message: UnsafePointer<CChar>
  public var numbers: (Int, Int, Int)
  /// What `name` is, or where it happened: "layer", "section GRAPH".
  public var place: UnsafePointer<CChar>
  public var name: UnsafePointer<CChar>?
  /// Byte in the file.
  public var offset = UInt64.max

  @inline(never)
  private init(_ status: cnnrt_status, _ message: UnsafePointer<CChar>, _ numbers: (Int, Int, Int)) {
    self.status = status
    self.message = message
    self.numbers = numbers
    place = cString("")
  }

  @inline(__always)
  public init(_ status: cnnrt_status, _ message: StaticString) { self.init(status, cString(message), (0, 0, 0)) }
  @inline(__always)
  public init(_ status: cnnrt_status, _ message: StaticString, _ a: Int) {
    self.init(status, cString(message), (a, 0, 0))
  }
  @inline(__always)
  public init(_ status: cnnrt_status, _ message: StaticString, _ a: Int, _ b: Int) {
    self.init(status, cString(message), (a, b, 0))
  }
  @inline(__always)
  public init(_ status: cnnrt_status, _ message: StaticString, _ a: Int, _ b: Int, _ c: Int) {
    self.init(status, cString(message), (a, b, c))
  }

  /// The bytes are not a valid bundle.
  @inline(__always)
  static func format(_ message: StaticString) -> Failure { plainFormat(cString(message)) }
  @inline(__always)
  static func format(_ message: StaticString, _ a: Int) -> Failure { format(cString(message), a, 0, 0) }
  @inline(__always)
  static func format(_ message: StaticString, _ a: Int, _ b: Int) -> Failure { format(cString(message), a, b, 0) }
  @inline(__always)
  static func format(_ message: StaticString, _ a: Int, _ b: Int, _ c: Int) -> Failure {
    format(cString(message), a, b, c)
  }
  @inline(never)
  private static func plainFormat(_ message: UnsafePointer<CChar>) -> Failure { format(message, 0, 0, 0) }
  @inline(never)
  private static func format(_ message: UnsafePointer<CChar>, _ a: Int, _ b: Int, _ c: Int) -> Failure {
    Failure(CNNRT_ERROR_FORMAT, message, (a, b, c))
  }

  @inline(__always)
  public func at(_ place: StaticString, _ name: UnsafePointer<CChar>? = nil, offset: UInt64 = .max) -> Failure {
    at(cString(place), name, offset)
  }
  @inline(never)
  private func at(_ place: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>?, _ offset: UInt64) -> Failure {
    var failure = self
    failure.place = place
    failure.name = name
    if offset != .max { failure.offset = offset }
    return failure
  }
}

/// A literal is followed by a zero byte.
@inline(__always)
public func cString(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
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

  /// Each `%` in `text` becomes the next number.
  public mutating func put(_ text: UnsafePointer<CChar>, _ numbers: (Int, Int, Int) = (0, 0, 0)) {
    var rest = numbers
    var p = text
    while p.pointee != 0 {
      if UInt8(bitPattern: p.pointee) == UInt8(ascii: "%") {
        put(rest.0)
        rest = (rest.1, rest.2, 0)
      } else {
        put(UInt8(bitPattern: p.pointee))
      }
      p += 1
    }
  }

  /// As it is.
  public mutating func put(name: UnsafePointer<CChar>) {
    var p = name
    while p.pointee != 0 {
      put(UInt8(bitPattern: p.pointee))
      p += 1
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
