import CBundle
import CNNSupport

/// A bundle's bytes, checked: the section table at once, each section when it is read. Any bytes at all are safe.
public struct BundleReader {
  /// In the order of the table.
  public let sections: [BundleSection]
  /// `CNNB_FLAG_…`
  public let flags: UInt32
  /// Of the file, (major, minor).
  public let version: (major: Int, minor: Int)
  public var fileBytes: Int { bytes.count }
  private let bytes: [UInt8]
  private let place: String

  /// Opens a file.
  /// - Throws: `CNNError` with the path.
  public init(path: String) throws(CNNError) { try self.init(try readFile(path), at: path) }

  /// Takes a bundle in memory; `place` names it in errors.
  public init(_ bytes: [UInt8], at place: String = "bundle") throws(CNNError) {
    self.bytes = bytes
    self.place = place
    do throws(CNNError) {
      let header = try BundleReader.header(of: bytes)
      flags = header.flags
      version = (Int(header.version_major), Int(header.version_minor))
      sections = try BundleReader.sections(of: bytes, header)
    } catch { throw error.inside(place) }
  }

  /// The whole network.
  /// - Throws: `CNNError` with the file, the section and the layer or tensor.
  public func graph() throws(CNNError) -> Graph {
    do throws(CNNError) {
      var decoder = try GraphDecoder(
        graph: try required(.graph), quantization: try contents(.quantization) ?? [],
        weights: try contents(.weights) ?? [])
      var graph = try decoder.decode()
      if let section = try contents(.recipe) { graph.recipe = try section.reading(.recipe, decodeRecipe) }
      if let section = try contents(.labels) { graph.labels = try section.reading(.labels, decodeStrings) }
      if let section = try contents(.metadata) { graph.metadata = try section.reading(.metadata, decodeMetadata) }
      graph.trainingState = try contents(.training)
      try graph.validate()
      if let section = try contents(.selfTest) {
        let network = graph
        graph.selfTest = try section.reading(.selfTest) { bytes throws(CNNError) in try decodeSelfTest(bytes, network) }
        try graph.checkSelfTest()
      }
      guard graph.flags == flags else {
        throw CNNError("the flags in the header are not those of the graph", at: "header")
      }
      return graph
    } catch { throw error.inside(place) }
  }

  /// A section's decoded bytes, its checksum verified; nil if the bundle has none of this kind.
  public func contents(_ kind: SectionKind) throws(CNNError) -> [UInt8]? {
    guard let section = sections.first(where: { $0.kind == kind }) else { return nil }
    let stored = bytes[section.offset..<section.offset + section.storedBytes]
    let raw =
      switch section.codec {
      case .stored: Array(stored)
      case .deflate: Zlib.inflate(stored, rawBytes: section.rawBytes)
      }
    guard let raw, Zlib.crc32(raw) == section.crc32 else {
      throw CNNError("is damaged: its checksum is wrong", at: "section \(kind.name)", advice: "copy the file again")
    }
    return raw
  }

  private func required(_ kind: SectionKind) throws(CNNError) -> [UInt8] {
    guard let contents = try contents(kind) else { throw CNNError("the bundle has no section \(kind.name)") }
    return contents
  }

  // MARK: Header and table

  private static func header(of bytes: [UInt8]) throws(CNNError) -> cnnb_header {
    let size = MemoryLayout<cnnb_header>.size
    let start = bytes.prefix(bundleMagic.count)
    guard start.elementsEqual(bundleMagic.prefix(start.count)), !bytes.isEmpty else {
      throw CNNError("is not a bundle", advice: "give a .cnn file, as cnn-train and cnn-export write it")
    }
    guard bytes.count >= size else {
      throw CNNError("is truncated: \(bytes.count) bytes", advice: "copy the file again")
    }
    var reader = ByteReader(bytes)
    let header = try reader.read(cnnb_header.self)
    guard header.header_crc32 == Zlib.crc32(bytes[..<(size - 4)]) else {
      throw CNNError("is damaged: the header's checksum is wrong", at: "header", advice: "copy the file again")
    }
    guard header.version_major == CNNB_VERSION_MAJOR else {
      throw CNNError(
        "has format version \(header.version_major).\(header.version_minor), not \(CNNB_VERSION_MAJOR)",
        at: "header", advice: "use the tools of that version")
    }
    guard header.flags & ~(CNNB_FLAG_QUANTIZED | CNNB_FLAG_MIXED) == 0,
      header.reserved == (0, 0, 0, 0, 0) || header.version_minor > CNNB_VERSION_MINOR
    else { throw CNNError("has unknown flags or reserved fields that are not 0", at: "header") }
    guard header.file_bytes == bytes.count else {
      throw CNNError(
        "has \(bytes.count) bytes but says \(header.file_bytes)", at: "header", advice: "copy the file again")
    }
    return header
  }

