import CNNModel
import CNNONNX
import CNNQuantize
import CNNRT
import CNNSupport

/// An ONNX file as a bundle: as it is, or, if it is float, through the same export as a trained one.
struct ONNXExport {
  let imported: Imported

  init(_ path: String, _ options: ONNXOptions) throws(CNNError) {
    imported = try ONNXImporter(options: try options.options()).importGraph(path)
    guard !imported.graph.outputs.isEmpty else {
      throw CNNError("all its outputs are constants: there is nothing to compute", at: path)
    }
  }

  /// The network as a bundle that the exporter takes.
  func reader(_ path: String) throws(CNNError) -> BundleReader {
    guard !imported.graph.isQuantized else {
      throw CNNError("is quantized already", at: path, advice: "leave --int8 and --float away: it keeps its own scales")
    }
    guard imported.graph.recipe != nil else {
      throw CNNError(
        "has no image recipe, which --int8 and --float need", at: path,
        advice: "give --mean, --std and --channels; without --int8 and --float the network becomes a bundle as it is")
    }
    return try BundleReader(try BundleWriter(codec: .stored).bytes(of: imported.graph), at: path)
  }

  /// The bundle with a self-test of noise, which it has passed.
  func bytes(tool: String, codec: SectionCodec) throws -> [UInt8] {
    var graph = imported.graph
    graph.metadata["tool"] = tool
    return try SelfTestWriter(codec: codec).bytes(of: graph) { try setNoise($0, graph) }
  }

  private func setNoise(_ session: Session, _ graph: Graph) throws -> [TensorData] {
    var random = Random(seed: 0)
    return try graph.inputs.map { name in
      let tensor = graph.tensors[name]!
      if tensor.type == .uint8 {
        let values = (0..<tensor.count).map { _ in UInt8(random.below(256)) }
        try session.setInput(values.span, at: name)
        return .uint8(values)
      }
      let values = (0..<tensor.count).map { _ in Float(random.below(256)) / 255 }
      try session.setInput(values.span, at: name)
      return .float32(values)
    }
  }
}

// MARK: Report

extension ONNXExport {
  /// What was imported.
  func report(_ path: String, to output: String, fileBytes: Int) -> String {
    let graph = imported.graph
    var lines = imported.inputs.map { "input                \(text($0))" }
    lines += imported.outputs.map { "output               \(text($0))" }
    if imported.batch > 1 {
      lines.append("batch                \(imported.batch): the file's shapes are for so many images")
    }
    var counts: [(name: String, count: Int)] = []
    for layer in graph.operators {
      if let index = counts.firstIndex(where: { $0.name == layer.kind.name }) {
        counts[index].count += 1
      } else {
        counts.append((layer.kind.name, 1))
      }
    }
    lines.append("operators            " + counts.map { "\($0.name) \($0.count)" }.joined(separator: ", "))
    let passes = imported.passes.filter { $0.rewrites > 0 }.map { "\($0.pass) \($0.rewrites)" }
    if !passes.isEmpty { lines.append("rewritten            " + passes.joined(separator: ", ")) }
    let parameters = Set(graph.operators.flatMap(\.inputs)).compactMap { graph.tensors[$0] }.filter(\.isConstant)
    lines.append("parameters           \(parameters.reduce(0) { $0 + $1.count })")
    if graph.isMixed {
      let names = graph.floatLayers
      lines.append("in float             " + names.joined(separator: ", "))
    }
    let type = graph.isMixed ? "int8 and float32" : graph.isQuantized ? "int8" : "float32"
    lines.append("file                 \(fileBytes) bytes")
    lines.append("written              \(output) (\(type))")
    return lines.joined(separator: "\n")
  }

  private func text(_ value: Imported.Value) -> String {
    let shape = value.shape.map(String.init).joined(separator: "×")
    return "\(value.name) \(value.type) \(shape)" + (value.isOffset ? ", stored as uint8 with 128 added" : "")
  }
}

extension Graph {
  /// The layers of a quantized network that read floats and compute with them.
  fileprivate var floatLayers: [String] {
    operators.filter { layer in
      layer.kind != .quantizeLinear
        && layer.inputs.contains { tensors[$0].map { !$0.isConstant && $0.type == .float32 } ?? false }
    }.map(\.name)
  }
}
