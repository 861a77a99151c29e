import Bundle
import CCNNRT
import Caller
import Plan
import Run

@_cdecl("cnnrt_session_run") @implementation
public func cnnrt_session_run(_ handle: OpaquePointer?, _ error: UnsafeMutablePointer<cnnrt_error>?) -> cnnrt_status {
  guard let handle else { return attempt(error) { () throws(Failure) in _ = try require(handle, "session") } }
  run(session(handle))
  return CNNRT_OK
}

@_cdecl("cnnrt_session_layer_nanoseconds") @implementation
public func cnnrt_session_layer_nanoseconds(_ handle: OpaquePointer?, _ layer: UInt32) -> Int64 {
  guard let handle, let nanoseconds = session(handle).pointee.nanoseconds,
    Int(layer) < session(handle).pointee.network.pointee.model.operatorCount
  else { return -1 }
  return nanoseconds[Int(layer)]
}

@_cdecl("cnnrt_session_self_test") @implementation
public func cnnrt_session_self_test(_ handle: OpaquePointer?, _ error: UnsafeMutablePointer<cnnrt_error>?)
  -> cnnrt_status
{
  attempt(error) { () throws(Failure) in try selfTest(session(try require(handle, "session"))) }
}