  private static func sections(of bytes: [UInt8], _ header: cnnb_header) throws(CNNError) -> [BundleSection] {
    let size = MemoryLayout<cnnb_section>.size
    guard header.table_offset <= bytes.count, header.table_offset % UInt64(bundleAlignment) == 0,
      header.section_count <= 64, Int(header.section_count) <= (bytes.count - Int(header.table_offset)) / size
    else { throw CNNError("lies outside the file, is not aligned or has more than 64 entries", at: "section table") }
    let range = Int(header.table_offset)..<Int(header.table_offset) + Int(header.section_count) * size
    guard Zlib.crc32(bytes[range]) == header.table_crc32 else {
      throw CNNError("is damaged: its checksum is wrong", at: "section table", advice: "copy the file again")
    }
    var reader = ByteReader(Array(bytes[range]))
    var sections: [BundleSection] = []
    for record in try reader.read(cnnb_section.self, count: Int(header.section_count)) {
      let section = try BundleSection(record, fileBytes: bytes.count)
      guard !sections.contains(where: { $0.rawKind == section.rawKind }) else {
        throw CNNError("is there twice", at: "section \(section.name)")
      }
      sections.append(section)
    }
    try checkOverlap(sections, tableOffset: range.lowerBound)
    return sections
  }

  private static func checkOverlap(_ sections: [BundleSection], tableOffset: Int) throws(CNNError) {
    var end = MemoryLayout<cnnb_header>.size
    for section in sections.sorted(by: { $0.offset < $1.offset }) {
      guard section.offset >= end, section.offset + section.storedBytes <= tableOffset else {
        throw CNNError("overlaps another part of the file", at: "section \(section.name)")
      }
      end = section.offset + section.storedBytes
    }
  }
}

extension Graph {
  /// Reads a bundle.
  public init(bundleAt path: String) throws(CNNError) { self = try BundleReader(path: path).graph() }
}

extension BundleSection {
  fileprivate init(_ record: cnnb_section, fileBytes: Int) throws(CNNError) {
    kind = SectionKind(rawValue: record.kind)
    rawKind = record.kind
    let place = "section \(kind?.name ?? String(record.kind))"
    guard record.flags & ~CNNB_SECTION_REQUIRED == 0, record.reserved == (0, 0, 0, 0, 0, 0) else {
      throw CNNError("has unknown flags or reserved fields that are not 0", at: place)
    }
    guard kind != nil || record.flags & CNNB_SECTION_REQUIRED == 0 else {
      throw CNNError("is of a kind that this tool does not know", at: place, advice: "use a newer version of the tools")
    }
    guard let codec = SectionCodec(rawValue: record.codec) ?? (kind == nil ? .stored : nil) else {
      throw CNNError("has the unknown codec \(record.codec)", at: place, advice: "use a newer version of the tools")
    }
    guard record.offset % UInt64(bundleAlignment) == 0, record.offset <= fileBytes,
      record.stored_bytes <= UInt64(fileBytes) - record.offset
    else { throw CNNError("lies outside the file or is not aligned", at: place) }
    // 2⁴⁰: far beyond any network, and far from overflow.
    guard record.raw_bytes <= 1 << 40, codec != .stored || kind == nil || record.raw_bytes == record.stored_bytes else {
      throw CNNError("has the size \(record.raw_bytes)", at: place)
    }
    self.codec = codec
    offset = Int(record.offset)
    storedBytes = Int(record.stored_bytes)
    rawBytes = Int(record.raw_bytes)
    crc32 = record.crc32
  }
}

// MARK: Sections

