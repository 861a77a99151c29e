import CKernels
import CVector

/// How one element gets from type to type: see Reference/Copy.swift.
protocol Conversion {
  associatedtype From: BitwiseCopyable
  associatedtype To: BitwiseCopyable
  init(_ a: UnsafePointer<cnn_copy>)
  func callAsFunction(_ v: From) -> To
  /// Sixteen elements that lie side by side.
  func sixteen(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer)
}

struct Same<Element: BitwiseCopyable>: Conversion {
  @inline(__always) init(_ a: UnsafePointer<cnn_copy>) {}
  @inline(__always) func callAsFunction(_ v: Element) -> Element { v }
  @inline(__always) func sixteen(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
    cv_copy(to, from, 16 &* MemoryLayout<Element>.size)
  }
}

struct Quantize: Conversion {
  let scale: Float, low: Float, high: Float, zeroPoint: Int32
  @inline(__always) init(_ a: UnsafePointer<cnn_copy>) {
    scale = a.pointee.scale
    zeroPoint = a.pointee.zero_point
    low = cv_float(0 &- zeroPoint)
    high = cv_float(255 &- zeroPoint)
  }
  @inline(__always) func callAsFunction(_ v: Float) -> UInt8 {
    UInt8(truncatingIfNeeded: cv_quantize(v / scale, low, high) &+ zeroPoint)
  }
  @inline(__always) func sixteen(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
    to.put(Quantizer(low, high, zeroPoint)(from.floats() / all(scale)))
  }
}

struct Dequantize: Conversion {
  let scale: Float, zeroPoint: Int32
  @inline(__always) init(_ a: UnsafePointer<cnn_copy>) {
    scale = a.pointee.scale
    zeroPoint = a.pointee.zero_point
  }
  @inline(__always) func callAsFunction(_ v: UInt8) -> Float {
    cv_float(Int32(truncatingIfNeeded: v) &- zeroPoint) * scale
  }
  @inline(__always) func sixteen(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer) {
    to.put(cv_to_float(cv_widen(from.bytes()) &- all(zeroPoint)) * all(scale))
  }
}

@inline(never)
func importRows<C: Conversion>(_: C.Type, _ a: UnsafePointer<cnn_copy>, _ share: Share) {
  let convert = C(a), view = a.pointee.view, strides = a.pointee.strides, width = Int(view.width)
  let plain = UnsafeRawPointer(a.pointee.plain!), size = MemoryLayout<C.To>.size, pixel = Int(view.pixel)
  let padded = view.block == 0 ? Int(view.channels) : view.blocks &* 16, plainSize = MemoryLayout<C.From>.size
  // Pixels that lie as in the session, NHWC or a single channel: whole rows.
  let isSideBySide =
    view.block == 0 && Int(strides.3) == Int(view.channels) &* plainSize
    && (view.channels == 1 || Int(strides.1) == plainSize)
  forEachRow(view, share) { n, block, row in
    let first = block &* 16, lanes = min(padded &- first, 16), real = min(Int(view.channels) &- first, lanes)
    let start = plain + (n &* Int(strides.0) &+ first &* Int(strides.1) &+ row &* Int(strides.2))
    let y = view.address(n, block, row)
    if isSideBySide {
      let count = width &* Int(view.channels)
      var i = 0
      while i &+ 16 <= count {
        convert.sixteen(start + i &* plainSize, y + i &* size)
        i &+= 16
      }
      while i < count {
        (y + i &* size).put(convert((start + i &* plainSize).loadUnaligned(as: C.From.self)))
        i &+= 1
      }
      return
    }
    if real < lanes { cv_fill(y, 0, width &* pixel) }
    for c in 0..<real {
      var from = start + c &* Int(strides.1), to = y + c &* size
      for _ in 0..<width {
        to.put(convert(from.loadUnaligned(as: C.From.self)))
        from += Int(strides.3)
        to += pixel
      }
    }
  }
  view.fillHalo(isFloat: size == 4, share)
}

@inline(never)
func exportRows<C: Conversion>(_: C.Type, _ a: UnsafePointer<cnn_copy>, _ share: Share) {
  let convert = C(a), view = a.pointee.view, strides = a.pointee.strides, width = Int(view.width)
  let plain = UnsafeMutableRawPointer(a.pointee.plain!), size = MemoryLayout<C.From>.size, pixel = Int(view.pixel)
  forEachRow(view, share) { n, block, row in
    let first = block &* 16, real = min(Int(view.channels) &- first, 16)
    let start = plain + (n &* Int(strides.0) &+ first &* Int(strides.1) &+ row &* Int(strides.2))
    let x = UnsafeRawPointer(view.address(n, block, row))
    for c in 0..<real {
      var from = x + c &* size, to = start + c &* Int(strides.1)
      for _ in 0..<width {
        to.put(convert(from.loadUnaligned(as: C.From.self)))
        from += pixel
        to += Int(strides.3)
      }
    }
  }
}

func importPlain(_ a: UnsafePointer<cnn_copy>, _ share: Share) {
  switch (a.pointee.plain_is_f32 != 0, a.pointee.view_is_f32 != 0) {
  case (true, true): importRows(Same<UInt32>.self, a, share)
  case (true, false): importRows(Quantize.self, a, share)
  case (false, true): importRows(Dequantize.self, a, share)
  case (false, false): importRows(Same<UInt8>.self, a, share)
  }
}

func exportPlain(_ a: UnsafePointer<cnn_copy>, _ share: Share) {
  switch (a.pointee.plain_is_f32 != 0, a.pointee.view_is_f32 != 0) {
  case (true, true): exportRows(Same<UInt32>.self, a, share)
  case (true, false): exportRows(Dequantize.self, a, share)
  case (false, true): exportRows(Quantize.self, a, share)
  case (false, false): exportRows(Same<UInt8>.self, a, share)
  }
}
