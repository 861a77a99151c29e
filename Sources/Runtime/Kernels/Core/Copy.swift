import CKernels
import CVector

/// How elements get from type to type: see Reference/Copy.swift.
private enum Conversion {
  case words, bytes, quantize, dequantize

  @inline(__always) init(fromFloat: Bool, toFloat: Bool) {
    self = fromFloat ? (toFloat ? .words : .quantize) : (toFloat ? .dequantize : .bytes)
  }
}

/// Some elements, `fromStep` and `toStep` bytes apart.
@inline(never)
private func convert(
  _ a: UnsafePointer<cnn_copy>, _ conversion: Conversion, _ from: UnsafeRawPointer, _ fromStep: Int,
  _ to: UnsafeMutableRawPointer, _ toStep: Int, _ count: Int
) {
  var from = from, to = to, left = count
  let scale = a.pointee.scale, zero = a.pointee.zero_point
  let low = cv_float(0 &- zero), high = cv_float(255 &- zero)
  switch conversion {
  case .words:
    if fromStep == 4 && toStep == 4 { return cv_copy(to, from, count &* 4) }
    while left > 0 {
      to.put(from.int())
      from += fromStep
      to += toStep
      left &-= 1
    }
  case .bytes:
    if fromStep == 1 && toStep == 1 { return cv_copy(to, from, count) }
    while left > 0 {
      to.put(from.byte())
      from += fromStep
      to += toStep
      left &-= 1
    }
  case .quantize:
    if fromStep == 4 && toStep == 1 {
      let quantizer = Quantizer(low, high, zero)
      while left >= 16 {
        to.put(quantizer(from.floats() / all(scale)))
        from += 64
        to += 16
        left &-= 16
      }
    }
    while left > 0 {
      to.put(UInt8(truncatingIfNeeded: cv_quantize(from.float() / scale, low, high) &+ zero))
      from += fromStep
      to += toStep
      left &-= 1
    }
  case .dequantize:
    if fromStep == 1 && toStep == 4 {
      while left >= 16 {
        to.put(cv_to_float(cv_widen(from.bytes()) &- all(zero)) * all(scale))
        from += 16
        to += 64
        left &-= 16
      }
    }
    while left > 0 {
      to.put(cv_float(Int32(truncatingIfNeeded: from.byte()) &- zero) * scale)
      from += fromStep
      to += toStep
      left &-= 1
    }
  }
}

func importPlain(_ a: UnsafePointer<cnn_copy>, _ share: Share) {
  let view = a.pointee.view, strides = a.pointee.strides, width = Int(view.width), pixel = Int(view.pixel)
  let isFloat = a.pointee.view_is_f32 != 0, size = isFloat ? 4 : 1, plainSize = a.pointee.plain_is_f32 != 0 ? 4 : 1
  let conversion = Conversion(fromFloat: plainSize == 4, toFloat: isFloat)
  let padded = view.block == 0 ? Int(view.channels) : view.blocks &* 16
  // Pixels that lie as in the session, NHWC or a single channel: whole rows.
  let isAlike = a.pointee.is_alike != 0
  let isSideBySide =
    isAlike
    || view.block == 0 && Int(strides.3) == Int(view.channels) &* plainSize
      && (view.channels == 1 || Int(strides.1) == plainSize)
  forEachRow(view, share) { n, block, row in
    let first = block &* 16, lanes = min(padded &- first, 16), real = min(Int(view.channels) &- first, lanes)
    let place = n &* Int(strides.0) &+ (isAlike ? block : first) &* Int(strides.1) &+ row &* Int(strides.2)
    let start = UnsafeRawPointer(a.pointee.plain!) + place
    let y = view.address(n, block, row)
    if isSideBySide { return convert(a, conversion, start, plainSize, y, size, width &* pixel / size) }
    if real < lanes { cv_fill(y, 0, width &* pixel) }
    for c in 0..<real {
      convert(a, conversion, start + c &* Int(strides.1), Int(strides.3), y + c &* size, pixel, width)
    }
  }
  view.fillHalo(isFloat: isFloat, share)
}

func exportPlain(_ a: UnsafePointer<cnn_copy>, _ share: Share) {
  let view = a.pointee.view, strides = a.pointee.strides, size = a.pointee.view_is_f32 != 0 ? 4 : 1
  let conversion = Conversion(fromFloat: size == 4, toFloat: a.pointee.plain_is_f32 != 0)
  forEachRow(view, share) { n, block, row in
    let first = block &* 16, real = min(Int(view.channels) &- first, 16)
    let start =
      UnsafeMutableRawPointer(a.pointee.plain!)
      + (n &* Int(strides.0) &+ first &* Int(strides.1) &+ row &* Int(strides.2))
    let x = UnsafeRawPointer(view.address(n, block, row))
    for c in 0..<real {
      convert(
        a, conversion, x + c &* size, Int(view.pixel), start + c &* Int(strides.1), Int(strides.3), Int(view.width))
    }
  }
}