/// Reads structs one after another; every size is checked.
private struct ByteReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func read<T: BitwiseCopyable>(_ type: T.Type) throws(CNNError) -> T { try read(type, count: 1)[0] }

  mutating func read<T: BitwiseCopyable>(_: T.Type, count: Int) throws(CNNError) -> [T] {
    let size = MemoryLayout<T>.size
    guard count >= 0, count <= rest.count / size else { throw CNNError("is too short for what it says it holds") }
    let bytes = try readBytes(count * size)
    return [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      UnsafeMutableRawBufferPointer(buffer).copyBytes(from: bytes)
      initialized = count
    }
  }

  mutating func readBytes(_ count: Int) throws(CNNError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= rest.count else { throw CNNError("is too short for what it says it holds") }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  func checkEnd() throws(CNNError) {
    guard isAtEnd else { throw CNNError("has \(rest.count) bytes more than it says") }
  }
}

extension [UInt8] {
  fileprivate func reading<R>(
    _ kind: SectionKind, _ decode: ([UInt8]) throws(CNNError) -> R
  ) throws(CNNError) -> R {
    do { return try decode(self) } catch { throw error.inside("section \(kind.name)") }
  }
}

/// A later minor version may give reserved fields a meaning, which must not be missed.
private func requireZero<T: BitwiseCopyable>(_ reserved: T) throws(CNNError) {
  guard byteArray(reserved).allSatisfy({ $0 == 0 }) else { throw CNNError("has reserved fields that are not 0") }
}

/// The string at `offset` of NUL-terminated ones.
private func string(_ offset: UInt32, in bytes: [UInt8]) throws(CNNError) -> String {
  guard offset < bytes.count, let end = bytes[Int(offset)...].firstIndex(of: 0) else {
    throw CNNError("a string lies outside the section")
  }
  guard let string = String(validating: bytes[Int(offset)..<end], as: UTF8.self) else {
    throw CNNError("a string is not UTF-8")
  }
  return string
}

private func decodeStrings(_ bytes: [UInt8]) throws(CNNError) -> [String] {
  var reader = ByteReader(bytes)
  let header = try reader.read(cnnb_strings.self)
  try requireZero(header.reserved)
  let offsets = try reader.read(UInt32.self, count: Int(header.count))
  let text = Array(try reader.readBytes(Int(header.byte_count)))
  try reader.checkEnd()
  guard text.last == 0 || text.isEmpty && offsets.isEmpty else { throw CNNError("its strings do not end with NUL") }
  var strings: [String] = []
  for offset in offsets { strings.append(try string(offset, in: text)) }
  return strings
}

private func decodeMetadata(_ bytes: [UInt8]) throws(CNNError) -> Metadata {
  let strings = try decodeStrings(bytes)
  guard strings.count % 2 == 0 else { throw CNNError("has a key without a value") }
  var metadata = Metadata()
  for index in stride(from: 0, to: strings.count, by: 2) {
    guard metadata[strings[index]] == nil else { throw CNNError("has the key “\(strings[index])” twice") }
    metadata[strings[index]] = strings[index + 1]
  }
  return metadata
}

private func decodeRecipe(_ bytes: [UInt8]) throws(CNNError) -> Recipe {
  var reader = ByteReader(bytes)
  let record = try reader.read(cnnb_recipe.self)
  try reader.checkEnd()
  guard let order = Recipe.ChannelOrder(rawValue: record.channel_order), record.channels == (order == .grey ? 1 : 3)
  else {
    throw CNNError("has \(record.channels) channels in the order \(record.channel_order)")
  }
  func channels<T>(_ values: (T, T, T)) -> [T] { order == .grey ? [values.0] : [values.0, values.1, values.2] }
  let resize: Recipe.Resize
  switch Int(record.resize) {
  case Int(CNNB_RESIZE_STRETCH): resize = .stretch
  case Int(CNNB_RESIZE_CROP): resize = .crop(shorter: Int(record.resize_shorter))
  case Int(CNNB_RESIZE_LETTERBOX):
    let fill = channels(record.fill).compactMap(UInt8.init(exactly:))
    resize = .letterbox(fill: fill)
  default: throw CNNError("has the unknown way of resizing \(record.resize)")
  }
  let recipe = Recipe(
    width: Int(record.width), height: Int(record.height), channelOrder: order, resize: resize,
    mean: channels(record.mean), deviation: channels(record.deviation))
  try recipe.validate()
  guard byteArray(cnnb_recipe(recipe)) == bytes else { throw CNNError("has fields that it does not use and are not 0") }
  return recipe
}

