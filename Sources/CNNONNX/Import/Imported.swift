import CNNModel
import CNNPasses
import CNNSupport

/// A network that was an ONNX file, and how it differs from it.
public struct Imported: Sendable {
  /// A value that the caller gives or gets.
  public struct Value: Sendable {
    /// ONNX's, and the tensor's in the graph.
    public var name: String
    /// ONNX's, with the sizes that the file leaves open as they were given.
    public var shape: [Int]
    /// "float", "int8"
    public var type: String
    /// The whole of it belongs to one image: the graph has an axis of 1 in front.
    public var isWhole: Bool
    /// int8 in the file, uint8 in the graph: 128 is added to it.
    public var isOffset: Bool { type == "int8" }
    /// What is known without running: the graph has no such tensor.
    package var constant: ONNXTensor?
  }

  public var graph: Graph
  /// The images that a session must run at once for the shapes of the file.
  public var batch: Int
  public var inputs: [Value]
  public var outputs: [Value]
  /// What was rewritten: passes on the ONNX graph, whose operators are its nodes, then on the graph.
  public var passes: [PassReport]
}

extension Imported {
  init(
    _ walk: ImportWalk, options: ONNXImporter.Options, reports: [PassReport]
  ) throws(CNNError) {
    let onnx = walk.onnx
    graph = walk.graph
    graph.metadata = onnx.metadata
    if graph.metadata["model"] == nil, !onnx.name.isEmpty { graph.metadata["model"] = onnx.name.filter { $0 != "\0" } }
    graph.labels = options.labels
    batch = if case .images(let count) = walk.mode { count } else { 1 }
    func value(_ name: String, _ declared: ONNXType?) -> Value {
      switch walk.values[name] {
      case .activation(let x):
        let type = x.isInteger || x.type == .int32 ? x.type : declared ?? .float
        return Value(name: name, shape: x.shape, type: type.name, isWhole: x.form == .whole)
      case .constant(let tensor):
        return Value(name: name, shape: tensor.shape, type: tensor.type.name, isWhole: true, constant: tensor)
      default: return Value(name: name, shape: [], type: "", isWhole: true)
      }
    }
    inputs = onnx.inputs.map { value($0.name, $0.type) }
    outputs = onnx.outputs.map { value($0.name, $0.type) }
    passes = reports
    try graph.setRecipe(options.recipe)
    graph.takeLabelsAndRecipe()
    let quantizes = graph.operators.contains { [.quantizeLinear, .dequantizeLinear].contains($0.kind) }
    passes += graph.run(Pass.forImport(quantizes: quantizes))
  }
}

extension Graph {
  /// A recipe for the first input, which must be an image.
  fileprivate mutating func setRecipe(_ image: ONNXImporter.ImageRecipe?) throws(CNNError) {
    guard let image else { return }
    guard let name = inputs.first, let shape = tensors[name]?.shape, shape.count == 4, shape[1] == image.mean.count
    else {
      let shape = inputs.first.flatMap { tensors[$0]?.shape } ?? []
      throw CNNError(
        "a recipe for \(image.mean.count) channels was given, but the first input is \(shape)",
        advice: "leave mean, deviation and channels away, or give as many as it has channels")
    }
    recipe = Recipe(
      width: shape[3], height: shape[2], channelOrder: image.channelOrder, mean: image.mean, deviation: image.deviation)
  }
}

extension Pass {
  /// What an import does: an int8 network first becomes one.
  static func forImport(quantizes: Bool) -> [Pass] {
    (quantizes ? forImport + [.fuseActivation, .quantizeRegions] : []) + forInference
  }
}

extension ONNXGraph {
  /// Brings the nodes into the newest opset's form, and folds and recognises what can be.
  mutating func prepareForImport() throws(CNNError) -> [PassReport] {
    try upgradeOpset()
    var reports: [PassReport] = []
    for pass in ONNXPass.all {
      let before = nodes.count
      let rewrites = try pass.rewrite(&self)
      reports.append(PassReport(pass: pass.name, rewrites: rewrites, before: before, after: nodes.count))
    }
    return reports
  }
}
