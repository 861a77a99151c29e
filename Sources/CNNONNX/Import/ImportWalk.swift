import CNNModel
import CNNSupport

/// Goes through the nodes of an ONNX graph once and appends operators to a graph of ours. A class, so that converters can
/// hand it to the closures they make.
final class ImportWalk {
  /// How the first axis of ONNX's values is held.
  enum Mode: Equatable {
    /// Everything batched: N is the session's batch. For N = 1 a value may be whole as well, with the same bytes.
    case images(Int)
    /// Everything whole: the session's batch is 1, and operators over images take them one by one.
    case whole
  }

  typealias Converter = (ONNXNode) throws(CNNError) -> [ImportedValue]

  let onnx: ONNXGraph
  let mode: Mode
  var graph = Graph()
  var values: [String: ImportedValue] = [:]
  /// A converter met a value that cannot be held batched: the walk must be done again with `Mode.whole`.
  var needsWhole = false
  private(set) var errors: [CNNError] = []

  /// The node that is being converted: what it makes is named after it.
  private var node: ONNXNode?
  private var names = UniqueNames()
  private var tensorNames = UniqueNames()
  /// By what they are made of: a weight that several nodes read is stored once.
  var constants: [String: String] = [:]
  /// What a Reshape reads, by what it makes.
  var reshapes: [String: String] = [:]
  private lazy var converters: [String: Converter] = [
    convolutions, products, normalizations, pools, activations, arithmetic, reductions, movements, selections,
    quantizations, integerProducts, contributed,
  ].reduce(into: [:]) { all, family in all.merge(family) { first, _ in first } }

  init(_ onnx: ONNXGraph, mode: Mode) {
    (self.onnx, self.mode) = (onnx, mode)
    for (name, tensor) in onnx.constants { values[name] = .constant(tensor) }
  }

  // MARK: The walk

  /// Converts all nodes; what cannot be converted is in `errors` afterwards, all of it.
  func run() {
    for node in onnx.nodes {
      do throws(CNNError) { try convert(node) } catch {
        for output in node.outputs { values[output] = .unknown }
        if needsWhole && mode != .whole { return }
        errors.append(error.place.hasPrefix(node.place) ? error : error.inside(node.place))
      }
    }
  }

  private func convert(_ node: ONNXNode) throws(CNNError) {
    self.node = node
    let inputs = node.inputs.map { $0.isEmpty ? nil : values[$0] }
    for (name, value) in zip(node.inputs, inputs) where !name.isEmpty && value == nil {
      throw CNNError("reads “\(name)”, which is not there")
    }
    let known = try folded(node, inputs)
    let results = if let known { known } else { try converted(node, inputs) }
    guard results.count >= node.outputs.count || node.outputs[results.count...].allSatisfy(\.isEmpty) else {
      throw CNNError("its output \(results.count) has no equivalent here")
    }
    for (name, value) in zip(node.outputs, results) where !name.isEmpty { values[name] = value }
  }

  /// The results of a node that reads only constants.
  private func folded(_ node: ONNXNode, _ inputs: [ImportedValue?]) throws(CNNError) -> [ImportedValue]? {
    // These keep their integers.
    if node.op == "DequantizeLinear" { return nil }
    var constants: [ONNXTensor?] = []
    for input in inputs {
      switch input {
      case nil: constants.append(nil)
      case .constant(let tensor): constants.append(tensor)
      case .quantized(let constant): constants.append(ONNXTensor(shape: constant.shape, floats: constant.floats))
      case .activation, .unknown: return nil
      }
    }
    guard let results = try node.fold(constants) else { return nil }
    return results.map { .constant($0) }
  }

  private func converted(_ node: ONNXNode, _ inputs: [ImportedValue?]) throws(CNNError) -> [ImportedValue] {
    let name = node.domain.isEmpty ? node.op : "\(node.domain).\(node.op)"
    guard let converter = converters[name] else { throw CNNError("there is no such operator here") }
    if let refusal = node.refusal { throw CNNError(refusal) }
    let reads = inputs.contains { if case .unknown? = $0 { true } else { false } }
    if reads { return node.outputs.map { _ in .unknown } }
    return try converter(node)
  }

