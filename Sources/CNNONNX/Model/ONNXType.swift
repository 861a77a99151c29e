import CNNModel

/// The element types of ONNX's tensors; the raw values are TensorProto.DataType's.
package enum ONNXType: Int32, CaseIterable, Sendable {
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
  case float8e4m3fn = 17
  case float8e4m3fnuz = 18
  case float8e5m2 = 19
  case float8e5m2fnuz = 20
  case uint4 = 21
  case int4 = 22
  case float4e2m1 = 23
  case float8e8m0 = 24
  case uint2 = 25
  case int2 = 26

  /// Held as `ONNXTensor.Values.floats`.
  package var isFloat: Bool {
    switch self {
    case .float, .float16, .double, .bfloat16: true
    default: minifloat != nil
    }
  }

  /// "float", "uint8" …
  package var name: String { "\(self)" }
}
