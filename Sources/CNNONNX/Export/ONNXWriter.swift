import CNNModel
internal import SwiftProtobuf

/// The messages of a float graph. How each operator is written is in ONNXNodes.swift.
struct ONNXWriter {
  let graph: Graph
  private(set) var message = Onnx_GraphProto()
  let opset: Int
  private var names: Set<String>
  /// Constants that are initialisers already.
  private var written: Set<String> = []

  init(_ graph: Graph) {
    self.graph = graph
    opset = max(17, graph.operators.map(graph.onnxOpset).max() ?? 0)
    names = Set(graph.usedTensors)
  }

  mutating func write() {
    for layer in graph.operators { append(layer) }
    message.input = graph.inputs.map(value)
    message.output = graph.outputs.map(value)
  }

  private func value(_ name: String) -> Onnx_ValueInfoProto {
    let tensor = graph.tensors[name]!
    return .with {
      $0.name = name
      $0.type.tensorType.elemType = Int32(tensor.type.rawValue)
      $0.type.tensorType.shape.dim = tensor.shape.enumerated().map { axis, size in
        .with { $0.value = axis == 0 ? .dimParam("N") : .dimValue(Int64(size)) }
      }
    }
  }

  // MARK: - Nodes

  /// A name that nothing has yet.
  mutating func free(_ base: String) -> String {
    let name =
      names.contains(base)
      ? (2...).lazy.map { "\(base)_\($0)" }.first { !names.contains($0) }! : base
    names.insert(name)
    return name
  }

  mutating func node(
    _ op: String, _ name: String, _ inputs: [String], _ output: String,
    _ attributes: [ONNXWriter.Attribute] = []
  ) {
    var inputs = inputs
    while inputs.last == "" { inputs.removeLast() }
    message.node.append(
      .with {
        ($0.opType, $0.name, $0.input, $0.output) = (op, name, inputs, [output])
        $0.attribute = attributes.map(\.message)
      })
  }

  enum Attribute {
    case int(String, Int)
    case ints(String, [Int])
    case float(String, Float)
    case string(String, String)

    fileprivate var message: Onnx_AttributeProto {
      .with {
        switch self {
        case .int(let name, let value): ($0.name, $0.type, $0.i) = (name, .int, Int64(value))
        case .ints(let name, let values):
          ($0.name, $0.type, $0.ints) = (name, .ints, values.map(Int64.init))
        case .float(let name, let value): ($0.name, $0.type, $0.f) = (name, .float, value)
        case .string(let name, let value):
          ($0.name, $0.type, $0.s) = (name, .string, .init(value.utf8))
        }
      }
    }
  }

  // MARK: - Constants

  /// Writes those of an operator's inputs that are constants.
  mutating func initializers(of layer: Operator) {
    for name in layer.inputs {
      guard let tensor = graph.tensors[name], let data = tensor.data, written.insert(name).inserted
      else { continue }
      initializer(name, data, tensor.shape)
    }
  }

  /// A constant that the graph does not have; its name.
  mutating func constant(_ base: String, _ data: TensorData, _ shape: [Int]) -> String {
    let name = free(base)
    initializer(name, data, shape)
    return name
  }

  mutating func list(_ base: String, _ values: [Int]) -> String {
    constant(base, .int64(values.map(Int64.init)), [values.count])
  }

  private mutating func initializer(_ name: String, _ data: TensorData, _ shape: [Int]) {
    message.initializer.append(
      .with {
        $0.name = name
        $0.dims = shape.map(Int64.init)
        $0.dataType = Int32(data.type.rawValue)
        $0.rawData = .init(data.bytes)
      })
  }
}
