/// A Swift type that is an element of a tensor: `Float` for real values, `UInt8` for the stored values of a quantized
/// tensor. Which of them a call takes is in its documentation; it throws for the others.
public protocol TensorElement: BitwiseCopyable, Sendable {
  /// The element type as the library numbers it.
  static var tensorType: Model.TensorType { get }
}

extension Float: TensorElement {
  /// `float32`
  public static var tensorType: Model.TensorType { .float32 }
}

extension UInt8: TensorElement {
  /// `uint8`
  public static var tensorType: Model.TensorType { .uint8 }
}

extension Int8: TensorElement {
  /// `int8`
  public static var tensorType: Model.TensorType { .int8 }
}

extension Int32: TensorElement {
  /// `int32`
  public static var tensorType: Model.TensorType { .int32 }
}
