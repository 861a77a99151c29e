import CKernels

typealias FloatTiles = Tiles<6, 3, 1>
typealias ByteTiles = Tiles<6, 3, 1>
typealias DepthwiseTilePixels = DepthwisePixels<4>
typealias MatMulRows = RegisterTile<6, 1>

@_cdecl("cnn_kernels_neon_dotprod")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  cnn_kernels_neon(out)
  out.pointee.setByteConvolutions()
  out.pointee.setByteDepthwise()
}
