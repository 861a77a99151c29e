import CNNModel
import CNNSupport

/// An ONNX model in memory: what a file says, functions inlined, every node in the newest opset's form. A value: passes
/// change a copy.
package struct ONNXGraph: Equatable, Sendable {
  package struct Value: Equatable, Sendable {
    package var name: String
    /// nil: no tensor, or a type that `ONNXType` does not have.
    package var type: ONNXType?
    /// nil: unknown rank.
    package var shape: [Dimension]?

    package init(name: String, type: ONNXType?, shape: [Dimension]?) {
      (self.name, self.type, self.shape) = (name, type, shape)
    }
  }

  package enum Dimension: Equatable, Sendable {
    case size(Int)
    /// "batch"; "" where the file has neither a number nor a name.
    case symbol(String)
  }

  /// Of the file.
  package var name = ""
  /// In an order in which each reads what is there (files must have one).
  package var nodes: [ONNXNode] = []
  /// Initialisers. Those that old files list among the inputs as well are only here.
  package var constants: [String: ONNXTensor] = [:]
  /// What the caller gives, without initialisers.
  package var inputs: [Value] = []
  package var outputs: [Value] = []
  /// What the file says of values in between, by name; nothing checks it.
  package var hints: [String: Value] = [:]
  /// From the file, "producer" among them: they travel into the bundle's metadata.
  package var metadata = Metadata()

  package init() {}
}

// MARK: Looking around

extension ONNXGraph {
  /// The node that writes a value; nil for inputs and constants.
  package func producer(of value: String) -> Int? { nodes.firstIndex { $0.outputs.contains(value) } }

  /// The nodes that read a value.
  package func consumers(of value: String) -> [Int] { nodes.indices.filter { nodes[$0].inputs.contains(value) } }

  /// Whether exactly one node reads a value, once, and the caller does not see it.
  package func isPrivate(_ value: String) -> Bool {
    nodes.reduce(0) { $0 + $1.inputs.count { $0 == value } } == 1 && !outputs.contains { $0.name == value }
  }
}

/// A rewrite of an ONNX graph into one that computes the same.
package struct ONNXPass: Sendable {
  package let name: String
  /// Changes the graph and says in how many places.
  package let rewrite: @Sendable (inout ONNXGraph) throws(CNNError) -> Int

  package init(_ name: String, _ rewrite: @escaping @Sendable (inout ONNXGraph) throws(CNNError) -> Int) {
    self.name = name
    self.rewrite = rewrite
  }
}
