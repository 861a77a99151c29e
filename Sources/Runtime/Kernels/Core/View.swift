import CKernels
import CVector

extension cnn_view {
  @inline(__always) var blocks: Int { (Int(channels) &+ 15) >> 4 }
  /// Rows of all blocks of all images.
  @inline(__always) var rows: Int { Int(batch) &* blocks &* Int(height) }

  @inline(__always) func address(_ n: Int, _ block: Int, _ y: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(data) + (n &* Int(image) &+ block &* Int(self.block) &+ y &* Int(row))
  }

  /// Writes this share of the halo: `halo_value` bytes, or zeros.
  @inline(__always) func fillHalo(isFloat: Bool, _ share: Share) {
    if halo == 0 { return }
    withUnsafePointer(to: self) {
      cnn_fill_halo($0, isFloat ? 1 : 0, Int32(truncatingIfNeeded: share.part), Int32(truncatingIfNeeded: share.parts))
    }
  }
}

/// The rows of a share, as image, block and row of the tensor.
@inline(__always) func forEachRow(_ view: cnn_view, _ share: Share, _ body: (_ n: Int, _ block: Int, _ y: Int) -> Void)
{
  let height = Int(view.height), blocks = view.blocks
  for row in share.range(of: view.rows) {
    let plane = row / height
    body(plane / blocks, plane % blocks, row % height)
  }
}
