import CKernels
import CVector

func addF32(_ a: UnsafePointer<cnn_add>, _ share: Share) {
  let low = all(a.pointee.low), high = all(a.pointee.high), view = a.pointee.y
  forEachRow(view, share) { n, block, row in
    let left = UnsafeRawPointer(a.pointee.a.address(n, block, row))
    let right = UnsafeRawPointer(a.pointee.b.address(n, block, row))
    let y = view.address(n, block, row)
    for x in 0..<Int(view.width) {
      y.put(cv_clamp(left.floats(x &* 64) + right.floats(x &* 64), low, high), x &* 64)
    }
  }
  view.fillHalo(isFloat: true, share)
}

func addU8(_ a: UnsafePointer<cnn_add>, _ share: Share) {
  let args = a.pointee, view = args.y
  let quantize = Quantizer(args.low, args.high, args.offset), offset = all(args.offset)
  let leftScale = all(args.scale_a), rightScale = all(args.scale_b), shift = all(args.shift)
  forEachRow(view, share) { n, block, row in
    let left = UnsafeRawPointer(a.pointee.a.address(n, block, row))
    let right = UnsafeRawPointer(a.pointee.b.address(n, block, row))
    let y = view.address(n, block, row)
    for x in 0..<Int(view.width) {
      let r = cv_fused(cv_to_float(cv_widen(right.bytes(x &* 16)) &- offset), rightScale, shift)
      y.put(quantize(cv_fused(cv_to_float(cv_widen(left.bytes(x &* 16)) &- offset), leftScale, r)), x &* 16)
    }
  }
  view.fillHalo(isFloat: false, share)
}

func affineF32(_ a: UnsafePointer<cnn_affine>, _ share: Share) {
  let low = all(a.pointee.low), high = all(a.pointee.high), view = a.pointee.y
  forEachRow(view, share) { n, block, row in
    let from = UnsafeRawPointer(a.pointee.x.address(n, block, row)), to = view.address(n, block, row)
    if let scales = a.pointee.scale, let shifts = a.pointee.shift {
      let scale = UnsafeRawPointer(scales).floats(block &* 64), shift = UnsafeRawPointer(shifts).floats(block &* 64)
      for x in 0..<Int(view.width) { to.put(cv_clamp(from.floats(x &* 64) * scale + shift, low, high), x &* 64) }
    } else {
      for x in 0..<Int(view.width) { to.put(cv_clamp(from.floats(x &* 64), low, high), x &* 64) }
    }
  }
  view.fillHalo(isFloat: true, share)
}

func clampU8(_ a: UnsafePointer<cnn_affine>, _ share: Share) {
  let view = a.pointee.y
  let low = cv_narrow(cv_round(all(a.pointee.low))), high = cv_narrow(cv_round(all(a.pointee.high)))
  forEachRow(view, share) { n, block, row in
    let from = UnsafeRawPointer(a.pointee.x.address(n, block, row)), to = view.address(n, block, row)
    for x in 0..<Int(view.width) { to.put(cv_minimum_u8(cv_maximum_u8(from.bytes(x &* 16), low), high), x &* 16) }
  }
  view.fillHalo(isFloat: false, share)
}
