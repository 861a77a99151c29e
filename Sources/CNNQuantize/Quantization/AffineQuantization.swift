/// How real values are stored as uint8: real = (stored − zeroPoint) · scale. One per activation tensor.
public struct AffineQuantization: Equatable, Sendable {
  public let scale: Float
  public let zeroPoint: Int32

  public init(scale: Float, zeroPoint: Int32) {
    self.scale = scale
    self.zeroPoint = zeroPoint
  }

  /// The finest one that holds `lower` … `upper`. Zero is always included and always exact: padding and ReLU rest on
  /// it. A range that is only zero (a dead tensor) gets the scale 1.
  public init(lower: Double, upper: Double) {
    let lower = min(lower, 0)
    let upper = max(upper, 0)
    // The floor keeps every quotient of two scales a normal float, however small the values.
    scale = upper > lower ? Float(max((upper - lower) / 255, 0x1p-60)) : 1
    zeroPoint = Int32(min((-lower / Double(scale)).rounded(.toNearestOrEven), 255))
  }

  /// The smallest and the largest real value that can be stored.
  public var range: ClosedRange<Double> {
    -Double(zeroPoint) * Double(scale)...Double(255 - zeroPoint) * Double(scale)
  }

  /// Divide, round to nearest even, shift, clamp: ONNX QuantizeLinear, and what `cnnrt_session_set_input` does.
  public func quantize(_ value: Float) -> UInt8 {
    let rounded = (value / scale).rounded(.toNearestOrEven) + Float(zeroPoint)
    return UInt8(min(max(rounded, 0), 255))
  }

  public func dequantize(_ stored: UInt8) -> Float { Float(Int32(stored) - zeroPoint) * scale }
}
