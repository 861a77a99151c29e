import CKernels
import CTrainingKernels

typealias FloatTiles = Tiles<6, 3, 1>
typealias ByteTiles = Tiles<4, 2, 1>
typealias DepthwiseTilePixels = DepthwisePixels<4>
typealias MatMulRows = RegisterTile<6, 1>

@_cdecl("cnn_kernels_avx2")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  cnn_kernels_baseline(out)
  out.pointee.setFloatConvolution()
  out.pointee.setByteConvolutions()
  out.pointee.setByteDepthwise()
  out.pointee.setArithmetic()
}

@_cdecl("cnn_training_kernels_avx2")
public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) { fillTrainingTable(out) }
