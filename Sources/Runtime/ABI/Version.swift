import CCNNRT
import CKernels

@_cdecl("cnnrt_version") @implementation
public func cnnrt_version() -> UInt32 {
  UInt32(CNNRT_VERSION_MAJOR) * 10000 + UInt32(CNNRT_VERSION_MINOR) * 100 + UInt32(CNNRT_VERSION_PATCH)
    + (cnn_has_reference() != 0 ? 1 : 0)
}
