import CKernels

typealias FloatTiles = Tiles<2, 1, 1>
typealias ByteTiles = Tiles<2, 1, 1>

@_cdecl("cnn_kernels_baseline")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) { fillTable(out) }
