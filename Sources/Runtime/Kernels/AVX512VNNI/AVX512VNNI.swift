import CKernels

@_cdecl("cnn_kernels_avx512vnni")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee.input_offset = core()
}
