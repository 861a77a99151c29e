import CBundle
import CCNNRT
import CPlatform

/// A bundle that has been checked: everything the accessors give can be used without further checks (Guarantees.swift
/// lists what holds). A value of pointers into memory that `close` frees; immutable, shared by threads.
///
/// Tensors and operators are spoken of by their index:
/// - `tensorCount`, `tensor(i)` (the `cnnb_tensor`), `name(i)`, `shape`, `isConstant(i)`, `data(i)` (of a constant, in
///   kernel order, aligned to 64), `scale(i)` and `zeroPoint(i)` (of an activation), `weightScale(i, channel)`,
///   `producer(i)` (the operator that writes it, `nil` for inputs and constants)
/// - `operatorCount`, `operation(i)` (the `cnnb_operator`), `layerName(i)`, `input(i, k)` (a tensor, or `nil` where an
///   optional operand is left out), `output(i)`, `work(i)`
/// - `inputCount`, `networkInput(i)`, `outputCount`, `networkOutput(i)` (tensors)
/// - `ConvOrder`, `BlockOrder`, `TransposedAxis` describe how weights lie; `Window` pads and output lengths.
public struct Model {
  public var source = Source()
  /// The block that holds what is not used in place.
  private var memory: UnsafeMutableRawPointer?
  private var loadedBytes = 0
  private var flags: UInt32 = 0
  var weights: UnsafeRawPointer?
  public private(set) var weightBytes = 0
  /// Where errors in the graph are: its place in the file.
  var graphSection = Section()
  var graph = cnnb_graph()
  var tensors = UnsafePointer<cnnb_tensor>(bitPattern: 64)!
  var operators = UnsafePointer<cnnb_operator>(bitPattern: 64)!
  var inputs = UnsafePointer<UInt32>(bitPattern: 64)!
  var outputs = UnsafePointer<UInt32>(bitPattern: 64)!
  var operands = UnsafePointer<UInt32>(bitPattern: 64)!
  var strings = UnsafePointer<CChar>(bitPattern: 64)!
  var producers = UnsafeMutablePointer<UInt32>(bitPattern: 64)!
  /// `listLength` numbers of each operator.
  var lists = UnsafeMutablePointer<Int32>(bitPattern: 64)!
  var quantizations: UnsafePointer<cnnb_quantization>?
  var quantizationCount = 0
  var scales: UnsafePointer<Float>?
  /// Labels and metadata (key, value, key, value …).
  public internal(set) var labels = StringList()
  public internal(set) var metadata = StringList()
  public internal(set) var recipe: cnnb_recipe?
  public internal(set) var selfTest: SelfTest?

  public init() {}

  /// Checks and loads the opened `source`. On failure, `close` frees what there is; the failure's name points into it.
  public mutating func load(limits: Limits) throws(Failure) {
    var sections = Sections()
    try sections.readTable(source.bytes)
    flags = sections.header.flags
    guard let section = sections[CNNB_SECTION_GRAPH] else { throw .format("the section GRAPH is missing") }
    // No more tensors and operators than fit the section.
    let producerBytes = section.count / MemoryLayout<cnnb_tensor>.size * 4
    let listBytes = section.count / MemoryLayout<cnnb_operator>.size * Self.listLength * 4
    do {
      defer { (memory, loadedBytes) = (sections.memory, sections.memoryBytes) }
      let extra = try sections.load(
        source.bytes, limit: limits.memory - source.allocatedBytes, extra: producerBytes + listBytes)
      producers = extra.assumingMemoryBound(to: UInt32.self)
      lists = (extra + producerBytes).assumingMemoryBound(to: Int32.self)
    }
    graphSection = sections[CNNB_SECTION_GRAPH]!
    weights = sections[CNNB_SECTION_WEIGHTS]?.data
    weightBytes = sections[CNNB_SECTION_WEIGHTS]?.count ?? 0
    try readQuantization(sections[CNNB_SECTION_QUANTIZATION])
    try readGraph()
    try checkTensors()
    try checkOperators(limits)
    labels = try StringList(sections[CNNB_SECTION_LABELS], "section LABELS")
    metadata = try StringList(sections[CNNB_SECTION_METADATA], "section METADATA")
    guard metadata.count % 2 == 0 else { throw Failure.format("a key has no value").at("section METADATA") }
    try readRecipe(sections[CNNB_SECTION_RECIPE])
    try readSelfTest(sections[CNNB_SECTION_SELF_TEST])
  }

  public mutating func close() {
    cp_free(memory)
    source.close()
    self = Model()
  }

  /// Checks every checksum, and the weight sums.
  public func verify() throws(Failure) {
    var sections = Sections()
    try sections.readTable(source.bytes)
    try sections.verify(source.bytes)
    try verifyWeightSums()
  }

