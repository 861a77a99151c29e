import CBundle
import CNNSupport

/// Graphs as bundles: the bytes of `cnnrt_bundle.h`. The same graph and codecs give the same bytes.
public struct BundleWriter {
  /// Asked for each section. A section that deflate does not shrink is stored.
  public var codec: (SectionKind) -> SectionCodec

  /// One codec for all sections: `.deflate` for a small file, `.stored` for one that is mapped and used in place.
  public init(codec: SectionCodec = .deflate) { self.codec = { _ in codec } }

  public init(codec: @escaping (SectionKind) -> SectionCodec) { self.codec = codec }

  /// Writes a bundle; `path` is never half written.
  /// - Throws: `CNNError` if the graph breaks a rule of the format or the file cannot be written.
  public func write(_ graph: Graph, to path: String) throws(CNNError) {
    let bytes: [UInt8]
    do { bytes = try self.bytes(of: graph) } catch { throw error.inside(path) }
    try AtomicFile.write(bytes, to: path)
  }

  /// A bundle in memory.
  /// - Throws: `CNNError` if the graph breaks a rule of the format.
  public func bytes(of graph: Graph) throws(CNNError) -> [UInt8] {
    try graph.validate()
    var encoder = GraphEncoder(graph)
    try encoder.encode()
    var contents: [(SectionKind, [UInt8])] = [
      (.graph, encoder.graphSection), (.quantization, encoder.quantizationSection),
    ]
    if let recipe = graph.recipe { contents.append((.recipe, byteArray(cnnb_recipe(recipe)))) }
    contents.append((.labels, graph.labels.isEmpty ? [] : stringsSection(graph.labels)))
    let pairs = graph.metadata.entries.flatMap { [$0.key, $0.value] }
    contents.append((.metadata, pairs.isEmpty ? [] : stringsSection(pairs)))
    if let selfTest = graph.selfTest { contents.append((.selfTest, selfTestSection(selfTest))) }
    contents.append((.weights, encoder.weights))
    contents.append((.training, graph.trainingState ?? []))
    return assemble(contents.filter { !$0.1.isEmpty }, flags: graph.flags)
  }

  private func assemble(_ contents: [(SectionKind, [UInt8])], flags: UInt32) -> [UInt8] {
    var file = [UInt8](repeating: 0, count: MemoryLayout<cnnb_header>.size)
    var table: [UInt8] = []
    for (kind, raw) in contents {
      pad(&file)
      let (codec, stored) = encoded(raw, kind)
      var entry = cnnb_section()
      entry.kind = kind.rawValue
      entry.codec = codec.rawValue
      entry.offset = UInt64(file.count)
      entry.stored_bytes = UInt64(stored.count)
      entry.raw_bytes = UInt64(raw.count)
      entry.crc32 = Zlib.crc32(raw)
      entry.flags = kind.isRequired ? CNNB_SECTION_REQUIRED : 0
      table += byteArray(entry)
      file += stored
    }
    pad(&file)
    var header = cnnb_header()
    withUnsafeMutableBytes(of: &header.magic) { $0.copyBytes(from: bundleMagic) }
    header.version_major = UInt16(CNNB_VERSION_MAJOR)
    header.version_minor = UInt16(CNNB_VERSION_MINOR)
    header.flags = flags
    header.file_bytes = UInt64(file.count + table.count)
    header.table_offset = UInt64(file.count)
    header.section_count = UInt32(contents.count)
    header.table_crc32 = Zlib.crc32(table)
    header.header_crc32 = Zlib.crc32(byteArray(header).dropLast(4))
    file.replaceSubrange(0..<MemoryLayout<cnnb_header>.size, with: byteArray(header))
    return file + table
  }

  private func encoded(_ raw: [UInt8], _ kind: SectionKind) -> (SectionCodec, [UInt8]) {
    if codec(kind) == .deflate {
      let stream = Zlib.deflate(raw)
      if stream.count < raw.count { return (.deflate, stream) }
    }
    return (.stored, raw)
  }
}

extension Graph {
  /// `CNNB_FLAG_…`
  var flags: UInt32 { (isQuantized ? CNNB_FLAG_QUANTIZED : 0) | (isMixed ? CNNB_FLAG_MIXED : 0) }
}

private func pad(_ bytes: inout [UInt8]) {
  bytes += [UInt8](repeating: 0, count: -bytes.count & (bundleAlignment - 1))
}

// MARK: GRAPH, QUANTIZATION, WEIGHTS

