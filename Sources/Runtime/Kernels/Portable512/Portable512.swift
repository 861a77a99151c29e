import CKernels

// The register tiles of AVX-512 with CV_PORTABLE: for tests only, so that they run on any processor.

typealias FloatTiles = Tiles<14, 7, 2>
typealias ByteTiles = Tiles<14, 7, 2>
typealias DepthwiseTilePixels = DepthwisePixels<4>
/// Fewer than the registers allow: the linker would share the function that fills an array of fourteen, which is not inlined.
typealias MatMulRows = RegisterTile<7, 1>

@_cdecl("cnn_kernels_portable512")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee.setAll()
}
