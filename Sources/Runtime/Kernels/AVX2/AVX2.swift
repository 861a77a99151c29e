import CKernels

typealias FloatTiles = Tiles<6, 3, 1>
typealias ByteTiles = Tiles<4, 2, 1>

@_cdecl("cnn_kernels_avx2")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) { fillTable(out) }
