import CNNONNX
import Testing

struct ONNXGraphTests {
  private var graph: ONNXGraph {
    var graph = ONNXGraph()
    graph.inputs = [.init(name: "x", type: .float, shape: [.symbol("batch"), .size(4)])]
    graph.nodes = [
      ONNXNode(name: "a", op: "Relu", inputs: ["x"], outputs: ["y"]),
      ONNXNode(name: "b", op: "Sigmoid", inputs: ["y"], outputs: ["z"]),
      ONNXNode(name: "c", op: "Mul", inputs: ["z", "z"], outputs: ["w"]),
    ]
    graph.outputs = [.init(name: "w", type: .float, shape: nil)]
    return graph
  }

  @Test func valuesAreFoundByWhoWritesAndReadsThem() {
    #expect(graph.producer(of: "z") == 1)
    #expect(graph.producer(of: "x") == nil)
    #expect(graph.consumers(of: "z") == [2])
  }

  /// Read by one node, once, and by nobody outside.
  @Test func privateValuesHaveOneReader() {
    #expect(graph.isPrivate("y"))
    #expect(!graph.isPrivate("z"))
    #expect(!graph.isPrivate("w"))
  }
}