private func decodeSelfTest(_ bytes: [UInt8], _ graph: Graph) throws(CNNError) -> SelfTest {
  var reader = ByteReader(bytes)
  let header = try reader.read(cnnb_self_test.self)
  try requireZero(header.reserved)
  func tensors(_ names: [String]) throws(CNNError) -> [TensorData] {
    var data: [TensorData] = []
    for name in names {
      guard let tensor = graph.tensors[name], let count = tensor.shape.checkedCount else {
        throw CNNError("the tensor \(name) has no valid shape")
      }
      data.append(TensorData(type: tensor.type, bytes: try reader.readBytes(count * tensor.type.size)))
    }
    return data
  }
  guard Int(header.input_count) == graph.inputs.count, Int(header.output_count) == graph.outputs.count else {
    throw CNNError("has not one tensor per input and output")
  }
  let inputs = try tensors(graph.inputs)
  let outputs = try tensors(graph.outputs)
  try reader.checkEnd()
  func size(_ data: [TensorData]) -> Int { data.reduce(0) { $0 + $1.count * $1.type.size } }
  guard header.input_bytes == size(inputs), header.output_bytes == size(outputs) else {
    throw CNNError("has \(header.input_bytes) and \(header.output_bytes) bytes, not those of the inputs and outputs")
  }
  return SelfTest(inputs: inputs, outputs: outputs, tolerance: header.tolerance)
}

// MARK: GRAPH, QUANTIZATION, WEIGHTS

/// Puts the network together from the three sections that describe it.
private struct GraphDecoder {
  private var tensors: [cnnb_tensor]
  private var operators: [cnnb_operator]
  private var inputs: [UInt32]
  private var outputs: [UInt32]
  private var operands: [UInt32]
  private var strings: [UInt8]
  private var quantizations: [cnnb_quantization] = []
  private var scales: [Float] = []
  private var weights: [UInt8]
  /// By index.
  private var names: [String] = []
  /// How each constant lies in WEIGHTS, once a layer that reads it has said so.
  private var orders: [Int: StoredOrder] = [:]
  /// Constants that hold a weight's sums, by index: the weight's index and order.
  private var sums: [Int: (weight: Int, order: WeightOrder)] = [:]
  /// Constants that are attributes in the graph.
  private var attributes: Set<Int> = []

  init(graph: [UInt8], quantization: [UInt8], weights: [UInt8]) throws(CNNError) {
    self.weights = weights
    do throws(CNNError) {
      var reader = ByteReader(graph)
      let header = try reader.read(cnnb_graph.self)
      try requireZero(header.reserved)
      tensors = try reader.read(cnnb_tensor.self, count: Int(header.tensor_count))
      operators = try reader.read(cnnb_operator.self, count: Int(header.operator_count))
      inputs = try reader.read(UInt32.self, count: Int(header.input_count))
      outputs = try reader.read(UInt32.self, count: Int(header.output_count))
      operands = try reader.read(UInt32.self, count: Int(header.operand_count))
      strings = Array(try reader.readBytes(Int(header.string_bytes)))
      try reader.checkEnd()
      guard strings.first == 0, strings.last == 0 else { throw CNNError("its strings do not begin and end with NUL") }
    } catch { throw error.inside("section GRAPH") }
    guard !quantization.isEmpty else { return }
    do throws(CNNError) {
      var reader = ByteReader(quantization)
      let header = try reader.read(cnnb_quantization_header.self)
      try requireZero(header.reserved)
      quantizations = try reader.read(cnnb_quantization.self, count: Int(header.entry_count))
      scales = try reader.read(Float.self, count: Int(header.scale_count))
      try reader.checkEnd()
    } catch { throw error.inside("section QUANTIZATION") }
  }

  mutating func decode() throws(CNNError) -> Graph {
    var graph = Graph()
    do throws(CNNError) {
      try decodeNames()
      for record in operators { graph.operators.append(try decode(record)) }
      for index in tensors.indices where sums[index] == nil && !attributes.contains(index) {
        do { graph.tensors[names[index]] = try decode(index) } catch { throw error.inside("tensor \(names[index])") }
      }
      for (index, found) in sums { try checkSums(index, of: found.weight, found.order, graph) }
      for index in inputs { graph.inputs.append(try name(index)) }
      for index in outputs { graph.outputs.append(try name(index)) }
    } catch { throw error.inside("section GRAPH") }
    return graph
  }

