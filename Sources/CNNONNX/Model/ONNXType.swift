import CNNModel

/// The element types of ONNX's tensors; the raw values are TensorProto.DataType's.
package enum ONNXType: Int32, Sendable {
  case float = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case string = 8
  case bool = 9
  case float16 = 10
  case double = 11
  case uint32 = 12
  case uint64 = 13
  case bfloat16 = 16

  /// Held as `ONNXTensor.Values.floats`.
  package var isFloat: Bool {
    switch self {
    case .float, .float16, .double, .bfloat16: true
    default: false
    }
  }

  /// "float", "uint8" …
  package var name: String { "\(self)" }
}
