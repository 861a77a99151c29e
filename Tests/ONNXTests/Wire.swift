/// A protobuf message, written field by field: what tests need to make ONNX files, right ones and wrong ones, without
/// the messages that are tested.
struct Wire {
  private(set) var bytes: [UInt8] = []

  init() {}

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  func int(_ field: Int, _ value: Int) -> Wire {
    var wire = self
    wire.varint(UInt64(field) << 3)
    wire.varint(UInt64(bitPattern: Int64(value)))
    return wire
  }

  func bytes(_ field: Int, _ value: [UInt8]) -> Wire {
    var wire = self
    wire.varint(UInt64(field) << 3 | 2)
    wire.varint(UInt64(value.count))
    wire.bytes += value
    return wire
  }

  func text(_ field: Int, _ value: String) -> Wire { bytes(field, Array(value.utf8)) }
  func message(_ field: Int, _ value: Wire) -> Wire { bytes(field, value.bytes) }
  func messages(_ field: Int, _ values: [Wire]) -> Wire { values.reduce(self) { $0.message(field, $1) } }
  func texts(_ field: Int, _ values: [String]) -> Wire { values.reduce(self) { $0.text(field, $1) } }
  func ints(_ field: Int, _ values: [Int]) -> Wire { values.reduce(self) { $0.int(field, $1) } }

  func float(_ field: Int, _ value: Float) -> Wire {
    var wire = self
    wire.varint(UInt64(field) << 3 | 5)
    withUnsafeBytes(of: value) { wire.bytes += $0 }
    return wire
  }

  func double(_ field: Int, _ value: Double) -> Wire {
    var wire = self
    wire.varint(UInt64(field) << 3 | 1)
    withUnsafeBytes(of: value) { wire.bytes += $0 }
    return wire
  }
}

// MARK: ONNX's messages, by their field numbers

extension Wire {
  static func tensor(_ name: String = "", _ type: ONNXTypeCode, _ dims: [Int]) -> Wire {
    Wire().ints(1, dims).int(2, type.rawValue).text(8, name)
  }

  static func value(_ name: String, _ type: ONNXTypeCode = .float, _ dims: [String]? = ["n", "4"]) -> Wire {
    var tensor = Wire().int(1, type.rawValue)
    if let dims {
      tensor = tensor.message(
        2, Wire().messages(1, dims.map { size in Int(size).map { Wire().int(1, $0) } ?? Wire().text(2, size) }))
    }
    return Wire().text(1, name).message(2, Wire().message(1, tensor))
  }

  static func node(
    _ op: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "",
    attributes: [Wire] = []
  ) -> Wire {
    Wire().texts(1, inputs).texts(2, outputs).text(3, name).text(4, op).messages(5, attributes).text(7, domain)
  }

  static func attribute(_ name: String, int: Int) -> Wire { Wire().text(1, name).int(3, int).int(20, 2) }
  static func attribute(_ name: String, float: Float) -> Wire { Wire().text(1, name).float(2, float).int(20, 1) }
  static func attribute(_ name: String, reference: String, kind: Int) -> Wire {
    Wire().text(1, name).int(20, kind).text(21, reference)
  }

  static func opset(_ version: Int, _ domain: String = "") -> Wire { Wire().text(1, domain).int(2, version) }

  static func function(
    _ name: String, _ inputs: [String], _ outputs: [String], _ nodes: [Wire], attributes: [String] = [],
    defaults: [Wire] = []
  ) -> Wire {
    Wire().text(1, name).texts(4, inputs).texts(5, outputs).texts(6, attributes).messages(7, nodes)
      .message(9, opset(18)).message(9, opset(1, "local")).text(10, "local").messages(11, defaults)
  }

  /// A model of an input "x" and an output "y".
  static func model(
    _ nodes: [Wire], constants: [Wire] = [], opsets: [Wire] = [opset(18)], functions: [Wire] = [],
    inputs: [Wire] = [value("x")], outputs: [Wire] = [value("y")]
  ) -> [UInt8] {
    let graph = Wire().messages(1, nodes).text(2, "net").messages(5, constants).messages(11, inputs)
      .messages(12, outputs)
    return Wire().int(1, 8).text(2, "tests").text(3, "1.0").message(7, graph).messages(8, opsets)
      .message(14, Wire().text(1, "author").text(2, "me")).messages(25, functions).bytes
  }
}

/// TensorProto.DataType
enum ONNXTypeCode: Int {
  case float = 1, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64, complex64
  case bfloat16 = 16, float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, uint4, int4, float4e2m1, float8e8m0
  case uint2, int2
}
