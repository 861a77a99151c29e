import CKernels
import CVector

/// The halo of any kernel's result. Only the module that has every kernel defines it; wider vectors would gain nothing.
@_cdecl("cnn_fill_halo") @implementation
public func cnn_fill_halo(_ view: UnsafePointer<cnn_view>!, _ is_float: Int32, _ part: Int32, _ parts: Int32) {
  let v = view.pointee, pixel = Int(v.pixel), side = Int(v.halo) &* pixel, row = Int(v.row)
  let planes = v.block == 0 ? 1 : v.blocks, whole = Int(v.width) &* pixel &+ 2 &* side
  for plane in Share(part, parts).range(of: Int(v.batch) &* planes) {
    let start = v.address(plane / planes, plane % planes, 0) - side
    for y in (0 &- Int(v.halo))..<(Int(v.height) &+ Int(v.halo)) {
      let isOutside = y < 0 || y >= Int(v.height), to = start + y &* row
      cv_fill(to, is_float != 0 ? 0 : v.halo_value, isOutside ? whole : side)
      if !isOutside { cv_fill(to + (whole &- side), is_float != 0 ? 0 : v.halo_value, side) }
    }
  }
}
