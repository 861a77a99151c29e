import Bundle
import CCNNRT

@_cdecl("cnnrt_status_string") @implementation
public func cnnrt_status_string(_ status: cnnrt_status) -> UnsafePointer<CChar>! {
  let text: StaticString =
    switch status {
    case CNNRT_OK: "success"
    case CNNRT_ERROR_INVALID_ARGUMENT: "invalid argument"
    case CNNRT_ERROR_IO: "the file cannot be read"
    case CNNRT_ERROR_FORMAT: "not a valid bundle"
    case CNNRT_ERROR_UNSUPPORTED: "not supported by this library or processor"
    case CNNRT_ERROR_OUT_OF_MEMORY: "out of memory"
    case CNNRT_ERROR_LIMIT: "over a limit"
    case CNNRT_ERROR_STATE: "calls in the wrong order"
    case CNNRT_ERROR_SELF_TEST: "the self-test failed"
    case CNNRT_ERROR_THREAD: "a thread cannot be started"
    default: "unknown status"
    }
  return cString(text)
}
