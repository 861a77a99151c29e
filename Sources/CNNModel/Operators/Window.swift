/// Where a convolution's or a pool's window lies, with ONNX's meaning.
public struct Window: Equatable, Sendable {
  public var kernelHeight = 1
  public var kernelWidth = 1
  public var strideY = 1
  public var strideX = 1
  public var padTop = 0
  public var padLeft = 0
  public var padBottom = 0
  public var padRight = 0
  public var dilationY = 1
  public var dilationX = 1

  public init(
    kernelHeight: Int, kernelWidth: Int, strideY: Int = 1, strideX: Int = 1,
    padTop: Int = 0, padLeft: Int = 0, padBottom: Int = 0, padRight: Int = 0, dilationY: Int = 1, dilationX: Int = 1
  ) {
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.strideY = strideY
    self.strideX = strideX
    self.padTop = padTop
    self.padLeft = padLeft
    self.padBottom = padBottom
    self.padRight = padRight
    self.dilationY = dilationY
    self.dilationX = dilationX
  }

  /// A square window with the same padding on all sides.
  public init(_ kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) {
    self.init(
      kernelHeight: kernel, kernelWidth: kernel, strideY: stride, strideX: stride,
      padTop: padding, padLeft: padding, padBottom: padding, padRight: padding, dilationY: dilation, dilationX: dilation
    )
  }
}

/// ONNX's `auto_pad`: padding that follows from the image's size.
public enum AutoPadding: Equatable, Sendable {
  /// The result has ⌈size / stride⌉ pixels; an odd pixel of padding lies behind the image.
  case sameUpper
  /// The same with the odd pixel before the image.
  case sameLower
  /// None.
  case valid
}

extension Window {
  /// This window with explicit padding in place of `automatic`, for an image of `height` × `width`.
  public func padded(_ automatic: AutoPadding, height: Int, width: Int) -> Window {
    func pads(_ size: Int, _ kernel: Int, _ stride: Int, _ dilation: Int) -> (before: Int, after: Int) {
      if automatic == .valid { return (0, 0) }
      let count = (size + stride - 1) / stride
      let total = max((count - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
      let less = total / 2
      return automatic == .sameUpper ? (less, total - less) : (total - less, less)
    }
    var window = self
    (window.padTop, window.padBottom) = pads(height, kernelHeight, strideY, dilationY)
    (window.padLeft, window.padRight) = pads(width, kernelWidth, strideX, dilationX)
    return window
  }
}
