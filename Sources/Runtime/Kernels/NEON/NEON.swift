import CKernels
import CTrainingKernels

typealias FloatTiles = Tiles<6, 3, 1>
typealias ByteTiles = Tiles<4, 2, 1>

@_cdecl("cnn_kernels_neon")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee.setAll()
}

@_cdecl("cnn_training_kernels_neon")
public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) { fillTrainingTable(out) }
