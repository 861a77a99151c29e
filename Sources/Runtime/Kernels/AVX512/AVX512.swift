import CKernels
import CTrainingKernels

typealias FloatTiles = Tiles<14, 7, 2>
typealias ByteTiles = Tiles<10, 5, 2>
typealias DepthwiseTilePixels = DepthwisePixels<4>
/// Fewer than the registers allow: the linker would share the function that fills an array of fourteen, which is not inlined.
typealias MatMulRows = RegisterTile<7, 1>

@_cdecl("cnn_kernels_avx512")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  cnn_kernels_avx2(out)
  out.pointee.setFloatConvolution()
  out.pointee.setByteConvolutions()
}

@_cdecl("cnn_training_kernels_avx512")
public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) {
  cnn_training_kernels_avx2(out)
  out.pointee.conv_gradient = convGradient
}
