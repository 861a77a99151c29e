import Bundle
import CCNNRT
import Caller
import CPlatform
import Plan
import Run

@_cdecl("cnnrt_session_get_output") @implementation
public func cnnrt_session_get_output(
  _ handle: OpaquePointer?, _ index: UInt32, _ array: UnsafePointer<cnnrt_array>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let s = session(try require(handle, "session"))
    let tensor = try networkOutput(s, index)
    try requireRun(s)
    let a = try read(array, s, tensor)
    exportPlain(s, tensor, a.data, a.strides, isFloat: a.isFloat)
  }
}

@_cdecl("cnnrt_session_top_k") @implementation
public func cnnrt_session_top_k(
  _ handle: OpaquePointer?, _ output: UInt32, _ k: UInt32, _ classes: UnsafeMutablePointer<cnnrt_class>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  cnnrt_session_top_k_at(handle, output, 0, k, classes, error)
}

@_cdecl("cnnrt_session_top_k_at") @implementation
public func cnnrt_session_top_k_at(
  _ handle: OpaquePointer?, _ output: UInt32, _ batch_index: Int32, _ k: UInt32,
  _ classes: UnsafeMutablePointer<cnnrt_class>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let s = session(try require(handle, "session"))
    let tensor = try networkOutput(s, output)
    let image = try imageIndex(s, batch_index)
    let classes = try require(classes, "classes")
    try requireRun(s)
    let reader = ElementReader(s, tensor)
    let environment = cp_float_begin()
    defer { cp_float_end(environment) }
    var found = 0
    for i in 0..<reader.count {
      let value = reader.value(image, i)
      // Best first, the earlier of equals first; a NaN is less than anything.
      var place = found
      while place > 0, value > classes[place - 1].score || classes[place - 1].score.isNaN && !value.isNaN { place -= 1 }
      guard place < Int(k) else { continue }
      found = min(found + 1, Int(k))
      for j in stride(from: found - 1, to: place, by: -1) { classes[j] = classes[j - 1] }
      classes[place] = cnnrt_class(index: UInt32(i), score: value)
    }
    for j in found..<max(found, Int(k)) { classes[j] = cnnrt_class(index: UInt32.max, score: 0) }
  }
}

private func requireRun(_ s: UnsafeMutablePointer<Session>) throws(Failure) {
  guard s.pointee.hasRun else {
    throw Failure(CNNRT_ERROR_STATE, "there is no output yet. Call cnnrt_session_run first.")
  }
}
