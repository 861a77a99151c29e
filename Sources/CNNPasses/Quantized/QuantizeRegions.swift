import CNNModel

extension Pass {
  /// Makes int8 operators of what a quantized ONNX model says with float ones.
  ///
  /// - dequantizeLinear → operator → quantizeLinear is the operator's int8 form, where it has one: the same exact sums, and the
  ///   rounding of ARITHMETIC.md. Conv, ConvTranspose and Gemm with an int32 weight behind a dequantizeLinear, and Softmax, may
  ///   also give float32.
  /// - What moves or selects values does that with stored ones; its result is dequantized instead of its input, and values that
  ///   it leads to a quantizeLinear are quantized before it.
  /// - dequantizeLinear → quantizeLinear is nothing, or a Concat of one input, which gives values another quantization.
  /// - What remains is float between explicit dequantizeLinear and quantizeLinear operators, and a dequantized constant that is
  ///   left is a float32 constant.
  ///
  /// The network's inputs and outputs keep their types. Relu and Clip should have been fused before.
  public static let quantizeRegions = Pass("quantize-regions") { graph in
    var regions = QuantizedRegions(graph)
    regions.rewrite()
    graph = regions.graph
    return regions.rewrites
  }
}

/// The walk over a graph, in execution order, that builds the new one.
struct QuantizedRegions {
  /// What is there already: all tensors, and the operators so far.
  private(set) var graph: Graph
  /// Operators that became int8, and quantizations that went.
  private(set) var rewrites = 0
  private let before: [Operator]
  private var readers: [String: [Operator]] = [:]
  private var names: Set<String> = []
  /// Float tensors that are a uint8 tensor dequantized, or that nothing but that tensor is made of.
  private var stored: [String: String] = [:]
  /// Float tensors that are a constant dequantized.
  private var constants: [String: QuantizedConstant] = [:]
  /// Results of quantizeLinear that another operator writes already.
  private var written: Set<String> = []
  /// Results of quantizeLinear that another tensor is as well.
  private var replaced: [String: String] = [:]

  init(_ graph: Graph) {
    before = graph.operators
    self.graph = graph
    self.graph.operators = []
    names = Set(graph.tensors.keys).union(before.map(\.name))
    before.forEach { register($0) }
  }

  mutating func rewrite() {
    before.forEach { process($0) }
    let used = Set(graph.operators.flatMap(\.inputs))
    for (name, constant) in constants where used.contains(name) {
      graph.tensors[name] = constant.float
    }
    graph.removeUnused()
  }

  private mutating func process(_ layer: Operator) {
    var layer = layer
    layer.inputs = layer.inputs.map { replaced[$0] ?? $0 }
    switch layer.kind {
    case .dequantizeLinear: dequantize(layer)
    case .quantizeLinear: quantize(layer)
    default:
      if let parts = expanded(layer) {
        parts.forEach { register($0) }
        parts.forEach { process($0) }
      } else if !compute(layer), !move(layer) {
        append(layer)
      }
    }
  }

  // MARK: - Looking around

  func stored(_ tensor: String) -> String? { stored[tensor] }
  func constant(_ tensor: String) -> QuantizedConstant? { constants[tensor] }
  func quantization(_ tensor: String) -> Quantization? { graph.tensors[tensor]?.quantization }
  func shape(_ tensor: String) -> [Int] { graph.tensors[tensor]?.shape ?? [] }

  /// The quantization that all of a result's values get: its readers are quantizeLinear, or move it to such.
  func target(_ result: String) -> Quantization? {
    guard !graph.outputs.contains(result), let readers = readers[result] else { return nil }
    let targets = readers.map { reader in
      if reader.kind == .quantizeLinear { return quantization(reader.output) }
      return reader.kind.selectsExactly && reader.inputs.count == 1 ? target(reader.output) : nil
    }
    return targets.allSatisfy { $0 == targets[0] } ? targets[0] : nil
  }

  /// The name for the int8 form of a constant behind a dequantizeLinear: its own where nothing else reads it.
  func name(_ constant: QuantizedConstant, behind output: String) -> String {
    readers[constant.name]?.count == 1 && readers[output]?.count == 1
      ? constant.name : free(constant.name)
  }

  // MARK: - Building

  /// A name that nothing has yet; the caller takes it.
  func free(_ base: String) -> String {
    names.contains(base) ? (2...).lazy.map { "\(base)_\($0)" }.first { !names.contains($0) }! : base
  }

  private mutating func register(_ layer: Operator) {
    names.insert(layer.name)
    for input in Set(layer.inputs) where !input.isEmpty {
      readers[input, default: []].append(layer)
    }
  }