/// Collects the three sections that describe the network.
private struct GraphEncoder {
  let graph: Graph
  private(set) var weights: [UInt8] = []
  private var tensors: [UInt8] = []
  private var operators: [UInt8] = []
  private var operands: [UInt32] = []
  private var strings = StringTable()
  private var quantizations: [UInt8] = []
  private var scales: [Float] = []
  private var indices: [Stored: UInt32] = [:]
  private var names: Set<String>

  /// A tensor of the bundle. A constant that layers read in different orders is stored once in each.
  private struct Stored: Hashable {
    var name: String
    var order: StoredOrder
    /// Not the weight of this order, but its sums.
    var isSums = false

    var bytesOrder: StoredOrder {
      if isSums, case .weight(let order) = order { .channels(parts: order.phaseCount) } else { order }
    }
  }

  init(_ graph: Graph) {
    self.graph = graph
    names = Set(graph.usedTensors)
  }

  mutating func encode() throws(CNNError) {
    for name in graph.inputs { _ = index(of: name) }
    for layer in graph.operators { try encode(layer) }
  }

  var graphSection: [UInt8] {
    var header = cnnb_graph()
    header.tensor_count = UInt32(indices.count)
    header.operator_count = UInt32(graph.operators.count)
    header.input_count = UInt32(graph.inputs.count)
    header.output_count = UInt32(graph.outputs.count)
    header.operand_count = UInt32(operands.count)
    header.string_bytes = UInt32(strings.bytes.count)
    // Inputs and outputs are written in plain order, as activations are.
    let ends = (graph.inputs + graph.outputs).map { indices[Stored(name: $0, order: .plain)]! }
    return byteArray(header) + tensors + operators + (ends + operands).flatMap(byteArray) + strings.bytes
  }

  var quantizationSection: [UInt8] {
    if quantizations.isEmpty { return [] }
    var header = cnnb_quantization_header()
    header.entry_count = UInt32(quantizations.count / MemoryLayout<cnnb_quantization>.size)
    header.scale_count = UInt32(scales.count)
    return byteArray(header) + quantizations + scales.flatMap(byteArray)
  }

  private mutating func encode(_ layer: Operator) throws(CNNError) {
    var inputs: [UInt32] = []
    for (position, name) in layer.inputs.enumerated() {
      guard !name.isEmpty else {
        inputs.append(CNNB_NONE)
        continue
      }
      let tensor = graph.tensors[name]!
      let order = tensor.isConstant ? try StoredOrder(of: layer, input: position, shape: tensor.shape) : .plain
      inputs.append(index(of: name, order: order))
    }
    if graph.weight(of: layer)?.type == .int8 {
      if inputs.count == 2 { inputs.append(CNNB_NONE) }
      inputs.append(try indexOfSums(of: layer))
    }
    for (part, values) in layer.kind.constantOperands {
      let name = freeName("\(layer.name).\(part)")
      let constant = Tensor(.int32(values.map(Int32.init)), shape: [values.count])
      inputs.append(append(constant, as: Stored(name: name, order: .plain), name: name))
    }
    var record = cnnb_operator()
    layer.kind.encode(into: &record)
    layer.activation.encode(into: &record)
    record.name = strings.offset(of: layer.name)
    record.first_operand = UInt32(operands.count)
    record.input_count = UInt16(inputs.count)
    record.output_count = UInt16(layer.outputs.count)
    operands += inputs
    for name in layer.outputs { operands.append(index(of: name)) }
    operators += byteArray(record)
  }

  private mutating func index(of name: String, order: StoredOrder = .plain) -> UInt32 {
    let stored = Stored(name: name, order: order)
    if let index = indices[stored] { return index }
    let isStored = indices.keys.contains { $0.name == name && !$0.isSums }
    return append(graph.tensors[name]!, as: stored, name: isStored ? freeName(name) : name)
  }

  /// The int8 weights' sums per output channel, a constant of the bundle that the graph does not have.
  private mutating func indexOfSums(of layer: Operator) throws(CNNError) -> UInt32 {
    let name = layer.inputs[1]
    let weight = graph.tensors[name]!
    let order = try WeightOrder(of: layer.kind, weightShape: weight.shape)
    // A weight that is read in another order may have other sums.
    let stored = Stored(name: name, order: .weight(order), isSums: true)
    if let index = indices[stored] { return index }
    let sums = order.sums(weight.data!.int8s!)
    return append(Tensor(.int32(sums), shape: [sums.count]), as: stored, name: freeName(name + ".sums"))
  }

