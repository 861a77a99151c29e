import CKernels
import CTrainingKernels

typealias FloatTiles = Tiles<2, 1, 1>
typealias ByteTiles = Tiles<2, 1, 1>

@_cdecl("cnn_kernels_baseline")
public func fill(_ out: UnsafeMutablePointer<cnn_kernels>) {
  out.pointee.setAll()
}

@_cdecl("cnn_training_kernels_baseline")
public func fillTraining(_ out: UnsafeMutablePointer<cnn_training_kernels>) { fillTrainingTable(out) }
