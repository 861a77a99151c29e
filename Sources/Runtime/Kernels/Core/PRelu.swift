import CKernels
import CVector

func preluF32(_ a: UnsafePointer<cnn_prelu>, _ share: Share) {
  let view = a.pointee.y
  forEachRow(view, share) { n, block, row in
    let from = UnsafeRawPointer(a.pointee.x.address(n, block, row)), to = view.address(n, block, row)
    let slope = UnsafeRawPointer(a.pointee.slope!).floats(block &* 64)
    for x in 0..<Int(view.width) {
      let v = from.floats(x &* 64)
      to.put(v.replacing(with: v * slope, where: v .< Floats(repeating: 0)), x &* 64)
    }
  }
  view.fillHalo(isFloat: true, share)
}

func preluU8(_ a: UnsafePointer<cnn_prelu>, _ share: Share) {
  let view = a.pointee.y, scale = all(a.pointee.scale), zero = all(a.pointee.x_zero_point)
  let quantize = Quantizer(a.pointee.low, a.pointee.high, a.pointee.y_zero_point)
  forEachRow(view, share) { n, block, row in
    let from = UnsafeRawPointer(a.pointee.x.address(n, block, row)), to = view.address(n, block, row)
    let slope = UnsafeRawPointer(a.pointee.slope!).floats(block &* 64)
    for x in 0..<Int(view.width) {
      let v = cv_to_float(cv_widen(from.bytes(x &* 16)) &- zero) * scale
      to.put(quantize(v.replacing(with: v * slope, where: v .< Floats(repeating: 0))), x &* 16)
    }
  }
  view.fillHalo(isFloat: false, share)
}
