import CKernels
import CVector

/// A share is a range of images and channels. The zeros behind the last element belong to the share of an image's last channel.
func flattened(_ a: UnsafePointer<cnn_flatten>, _ share: Share) {
  let x = a.pointee.x, y = a.pointee.y, bytes = Int(a.pointee.element_bytes)
  let channels = Int(x.channels), height = Int(x.height), width = Int(x.width), step = Int(x.pixel)
  for plane in share.range(of: Int(x.batch) &* channels) {
    let n = plane / channels, c = plane % channels
    var to = y.address(n, 0, 0) + c &* height &* width &* bytes
    for row in 0..<height {
      var from = UnsafeRawPointer(x.address(n, c >> 4, row)) + (c & 15) &* bytes
      for _ in 0..<width {
        if bytes == 4 { to.put(from.int()) } else { to.put(from.byte()) }
        to += bytes
        from += step
      }
    }
    if c == channels &- 1 && y.block != 0 { cv_fill(to, 0, (y.blocks &* 16 &- Int(y.channels)) &* bytes) }
  }
}
