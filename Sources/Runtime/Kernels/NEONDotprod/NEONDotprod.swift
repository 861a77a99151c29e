import CKernels
import CTrainingKernels

typealias FloatTiles = Tiles<6, 3, 1>
typealias ByteTiles = Tiles<6, 3, 1>

@_cdecl("cnn_kernels_neon_dotprod")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  cnn_kernels_neon(out)
  out.pointee.setByteConvolutions()
}

@_cdecl("cnn_training_kernels_neon_dotprod")
public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) {
  cnn_training_kernels_neon(out)
}
