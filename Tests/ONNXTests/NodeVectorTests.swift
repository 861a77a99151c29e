import CNNONNX
import CNNSupport
import Glibc
import Testing

/// ONNX's own node tests (Debian: libonnx-testdata): each is a model with inputs and the outputs expected for them.
enum NodeVectors {
  static let folder = "/usr/share/libonnx-testdata/data/node"
  /// Models of old exporters, from opset 6 on.
  static let oldFolders = ["simple", "pytorch-operator", "pytorch-converted"].map {
    "/usr/share/libonnx-testdata/data/\($0)"
  }
  static let exist = access(folder, R_OK) == 0

  static func list(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  /// A data set of a case: tensors by their number.
  static func tensors(_ kind: String, in folder: String) throws(CNNError) -> [ONNXTensor] {
    var tensors: [ONNXTensor] = []
    while access("\(folder)/\(kind)_\(tensors.count).pb", R_OK) == 0 {
      tensors.append(try ONNXTensor(protobuf: try readFile("\(folder)/\(kind)_\(tensors.count).pb")))
    }
    return tensors
  }
}

@Suite(.enabled(if: NodeVectors.exist, "ONNX's node tests are not there: apt install libonnx-testdata"))
struct NodeVectorTests {
  private enum Outcome { case passed, unknown, failed(String) }

  /// - Parameter passes: what is run on the model before.
  private func outcome(_ name: String, in folder: String = NodeVectors.folder, passes: [ONNXPass] = []) -> Outcome {
    let folder = "\(folder)/\(name)"
    do {
      var graph = try ONNXGraph(contentsOf: "\(folder)/model.onnx")
      // Sequences and optionals are no tensors.
      guard (graph.inputs + graph.outputs).allSatisfy({ $0.type != nil }) else { return .unknown }
      try graph.upgradeOpset()
      for pass in passes { _ = try pass.rewrite(&graph) }
      for data in NodeVectors.list(folder) where data.hasPrefix("test_data_set") {
        let inputs = try NodeVectors.tensors("input", in: "\(folder)/\(data)")
        let expected = try NodeVectors.tensors("output", in: "\(folder)/\(data)")
        let named = Dictionary(uniqueKeysWithValues: zip(graph.inputs.map(\.name), inputs))
        guard let results = try evaluate(graph, named) else { return .unknown }
        guard results.count == expected.count else { return .failed("\(results.count) outputs") }
        // What was computed in 16 bits agrees to their precision.
        let isHalf = name.lowercased().contains("float16")
        for (result, expected) in zip(results, expected) {
          if let difference = Difference.between(result, expected, tolerance: isHalf ? 1e-2 : 1e-5) {
            return .failed(difference)
          }
        }
      }
      return .passed
    } catch {
      return .failed(error.description)
    }
  }

  /// Parts of the names of cases that do not pass, and why.
  private static let leftOut = [
    "STRING": "strings", "BFLOAT16": "the vectors hold bfloat16 as uint16",
    "training": "training mode",
    "blackmanwindow": pi, "hammingwindow": pi, "hannwindow": pi,
    "scatternd_add": "reduction", "scatternd_multiply": "reduction", "with_duplicate_indices": "reduction",
  ]
  private static let pi = "ONNX's function takes 3.1415 for π, the vectors are exact"

  /// Of the cases whose operators the interpreter knows, all pass but those that are left out.
  @Test func interpreterAgreesWithONNX() {
    var passed = 0
    var leftOut: [String: Int] = [:]
    var failed: [String] = []
    for name in NodeVectors.list(NodeVectors.folder) {
      switch outcome(name) {
      case .passed: passed += 1
      case .unknown: break
      case .failed(let difference):
        if let part = Self.leftOut.keys.sorted().first(where: name.contains) {
          leftOut[Self.leftOut[part]!, default: 0] += 1
        } else {
          failed.append("\(name): \(difference)")
        }
      }
    }
    print("\(passed) node cases pass; left out:", leftOut.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" })
    #expect(failed == [])
    #expect(passed >= 523)
  }

  /// The models of old exporters compute what they did, upgraded and with all passes, as far as they have no
  /// convolutions and pools.
  @Test func oldModelsAreTheSame() {
    var passed = 0
    var failed: [String] = []
    for folder in NodeVectors.oldFolders {
      for name in NodeVectors.list(folder) {
        for passes in [[], ONNXPass.all] {
          switch outcome(name, in: folder, passes: passes) {
          case .passed: passed += 1
          case .unknown: break
          case .failed(let difference): failed.append("\(name): \(difference)")
          }
        }
      }
    }
    print("\(passed) runs of models of old exporters agree")
    #expect(failed == [])
    #expect(passed >= 80)
  }

  /// The passes change no result of any case.
  @Test func passesKeepResults() {
    var failed: [String] = []
    for name in NodeVectors.list(NodeVectors.folder) where Self.leftOut.keys.allSatisfy({ !name.contains($0) }) {
      if case .failed(let difference) = outcome(name, passes: ONNXPass.all) { failed.append("\(name): \(difference)") }
    }
    #expect(failed == [])
  }
}