  private mutating func decodeNames() throws(CNNError) {
    var seen: Set<String> = []
    for (index, tensor) in tensors.enumerated() {
      var name = try string(tensor.name, in: strings)
      if name.isEmpty { name = "tensor\(index)" }
      guard seen.insert(name).inserted else { throw CNNError("two tensors have this name", at: "tensor \(name)") }
      names.append(name)
    }
  }

  private func name(_ index: UInt32) throws(CNNError) -> String {
    guard index < names.count else { throw CNNError("the tensor index \(index) is out of range") }
    return names[Int(index)]
  }

  private mutating func decode(_ record: cnnb_operator) throws(CNNError) -> Operator {
    let name = try string(record.name, in: strings)
    do throws(CNNError) {
      let count = Int(record.input_count) + Int(record.output_count)
      guard Int(record.first_operand) + count <= operands.count else { throw CNNError("its operands are out of range") }
      var indices = Array(operands[Int(record.first_operand)..<Int(record.first_operand) + count])
      let written = indices.suffix(Int(record.output_count))
      indices.removeLast(written.count)
      let constants = try takeConstants(&indices, of: record)
      var layer = Operator(name, .relu, inputs: [], outputs: [], activation: try Activation(record))
      let output = written.first.map(Int.init) ?? tensors.count
      layer.kind = try OperatorKind(
        record, constants: constants, outputShape: output < tensors.count ? try shape(of: output) : [])
      for index in written { layer.outputs.append(try self.name(index)) }
      try takeSums(&indices, of: layer)
      for (position, index) in indices.enumerated() {
        layer.inputs.append(index == CNNB_NONE ? "" : try self.name(index))
        if index != CNNB_NONE { try setOrder(of: Int(index), layer, input: position) }
      }
      // An absent bias at the end needs no place.
      while layer.inputs.last == "" { layer.inputs.removeLast() }
      return layer
    } catch { throw error.inside("layer \(name)") }
  }

  /// Removes the int32 operands of Slice and Pad, which are attributes in the graph.
  private mutating func takeConstants(
    _ indices: inout [UInt32], of record: cnnb_operator
  ) throws(CNNError) -> [[Int]] {
    let count = OperatorKind.constantOperandCount(of: record)
    guard count > 0 else { return [] }
    guard indices.count == 1 + count else { throw CNNError("needs \(1 + count) inputs, not \(indices.count)") }
    var constants: [[Int]] = []
    for index in indices.suffix(count) {
      _ = try name(index)
      let index = Int(index)
      guard orders[index] == nil, sums[index] == nil else { throw CNNError("\(names[index]) is another layer's") }
      let tensor = try decode(index)
      guard let values = tensor.data?.int32s, tensor.shape.count == 1, tensor.quantization == nil else {
        throw CNNError("\(names[index]) is no list of int32 numbers")
      }
      attributes.insert(index)
      constants.append(values.map(Int.init))
    }
    indices.removeLast(count)
    return constants
  }

  /// Removes the fourth operand of an int8 layer with weights: the graph has no use for it.
  private mutating func takeSums(_ indices: inout [UInt32], of layer: Operator) throws(CNNError) {
    guard layer.kind.hasWeight, indices.count >= 2, indices[1] < tensors.count,
      tensors[Int(indices[1])].type == ElementType.int8.rawValue
    else { return }
    guard indices.count == 4, indices[3] < tensors.count else {
      throw CNNError("an int8 layer needs its weights' sums")
    }
    let index = Int(indices.removeLast())
    let weight = Int(indices[1])
    let order = try WeightOrder(of: layer.kind, weightShape: try shape(of: weight))
    guard sums[index] == nil || sums[index]! == (weight, order), orders[index] == nil || sums[index] != nil else {
      throw CNNError("its weights' sums belong to another layer")
    }
    guard try shape(of: index) == [order.phaseCount * order.outputChannels] else {
      throw CNNError("\(names[index]) is not one sum per output channel")
    }
    sums[index] = (weight, order)
    orders[index] = .channels(parts: order.phaseCount)
  }

  private mutating func setOrder(of index: Int, _ layer: Operator, input: Int) throws(CNNError) {
    guard tensors[index].flags & CNNB_TENSOR_CONSTANT != 0 else { return }
    let order = try StoredOrder(of: layer, input: input, shape: try shape(of: index))
    guard orders[index] == nil || orders[index] == order else {
      throw CNNError("reads \(names[index]) in another order than an earlier layer")
    }
    guard sums[index] == nil, !attributes.contains(index) else {
      throw CNNError("reads \(names[index]), which is another layer's attribute or sums")
    }
    orders[index] = order
  }