  /// A float tensor that is not in the graph yet.
  mutating func declare(_ base: String, _ shape: [Int]) -> String {
    let name = free(base)
    names.insert(name)
    graph.tensors[name] = Tensor(shape: shape)
    return name
  }

  /// A constant that is not in the graph yet.
  mutating func declare(_ constant: QuantizedConstant) -> String {
    let name = declare(constant.name, constant.shape)
    constants[name] = constant
    return name
  }

  private mutating func append(_ layer: Operator) { graph.operators.append(layer) }

  /// Adds int8 operators with the tensors that they need, or, where a bundle may not have them (a scale that is not normal, a sum
  /// that may overflow), nothing.
  private mutating func commit(_ made: Int8Form) -> Bool {
    let old = made.tensors.keys.map { ($0, graph.tensors[$0]) }
    graph.tensors.merge(made.tensors) { $1 }
    guard made.layers.allSatisfy(graph.allows) else {
      for (name, tensor) in old { graph.tensors[name] = tensor }
      return false
    }
    names.formUnion(made.tensors.keys)
    names.formUnion(made.layers.map(\.name))
    graph.operators += made.layers
    rewrites += 1
    return true
  }

  // MARK: - Between float and int8

  private mutating func dequantize(_ layer: Operator) {
    let x = layer.inputs[0]
    if let constant = graph.tensors[x].flatMap({ QuantizedConstant(x, $0) }) {
      constants[layer.output] = constant
    } else {
      stored[layer.output] = x
      append(layer)
    }
  }

  private mutating func quantize(_ layer: Operator) {
    let y = layer.output
    if written.contains(y) { return }
    guard let x = stored[layer.inputs[0]] else { return append(layer) }
    if quantization(x) == quantization(y), !graph.outputs.contains(y) {
      replaced[y] = x
      rewrites += 1
    } else if !commit(Int8Form([requantization(layer.name, of: x, to: y)])) {
      append(layer)
    }
  }

  /// Values in another quantization, or a copy in the same.
  func requantization(_ name: String, of x: String, to y: String) -> Operator {
    Operator(name, .concat(axis: 1), inputs: [x], outputs: [y])
  }

  /// The uint8 tensor for a result that gets this quantization: that of a quantizeLinear which reads it, or a new one.
  private mutating func store(_ result: String, as quantization: Quantization) -> String {
    let direct = readers[result]?.first {
      $0.kind == .quantizeLinear && self.quantization($0.output) == quantization
        && !written.contains($0.output)
    }
    if let direct { return direct.output }
    let name = free("\(result).stored")
    names.insert(name)
    graph.tensors[name] = Tensor(.uint8, shape: shape(result), quantization: quantization)
    return name
  }

  /// Lets the readers of a float result that is stored as y read that.
  private mutating func finish(_ layer: Operator, _ y: String) {
    written.insert(y)
    stored[layer.output] = y
    let name = free("\(layer.name).dequantized")
    names.insert(name)
    append(Operator(name, .dequantizeLinear, inputs: [y], outputs: [layer.output]))
  }

  // MARK: - Operators

  /// What gives one of the values that it reads does so with stored ones.
  private mutating func move(_ layer: Operator) -> Bool {
    guard layer.kind.selectsExactly, let x = stored[layer.inputs[0]],
      let quantization = quantization(x),
      layer.inputs.allSatisfy({ stored[$0].flatMap(self.quantization) == quantization })
    else { return false }
    var moved = layer
    let y = store(layer.output, as: quantization)
    moved.inputs = layer.inputs.map { stored[$0]! }
    moved.outputs = [y]
    guard commit(Int8Form([moved])) else { return false }
    finish(layer, y)
    return true
  }

  /// The int8 form of an operator on dequantized values.
  private mutating func compute(_ layer: Operator) -> Bool {
    let target = target(layer.output)
    guard var form = int8Form(of: layer, target) else { return false }
    guard let target else { return commit(form) }
    let y = store(layer.output, as: target)
    form.layers[form.layers.count - 1].outputs = [y]
    guard commit(form) else { return false }
    finish(layer, y)
    return true
  }
}

/// Operators on stored values, the last of which gives the result, and what they need.
struct Int8Form {
  var layers: [Operator]
  var tensors: [String: Tensor] = [:]

  init(_ layers: [Operator] = [], _ tensors: [String: Tensor] = [:]) {
    (self.layers, self.tensors) = (layers, tensors)
  }
}

extension OperatorKind {
  /// Gives values that it reads, and no others, so that it may as well do so before or after they are quantized.
  var selectsExactly: Bool {
    switch self {
    case .clip: false
    case .resize(let resize): resize.mode != .linear
    case .pad(let padding):
      if case .constant(let value) = padding.mode { value == 0 } else { true }
    case .concat: true
    default: keepsValues
    }
  }
}
