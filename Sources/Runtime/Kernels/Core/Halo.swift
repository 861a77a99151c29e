import CKernels
import CVector

/// This share of a tensor's halo: the body of `cnn_fill_halo`, which only one module defines; wider vectors would gain nothing.
@inline(__always)
func fillHalo(_ view: UnsafePointer<cnn_view>, isFloat: Bool, _ share: Share) {
  let v = view.pointee, pixel = Int(v.pixel), side = Int(v.halo) &* pixel, row = Int(v.row)
  let value = isFloat ? 0 : v.halo_value
  let planes = v.block == 0 ? 1 : v.blocks, whole = Int(v.width) &* pixel &+ 2 &* side
  for plane in share.range(of: Int(v.batch) &* planes) {
    let start = v.address(plane / planes, plane % planes, 0) - side
    for y in (0 &- Int(v.halo))..<(Int(v.height) &+ Int(v.halo)) {
      let isOutside = y < 0 || y >= Int(v.height), to = start + y &* row
      cv_fill(to, value, isOutside ? whole : side)
      if !isOutside { cv_fill(to + (whole &- side), value, side) }
    }
  }
}