  private func shape(of index: Int) throws(CNNError) -> [Int] {
    let record = tensors[index]
    guard record.rank <= CNNB_MAX_RANK else { throw CNNError("\(names[index]) has rank \(record.rank)") }
    let dims = withUnsafeBytes(of: record.dims) { $0.bindMemory(to: UInt32.self).map(Int.init) }
    let shape = Array(dims.prefix(Int(record.rank)))
    guard shape.checkedCount != nil, dims.dropFirst(shape.count).allSatisfy({ $0 == 1 }) else {
      throw CNNError("\(names[index]) has the shape \(text(shape)), or sizes beyond its rank")
    }
    return shape
  }

  private func decode(_ index: Int) throws(CNNError) -> Tensor {
    let record = tensors[index]
    guard let type = ElementType(rawValue: record.type) else { throw CNNError("has the unknown type \(record.type)") }
    let shape = try shape(of: index)
    var quantization = record.quantization == CNNB_NONE ? nil : try decodeQuantization(record.quantization)
    guard record.flags & ~(CNNB_TENSOR_CONSTANT | (type == .uint8 ? CNNB_TENSOR_SIGNED : 0)) == 0 else {
      throw CNNError("has unknown flags")
    }
    quantization?.isSigned = record.flags & CNNB_TENSOR_SIGNED != 0
    guard record.flags & CNNB_TENSOR_CONSTANT != 0 else {
      guard record.layout == CNNB_LAYOUT_PLAIN, record.data_bytes == 0, record.data_offset == 0 else {
        throw CNNError("is an activation with data or a layout")
      }
      return Tensor(type, shape: shape, quantization: quantization)
    }
    return Tensor(
      try decodeData(record, type, shape, orders[index] ?? .plain), shape: shape, quantization: quantization)
  }

  private func decodeData(
    _ record: cnnb_tensor, _ type: ElementType, _ shape: [Int], _ order: StoredOrder
  ) throws(CNNError) -> TensorData {
    guard record.layout == order.code else {
      throw CNNError("has the layout \(record.layout) where \(order.code) is needed")
    }
    if case .weight = order {
      guard type == .float32 || type == .int8 else { throw CNNError("is a weight of \(type)") }
    }
    if case .channels = order, shape.count != 1 || type != .float32 && type != .int32 {
      throw CNNError("has values per channel of \(type), shape \(text(shape))")
    }
    let count = shape.checkedCount!
    // Before anything is computed that a huge shape would make long.
    guard count * type.size <= weights.count else {
      throw CNNError("needs \(count * type.size) bytes and more, which do not lie in WEIGHTS where it says")
    }
    let bytes = order.storedCount(count, type: type) * type.size
    guard record.data_bytes == bytes, record.data_offset % UInt64(bundleAlignment) == 0,
      record.data_offset <= weights.count, record.data_bytes <= UInt64(weights.count) - record.data_offset
    else { throw CNNError("needs \(bytes) bytes, which do not lie in WEIGHTS where it says") }
    let offset = Int(record.data_offset)
    let stored = TensorData(type: type, bytes: weights[offset..<offset + bytes])
    guard let data = order.unpack(stored, count: count) else { throw CNNError("has padding that is not 0") }
    return data
  }

  private func decodeQuantization(_ index: UInt32) throws(CNNError) -> Quantization {
    guard index < quantizations.count else { throw CNNError("its quantization is out of range") }
    let record = quantizations[Int(index)]
    let first = Int(record.first_scale)
    guard record.scale_count > 0, first + Int(record.scale_count) <= scales.count else {
      throw CNNError("its scales are out of range")
    }
    var quantization = Quantization(
      scales: Array(scales[first..<first + Int(record.scale_count)]), axis: Int(record.axis))
    quantization.zeroPoint = record.zero_point
    return quantization
  }

  private func checkSums(_ index: Int, of weight: Int, _ order: WeightOrder, _ graph: Graph) throws(CNNError) {
    guard let values = graph.tensors[names[weight]]?.data?.int8s,
      try decode(index).data == .int32(order.sums(values))
    else { throw CNNError("is not the sum of the weights \(names[weight])", at: "tensor \(names[index])") }
  }
}
