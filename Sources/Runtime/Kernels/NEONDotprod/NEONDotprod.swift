import CKernels

@_cdecl("cnn_kernels_neon_dotprod")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee.input_offset = core()
}
