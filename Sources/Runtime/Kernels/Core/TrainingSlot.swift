import CTrainingKernels
import CVector

let blockBytes = 64

extension cnn_slot {
  /// Pixel (0, 0) of a block of an image.
  @inline(__always) func at(image: Int, share: Int, block: Int = 0) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(view.data)!
      + (image &* Int(view.image) &+ share &* Int(self.share) &+ block &* Int(view.block))
  }
  @inline(__always) var blocks: Int { (Int(view.channels) &+ 15) >> 4 }
  @inline(__always) var height: Int { Int(view.height) }
  @inline(__always) var width: Int { Int(view.width) }
  @inline(__always) var row: Int { Int(view.row) }
}
