import Bundle
import CCNNRT

@_cdecl("cnnrt_version") @implementation
public func cnnrt_version() -> UInt32 {
  UInt32(CNNRT_VERSION_MAJOR) * 10000 + UInt32(CNNRT_VERSION_MINOR) * 100 + UInt32(CNNRT_VERSION_PATCH)
}

@_cdecl("cnnrt_version_string") @implementation
public func cnnrt_version_string() -> UnsafePointer<CChar>! { cString("1.0.0") }
