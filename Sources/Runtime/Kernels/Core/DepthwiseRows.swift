import CKernels
import CVector

/// The body of `cnn_depthwise`, which only one module defines. A share is a range of rows. Tiles of a row lie side by side, but the last one ends with
/// the row, over the one before it; sums are collected in a batch over several rows.
@inline(__always)
func depthwiseRows(
  _ a: UnsafePointer<cnn_conv>, _ share: Share, _ sum: cnn_depthwise_sum, _ finish: cnn_depthwise_finish,
  pixels size: Int,
  isFloat: Bool
) {
  let view = a.pointee.y, width = Int(view.width), height = Int(view.height), blocks = view.blocks, x = a.pointee.x
  let left = Int(a.pointee.pad_left) &* Int(x.pixel), step = Int(a.pointee.stride_x) &* Int(x.pixel)
  var window = cnn_depthwise_window(
    bias: nil, weights: nil, height: Int64(a.pointee.kernel_height), width: Int64(a.pointee.kernel_width),
    row: Int64(a.pointee.dilation_y) &* x.row, tap: Int64(a.pointee.dilation_x) &* Int64(x.pixel), step: Int64(step))
  var storage = Batch()
  withUnsafeMutablePointer(to: &storage) { batch in
    let sums = UnsafeMutableRawPointer(batch).assumingMemoryBound(to: UInt8.self)
    var filled = 0, plane = -1, block = 0, image = 0
    func flush() {
      finish(a, sums, Int64(block), Int64(filled))
      filled = 0
    }
    for unit in share.range(of: view.rows) {
      let row = unit % height
      if unit / height != plane {
        flush()
        plane = unit / height
        block = plane % blocks
        image = plane / blocks
        window.bias = (a.pointee.bias! + block &* 64).assumingMemoryBound(to: UInt8.self)
        window.weights = a.pointee.weights! + block &* Int(a.pointee.weight_block)
      }
      let top = row &* Int(a.pointee.stride_y) &- Int(a.pointee.pad_top)
      let from = x.data! + (image &* Int(x.image) &+ block &* Int(x.block) &+ top &* Int(x.row) &- left)
      let to = image &* Int(view.image) &+ row &* Int(view.row)
      var column = 0
      while column < width {
        let first = min(column, width &- size)
        let tiles = max(1, min((width &- first) / size, (Batch.capacity &- filled) / size)), count = tiles &* size
        sum(a, &window, from + first &* step, sums + filled &* 64, Int64(tiles))
        for i in 0..<count {
          batch.pointee.outputs[unchecked: filled &+ i] = to &+ (first &+ i) &* Int(view.pixel)
        }
        filled &+= count
        column = first &+ count
        if filled &+ size > Batch.capacity { flush() }
      }
    }
    flush()
  }
  view.fillHalo(isFloat: isFloat, share)
}
