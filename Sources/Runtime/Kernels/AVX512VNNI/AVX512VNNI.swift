import CKernels

typealias FloatTiles = Tiles<14, 7, 2>
typealias ByteTiles = Tiles<14, 7, 2>
typealias DepthwiseTilePixels = DepthwisePixels<4>
typealias MatMulRows = RegisterTile<14, 1>

@_cdecl("cnn_kernels_avx512vnni")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  cnn_kernels_avx512(out)
  out.pointee.setByteConvolutions()
  out.pointee.setByteDepthwise()
}
