import CKernels
import CVector

extension cnn_view {
  @inline(__always) var blocks: Int { (Int(channels) &+ 15) >> 4 }
  /// Rows of all blocks of all images.
  @inline(__always) var rows: Int { Int(batch) &* blocks &* Int(height) }

  @inline(__always) func address(_ n: Int, _ block: Int, _ y: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(data) + (n &* Int(image) &+ block &* Int(self.block) &+ y &* Int(row))
  }

  /// Writes this share of the halo: `halo_value` bytes, or zeros (bit patterns of float 0).
  @inline(never) func fillHalo(isFloat: Bool, _ share: Share) {
    let halo = Int(halo), pixel = Int(pixel), side = halo &* pixel, row = Int(row)
    let value = isFloat ? 0 : halo_value
    if halo == 0 { return }
    let planes = block == 0 ? 1 : blocks, whole = Int(width) &* pixel &+ 2 &* side
    for plane in share.range(of: Int(batch) &* planes) {
      let start = address(plane / planes, plane % planes, 0) - side
      for y in 1...halo {
        cv_fill(start - y &* row, value, whole)
        cv_fill(start + (Int(height) &+ y &- 1) &* row, value, whole)
      }
      for y in 0..<Int(height) {
        cv_fill(start + y &* row, value, side)
        cv_fill(start + (y &* row &+ whole &- side), value, side)
      }
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
