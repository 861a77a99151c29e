import Bundle
import CCNNRT
import CPlatform
import Plan

/// Runs `body`; a failure becomes a status and, where the caller wants it, a description.
public func attempt(_ out: UnsafeMutablePointer<cnnrt_error>?, _ body: () throws(Failure) -> Void) -> cnnrt_status {
  do throws(Failure) {
    try body()
    return CNNRT_OK
  } catch {
    describe(error, in: out)
    return error.status
  }
}

private func describe(_ failure: Failure, in out: UnsafeMutablePointer<cnnrt_error>?) {
  guard let out else { return }
  var e = cnnrt_error()
  e.status = failure.status
  e.system_error = failure.systemError
  e.offset = failure.offset
  withUnsafeMutableBytes(of: &e.where) {
    var text = TextWriter($0)
    text.put(failure.place)
    guard let name = failure.name, name.pointee != 0 else { return }
    if failure.place.pointee != 0 { text.put(UInt8(ascii: " ")) }
    text.put(name: name)
  }
  withUnsafeMutableBytes(of: &e.message) {
    var text = TextWriter($0)
    text.put(failure.message, failure.numbers)
    guard failure.status == CNNRT_ERROR_FORMAT else { return }
    text.put(cString(". The bundle is damaged or wrongly made: get it again or export it anew."))
  }
  writeStruct(e, to: out)
}

@inline(__always)
public func invalid(_ argument: StaticString, _ message: StaticString, _ a: Int = 0, _ b: Int = 0) -> Failure {
  invalid(cString(argument), cString(message), a, b)
}
@inline(never)
private func invalid(_ argument: UnsafePointer<CChar>, _ message: UnsafePointer<CChar>, _ a: Int, _ b: Int) -> Failure {
  var failure = Failure(CNNRT_ERROR_INVALID_ARGUMENT, "", a, b)
  failure.place = argument
  failure.message = message
  return failure
}

public func require<T>(_ pointer: T?, _ argument: StaticString) throws(Failure) -> T {
  guard let pointer else { throw invalid(argument, "it is NULL. Pass a valid pointer.") }
  return pointer
}

/// A struct that begins with its size, from a caller whose header may be older (the fields it lacks are 0) or newer (the fields
/// that we lack must be 0).
public func readStruct<T: BitwiseCopyable>(_ pointer: UnsafePointer<T>, into value: inout T, _ argument: StaticString)
  throws(Failure)
{
  let size = UnsafeRawPointer(pointer).load(as: Int.self)
  let known = MemoryLayout<T>.size
  guard size >= MemoryLayout<Int>.size else {
    throw invalid(argument, "its size is %. Set it to sizeof the struct.", size)
  }
  memcpy(&value, pointer, min(size, known))
  guard size > known else { return }
  for i in known..<min(size, known + 4096) where UnsafeRawPointer(pointer).load(fromByteOffset: i, as: UInt8.self) != 0
  {
    throw Failure(CNNRT_ERROR_UNSUPPORTED, "it sets a field that this library does not know. Use a newer library.")
      .at(argument)
  }
}

/// Fills a caller's struct no further than the size it states, which stays. False where even the size does not fit.
@discardableResult
public func writeStruct<T: BitwiseCopyable>(_ value: T, to pointer: UnsafeMutablePointer<T>?) -> Bool {
  guard let pointer else { return false }
  let raw = UnsafeMutableRawPointer(pointer)
  let (size, head) = (raw.load(as: Int.self), MemoryLayout<Int>.size)
  guard size >= head else { return false }
  withUnsafeBytes(of: value) {
    (raw + head).copyMemory(from: $0.baseAddress! + head, byteCount: min(size, MemoryLayout<T>.size) - head)
  }
  return true
}

/// A `cnnrt_model` is a `Network`.
public func network(_ model: OpaquePointer) -> UnsafeMutablePointer<Network> { UnsafeMutablePointer(model) }