  // MARK: - The file

  public var isQuantized: Bool { flags & CNNB_FLAG_QUANTIZED != 0 }
  public var isMixed: Bool { flags & CNNB_FLAG_MIXED != 0 }
  /// Allocated for it, the mapping not counted.
  public var memoryBytes: Int { loadedBytes + source.allocatedBytes }

  // MARK: - Tensors

  public var tensorCount: Int { Int(graph.tensor_count) }
  public func tensor(_ i: Int) -> cnnb_tensor { tensors[i] }
  public func name(_ i: Int) -> UnsafePointer<CChar> { strings + Int(tensors[i].name) }
  public func isConstant(_ i: Int) -> Bool { tensors[i].flags & CNNB_TENSOR_CONSTANT != 0 }
  /// What stored values are above those that they stand for: 128 where these are int8.
  public func storedOffset(_ i: Int) -> Int32 { tensors[i].flags & CNNB_TENSOR_SIGNED != 0 ? 128 : 0 }
  /// A constant's elements, in the order its layout says.
  public func data(_ i: Int) -> UnsafeRawPointer {
    weights! + Int(tensors[i].data_offset)
  }
  /// The operator that writes a tensor; nil for inputs and constants.
  public func producer(_ i: Int) -> Int? { producers[i] < graph.operator_count ? Int(producers[i]) : nil }
  /// Of a quantized activation; 0 of a float one.
  public func scale(_ i: Int) -> Float {
    tensors[i].quantization == CNNB_NONE ? 0 : scales![Int(quantizations![Int(tensors[i].quantization)].first_scale)]
  }
  public func zeroPoint(_ i: Int) -> Int32 {
    tensors[i].quantization == CNNB_NONE ? 0 : quantizations![Int(tensors[i].quantization)].zero_point
  }
  /// Of one output channel of an int8 weight.
  public func weightScale(_ i: Int, _ channel: Int) -> Float {
    scales![Int(quantizations![Int(tensors[i].quantization)].first_scale) + channel]
  }

  // MARK: - Operators

  public var operatorCount: Int { Int(graph.operator_count) }
  public func operation(_ i: Int) -> cnnb_operator { operators[i] }
  public func layerName(_ i: Int) -> UnsafePointer<CChar> { strings + Int(operators[i].name) }
  /// The tensor of an operand; nil where an optional one is left out.
  public func input(_ i: Int, _ operand: Int) -> Int? {
    guard operand < Int(operators[i].input_count) else { return nil }
    let t = operands[Int(operators[i].first_operand) + operand]
    return t == CNNB_NONE ? nil : Int(t)
  }
  public func output(_ i: Int) -> Int { Int(operands[Int(operators[i].first_operand) + Int(operators[i].input_count)]) }

  // MARK: - The network

  public var inputCount: Int { Int(graph.input_count) }
  public func networkInput(_ i: Int) -> Int { Int(inputs[i]) }
  public var outputCount: Int { Int(graph.output_count) }
  public func networkOutput(_ i: Int) -> Int { Int(outputs[i]) }
}

/// What opening a bundle may cost.
public struct Limits {
  /// Bytes that the model may allocate.
  public var memory: Int
  /// Operations (multiply-adds, elements) of a run, per image.
  public var work: Int

  public init(memory: Int, work: Int) {
    self.memory = memory
    self.work = work
  }
}

extension cnnb_tensor {
  public func dim(_ i: Int) -> Int {
    switch i {
    case 0: Int(dims.0)
    case 1: Int(dims.1)
    case 2: Int(dims.2)
    case 3: Int(dims.3)
    case 4: Int(dims.4)
    default: Int(dims.5)
    }
  }
  public var isFloat: Bool { type == UInt32(CNNB_TYPE_FLOAT32) }
  public var isUInt8: Bool { type == UInt32(CNNB_TYPE_UINT8) }
  /// Of an activation, one image. Of rank 4 its channels and sides.
  public var channels: Int { Int(dims.1) }
  public var height: Int { Int(dims.2) }
  public var width: Int { Int(dims.3) }
  /// Bytes of an element; 0 for a type that is not known.
  public var elementBytes: Int {
    switch Int(type) {
    case CNNB_TYPE_FLOAT32, CNNB_TYPE_INT32: 4
    case CNNB_TYPE_UINT8, CNNB_TYPE_INT8: 1
    case CNNB_TYPE_FLOAT16, CNNB_TYPE_BFLOAT16: 2
    case CNNB_TYPE_INT64: 8
    default: 0
    }
  }
  /// Elements of the logical shape; nil when more than an Int32 counts.
  public var elementCount: Int? {
    var count = 1
    for i in 0..<Int(rank) {
      count *= dim(i)
      guard count <= Int(Int32.max) else { return nil }
    }
    return count
  }
}
