import CNNONNX
import CNNSupport

/// Writes small graphs of one input "x", node by node.
struct GraphWriter {
  var graph = ONNXGraph()
  private var count = 0

  /// - Parameter shape: of the input; nil sizes are symbols.
  init(_ shape: [Int?], type: ONNXType = .float) {
    graph.inputs = [.init(name: "x", type: type, shape: shape.map { $0.map { .size($0) } ?? .symbol("n") })]
  }

  /// Adds a node of the newest opset and gives the name of its output.
  mutating func callAsFunction(
    _ op: String, _ inputs: String..., attributes: [String: ONNXAttribute] = [:], opset: Int = 23
  ) -> String {
    count += 1
    graph.nodes.append(
      ONNXNode(
        name: "node\(count)", op: op, inputs: inputs, outputs: ["v\(count)"], attributes: attributes, opset: opset))
    return "v\(count)"
  }

  mutating func constant(_ tensor: ONNXTensor) -> String {
    count += 1
    graph.constants["c\(count)"] = tensor
    return "c\(count)"
  }

  mutating func number(_ value: Float) -> String { constant(ONNXTensor(value)) }
  mutating func list(_ values: Int...) -> String { constant(ONNXTensor(values)) }

  mutating func output(_ name: String) -> ONNXGraph {
    graph.outputs.append(.init(name: name, type: .float, shape: nil))
    return graph
  }
}

extension ONNXTensor {
  /// Floats of a seeded generator.
  static func random(_ shape: [Int], _ range: ClosedRange<Float> = -4...4, seed: UInt64 = 1) -> ONNXTensor {
    var random = CNNSupport.Random(seed: seed)
    return ONNXTensor(
      shape: shape,
      floats: (0..<shape.reduce(1, *)).map { _ in random.uniform(range.lowerBound, range.upperBound) })
  }
}