  private mutating func append(_ tensor: Tensor, as stored: Stored, name: String) -> UInt32 {
    var record = cnnb_tensor()
    record.name = strings.offset(of: name)
    record.type = tensor.type.rawValue
    let order = stored.bytesOrder
    record.layout = order.code
    record.rank = UInt32(tensor.shape.count)
    withUnsafeMutableBytes(of: &record.dims) { bytes in
      let dims = bytes.bindMemory(to: UInt32.self)
      for axis in dims.indices { dims[axis] = axis < tensor.shape.count ? UInt32(tensor.shape[axis]) : 1 }
    }
    record.quantization = tensor.quantization.map { append($0) } ?? CNNB_NONE
    if tensor.quantization?.isSigned ?? false { record.flags = CNNB_TENSOR_SIGNED }
    if let data = tensor.data {
      let bytes = order.pack(data).bytes
      pad(&weights)
      record.flags |= CNNB_TENSOR_CONSTANT
      record.data_offset = UInt64(weights.count)
      record.data_bytes = UInt64(bytes.count)
      weights += bytes
    }
    tensors += byteArray(record)
    let index = UInt32(indices.count)
    indices[stored] = index
    return index
  }

  private mutating func append(_ quantization: Quantization) -> UInt32 {
    var record = cnnb_quantization()
    record.first_scale = UInt32(scales.count)
    record.scale_count = UInt32(quantization.scales.count)
    record.zero_point = quantization.zeroPoint
    record.axis = UInt32(quantization.axis)
    scales += quantization.scales
    quantizations += byteArray(record)
    return UInt32(quantizations.count / MemoryLayout<cnnb_quantization>.size - 1)
  }

  private mutating func freeName(_ base: String) -> String {
    let name = names.contains(base) ? (2...).lazy.map { "\(base)_\($0)" }.first { !names.contains($0) }! : base
    names.insert(name)
    return name
  }
}

/// NUL-terminated strings, each once; offset 0 is the empty one.
private struct StringTable {
  private(set) var bytes: [UInt8] = [0]
  private var offsets: [String: UInt32] = ["": 0]

  mutating func offset(of string: String) -> UInt32 {
    if let offset = offsets[string] { return offset }
    let offset = UInt32(bytes.count)
    bytes += Array(string.utf8) + [0]
    offsets[string] = offset
    return offset
  }
}

// MARK: The other sections

private func stringsSection(_ strings: [String]) -> [UInt8] {
  var offsets: [UInt32] = []
  var bytes: [UInt8] = []
  for string in strings {
    offsets.append(UInt32(bytes.count))
    bytes += Array(string.utf8) + [0]
  }
  var header = cnnb_strings()
  header.count = UInt32(strings.count)
  header.byte_count = UInt32(bytes.count)
  return byteArray(header) + offsets.flatMap(byteArray) + bytes
}

private func selfTestSection(_ selfTest: SelfTest) -> [UInt8] {
  let inputs = selfTest.inputs.flatMap(\.bytes)
  let outputs = selfTest.outputs.flatMap(\.bytes)
  var header = cnnb_self_test()
  header.input_count = UInt32(selfTest.inputs.count)
  header.output_count = UInt32(selfTest.outputs.count)
  header.tolerance = selfTest.tolerance
  header.input_bytes = UInt64(inputs.count)
  header.output_bytes = UInt64(outputs.count)
  return byteArray(header) + inputs + outputs
}

extension cnnb_recipe {
  init(_ recipe: Recipe) {
    self.init()
    width = UInt32(recipe.width)
    height = UInt32(recipe.height)
    channels = UInt32(recipe.channels)
    channel_order = recipe.channelOrder.rawValue
    switch recipe.resize {
    case .stretch: resize = UInt32(CNNB_RESIZE_STRETCH)
    case .crop(let shorter):
      resize = UInt32(CNNB_RESIZE_CROP)
      resize_shorter = UInt32(shorter)
    case .letterbox(let fill):
      resize = UInt32(CNNB_RESIZE_LETTERBOX)
      self.fill = triple(fill.map(UInt32.init))
    }
    mean = triple(recipe.mean)
    deviation = triple(recipe.deviation)
  }
}

/// One value per channel; channels that are not there get 0.
private func triple<T: Numeric>(_ values: [T]) -> (T, T, T) {
  (values[0], values.count > 1 ? values[1] : 0, values.count > 2 ? values[2] : 0)
}
