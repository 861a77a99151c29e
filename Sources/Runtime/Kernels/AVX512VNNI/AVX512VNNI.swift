import CKernels
import CTrainingKernels

typealias FloatTiles = Tiles<14, 7, 2>
typealias ByteTiles = Tiles<14, 7, 2>

@_cdecl("cnn_kernels_avx512vnni")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  cnn_kernels_avx512(out)
  out.pointee.setByteConvolutions()
}

@_cdecl("cnn_training_kernels_avx512vnni")
public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) {
  cnn_training_kernels_avx512(out)
}
