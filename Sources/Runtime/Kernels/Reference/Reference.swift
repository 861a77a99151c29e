import CKernels

@_cdecl("cnn_kernels_reference")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee.input_offset = 0
}
