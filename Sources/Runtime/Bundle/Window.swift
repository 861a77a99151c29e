import CBundle

/// One axis of a convolution's or pool's window.
public struct Window {
  public var kernel, stride, padBefore, padAfter, dilation: Int

  public static func vertical(_ o: cnnb_operator) -> Window {
    let w = o.window
    return Window(
      kernel: Int(w.kernel_height), stride: Int(w.stride_y), padBefore: Int(w.pad_top), padAfter: Int(w.pad_bottom),
      dilation: Int(w.dilation_y))
  }

  public static func horizontal(_ o: cnnb_operator) -> Window {
    let w = o.window
    return Window(
      kernel: Int(w.kernel_width), stride: Int(w.stride_x), padBefore: Int(w.pad_left), padAfter: Int(w.pad_right),
      dilation: Int(w.dilation_x))
  }

  /// Input elements from the window's first to its last.
  public var extent: Int { dilation * (kernel - 1) + 1 }

  /// Every number small enough that no product of two of them and a length overflows.
  var isValid: Bool {
    let limit = 65535
    return 1...limit ~= kernel && 1...limit ~= stride && 1...limit ~= dilation && padBefore <= limit
      && padAfter <= limit
  }

  /// FORMAT.md, "Operators". Less than 1 where the window does not fit.
  public func outputLength(_ length: Int, ceil: Bool) -> Int {
    let room = length + padBefore + padAfter - extent
    guard room >= 0 else { return 0 }
    guard ceil else { return room / stride + 1 }
    let count = (room + stride - 1) / stride + 1
    return (count - 1) * stride >= length + padBefore ? count - 1 : count
  }

  /// Whether the window covers an element of the input at each of its positions.
  func alwaysMeetsInput(_ length: Int, outputs: Int) -> Bool {
    guard padBefore < extent, padAfter < extent else { return false }
    guard dilation > 1 else { return true }
    for i in 0..<outputs {
      let start = i * stride - padBefore
      let skipped = start < 0 ? (-start + dilation - 1) / dilation : 0
      if skipped >= kernel || start + skipped * dilation >= length { return false }
    }
    return true
  }
}