  // MARK: Appending to the graph

  /// A name for an operator that is free.
  func free(_ base: String) -> String { names.make(storable(base)) }

  /// Appends an operator and gives its output's name. The output has the shape that the operator makes, and the type of
  /// the first activation it reads, if it does not say otherwise.
  func emit(_ kind: OperatorKind, _ inputs: [String], as output: Tensor? = nil) throws(CNNError) -> String {
    let layer = Operator(free(node?.name ?? kind.name), kind, inputs: inputs, outputs: [""])
    let shape = try kind.outputShape(inputs.map { graph.tensors[$0]?.shape })
    let source = inputs.lazy.compactMap { self.graph.tensors[$0] }.first { !$0.isConstant }
    guard var tensor = output ?? source else { throw CNNError("reads constants only") }
    tensor.shape = shape
    let name = freeTensor(node?.outputs.first ?? kind.name)
    graph.tensors[name] = tensor
    graph.operators.append(layer)
    graph.operators[graph.operators.count - 1].outputs = [name]
    return name
  }

  /// A name for a tensor that is free.
  func freeTensor(_ base: String) -> String { tensorNames.make(storable(base)) }

  /// A bundle's strings end at a zero, and names are not empty.
  private func storable(_ name: String) -> String {
    let name = name.contains("\0") ? name.filter { $0 != "\0" } : name
    return name.isEmpty ? "value" : name
  }

  /// A constant of the graph.
  func constant(_ data: TensorData, shape: [Int], quantization: Quantization? = nil, name: String) -> String {
    let name = freeTensor(name)
    graph.tensors[name] = Tensor(data, shape: shape, quantization: quantization)
    return name
  }

  func constant(_ floats: [Float], shape: [Int]) -> String {
    constant(.float32(floats), shape: shape, name: (node?.name ?? "") + ".constant")
  }

  /// A constant as an input of an operator: a tensor, behind a DequantizeLinear if it is integers.
  func operand(_ constant: ConstantOperand) throws(CNNError) -> String {
    let key = "\(constant.name) \(constant.shape)"
    if let name = constants[key] { return name }
    let name: String
    switch constant.values {
    case .floats(let floats):
      name = self.constant(.float32(floats), shape: constant.shape, name: constant.name)
    case .quantized(let integers, let scales, let axis):
      let quantization = Quantization(scales: scales, axis: axis)
      let stored = self.constant(
        .int32(integers), shape: constant.shape, quantization: quantization, name: constant.name)
      name = try emit(.dequantizeLinear, [stored], as: Tensor(.float32, shape: constant.shape))
    }
    constants[key] = name
    return name
  }

  /// Makes the graph's output tensors, which bear ONNX's names.
  func finish(_ name: String, _ activation: ImportedActivation) throws(CNNError) -> ImportedActivation {
    var activation = activation
    let isTaken = graph.inputs.contains(activation.tensor) || graph.outputs.contains(activation.tensor)
    if isTaken {
      // A copy: a tensor is the caller's once.
      let shape = graph.tensors[activation.tensor]!.shape
      activation.tensor = try emit(.reshape(shape), [activation.tensor])
    }
    if activation.tensor != name {
      if graph.tensors[name] != nil { rename(name, to: freeTensor(name)) }
      rename(activation.tensor, to: name)
      activation.tensor = name
    }
    graph.outputs.append(name)
    return activation
  }

  private func rename(_ old: String, to new: String) {
    graph.tensors[new] = graph.tensors.removeValue(forKey: old)
    for index in graph.operators.indices {
      graph.operators[index].inputs = graph.operators[index].inputs.map { $0 == old ? new : $0 }
      graph.operators[index].outputs = graph.operators[index].outputs.map { $0 == old ? new : $0 }
    }
    for (key, value) in values {
      if case .activation(var activation) = value, activation.tensor == old {
        activation.tensor = new
        values[key] = .activation(activation)
      }
    }
  }
}
