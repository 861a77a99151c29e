import CNNSupport
internal import SwiftProtobuf

extension ONNXGraph {
  /// Reads a model: any opset, functions of the model inlined, external data from the file's folder. The nodes are as
  /// in the file; `upgradeOpset` comes next.
  /// - Throws: what in the file cannot be true, or cannot be read, and where.
  package init(contentsOf path: String) throws(CNNError) {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    do {
      try self.init(ModelReader.parse(try readFile(path)), folder: folder)
    } catch {
      throw error.place.hasPrefix(path) ? error : error.inside(path)
    }
  }

  /// Reads the bytes of a model file.
  /// - Parameter folder: where its external data is, nil if it may have none.
  package init(bytes: [UInt8], folder: String? = nil) throws(CNNError) {
    try self.init(ModelReader.parse(bytes), folder: folder)
  }

  private init(_ model: consuming Onnx_ModelProto, folder: String?) throws(CNNError) {
    var reader = ModelReader(folder: folder)
    try reader.read(model)
    self = reader.graph
  }
}

/// From messages to an `ONNXGraph`, checking what they say.
struct ModelReader {
  var graph = ONNXGraph()
  let folder: String?

  init(folder: String?) { self.folder = folder }

  static func parse(_ bytes: [UInt8]) throws(CNNError) -> Onnx_ModelProto {
    var options = BinaryDecodingOptions()
    options.discardUnknownFields = true
    guard let model = try? Onnx_ModelProto(serializedBytes: bytes, options: options), model.hasGraph else {
      throw CNNError(
        "the file is not an ONNX model, or it is damaged", advice: "export it again (torch.onnx.export writes one)")
    }
    return model
  }

  mutating func read(_ model: consuming Onnx_ModelProto) throws(CNNError) {
    let opsets = Opsets(model.opsetImport, irVersion: model.irVersion)
    readMetadata(model)
    var functions = FunctionInliner(model.functions)
    var source = model.graph
    model.clearGraph()
    graph.name = source.name

    try readConstants(&source.initializer)
    graph.inputs = source.input.filter { graph.constants[$0.name] == nil }.map(ONNXGraph.Value.init)
    graph.outputs = source.output.map(ONNXGraph.Value.init)
    for value in source.valueInfo { graph.hints[value.name] = ONNXGraph.Value(value) }

    functions.reserve(
      source.input.map(\.name) + source.initializer.map(\.name) + source.node.flatMap { $0.output + $0.input })
    var nodes: [ONNXNode] = []
    for node in source.node { try nodes += functions.inlined(node, opsets) }
    graph.nodes = nodes
    graph.nameNodes()
    try graph.checkValues()
    try graph.sortNodes()
  }

  private mutating func readMetadata(_ model: Onnx_ModelProto) {
    for entry in model.metadataProps { graph.metadata[entry.key] = entry.value }
    if !model.producerName.isEmpty {
      let version = model.producerVersion
      graph.metadata["producer"] = model.producerName + (version.isEmpty ? "" : " " + version)
    }
  }

  /// One at a time, giving the bytes of each back.
  private mutating func readConstants(_ tensors: inout [Onnx_TensorProto]) throws(CNNError) {
    for index in tensors.indices {
      let name = tensors[index].name
      guard !name.isEmpty else { throw CNNError("an initialiser has no name", at: "initialiser \(index)") }
      guard graph.constants[name] == nil else {
        throw CNNError("there are two of that name", at: "initialiser “\(name)”")
      }
      do {
        graph.constants[name] = try ONNXTensor(tensors[index], folder: folder)
      } catch {
        throw error.inside("initialiser “\(name)”")
      }
      tensors[index].rawData = .init()
      tensors[index].floatData = []
    }
  }
}

extension ONNXGraph.Value {
  init(_ info: Onnx_ValueInfoProto) {
    guard info.hasType, info.type.hasTensorType else {
      self.init(name: info.name, type: nil, shape: nil)
      return
    }
    let tensor = info.type.tensorType
    let type = ONNXType(rawValue: tensor.elemType)?.held
    guard tensor.hasShape else {
      self.init(name: info.name, type: type, shape: nil)
      return
    }
    let shape = tensor.shape.dim.map { dimension -> ONNXGraph.Dimension in
      switch dimension.value {
      case .dimValue(let size) where size >= 0: .size(Int(size))
      case .dimParam(let name): .symbol(name)
      default: .symbol("")
      }
    }
    self.init(name: info.name, type: type, shape: shape)
  }
}

/// The opsets that a model or a function of it is written for.
struct Opsets {
  private var versions: [String: Int] = [:]

  /// - Parameter irVersion: the models before 3 name no opset and mean the first.
  init(_ imports: [Onnx_OperatorSetIdProto], irVersion: Int64 = .max) {
    for entry in imports { versions[Self.canonical(entry.domain)] = Int(clamping: entry.version) }
    if irVersion < 3 && versions[""] == nil { versions[""] = 1 }
  }

  /// "ai.onnx" is another name of "".
  static func canonical(_ domain: String) -> String { domain == "ai.onnx" ? "" : domain }

  subscript(domain: String) -> Int? { versions[domain] }
}
