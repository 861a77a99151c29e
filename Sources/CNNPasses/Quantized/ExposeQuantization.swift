import CNNModel

extension Pass {
  /// The opposite of `quantizeRegions`, and how ONNX says it (QDQ): float operators between dequantizeLinear and quantizeLinear, with
  /// weights and biases behind a dequantizeLinear each; tables become their functions. Network inputs and outputs become
  /// float32, and keep their names.
  public static let exposeQuantization = Pass("expose-quantization") { graph in
    var exposed = ExposedQuantization(graph)
    exposed.rewrite()
    graph = exposed.graph
    return exposed.rewrites
  }
}

/// The walk over an int8 graph, in execution order, that builds the new one.
private struct ExposedQuantization {
  private(set) var graph: Graph
  /// Operators that became float.
  private(set) var rewrites = 0
  private let before: Graph
  /// What a uint8 activation becomes: the result of its operator, what it is stored as, and the real values of that.
  private var activations: [String: (raw: String, stored: String, real: String)] = [:]
  private var dequantized: Set<String> = []
  /// The real values of constants.
  private var constants: [String: String] = [:]

  init(_ graph: Graph) {
    before = graph
    self.graph = graph
    self.graph.operators = []
  }

  mutating func rewrite() {
    for name in before.inputs + before.operators.map(\.output) where isStored(name) { part(name) }
    for name in before.inputs where isStored(name) { quantize(name) }
    for layer in before.operators { expose(layer) }
    for name in before.outputs where isStored(name) { _ = real(name) }
    graph.removeUnused()
  }

  private func isStored(_ name: String) -> Bool {
    before.tensors[name].map { $0.type == .uint8 && !$0.isConstant } ?? false
  }

  private mutating func part(_ name: String) {
    let tensor = before.tensors[name]!
    func other(_ suffix: String, _ tensor: Tensor) -> String {
      let other = graph.freeName("\(name).\(suffix)")
      graph.tensors[other] = tensor
      return other
    }
    let float = Tensor(shape: tensor.shape)
    if before.inputs.contains(name) {
      activations[name] = (name, other("stored", tensor), other("real", float))
      graph.tensors[name] = float
    } else if before.outputs.contains(name) {
      activations[name] = (other("raw", float), other("stored", tensor), name)
      graph.tensors[name] = float
    } else {
      activations[name] = (other("raw", float), name, other("real", float))
    }
  }

  private mutating func append(_ kind: OperatorKind, _ x: String, _ y: String) {
    graph.operators.append(
      Operator(graph.freeName("\(y).\(kind.name)"), kind, inputs: [x], outputs: [y]))
  }

  private mutating func quantize(_ name: String) {
    append(.quantizeLinear, activations[name]!.raw, activations[name]!.stored)
  }

  /// An activation's stored values as real ones.
  private mutating func real(_ name: String) -> String {
    let activation = activations[name]!
    if dequantized.insert(name).inserted {
      append(.dequantizeLinear, activation.stored, activation.real)
    }
    return activation.real
  }

  // MARK: - Operators

  private mutating func expose(_ before: Operator) {
    var layer = before
    let y = layer.output
    switch layer.kind {
    case .quantizeLinear: layer.outputs = [activations[y]!.stored]
    case .dequantizeLinear: layer.inputs = [activations[layer.inputs[0]]!.stored]
    default:
      if isStored(y) || layer.inputs.contains(where: isStored) {
        if case .unary = layer.kind { layer.inputs.removeLast() }
        for index in layer.inputs.indices { layer.inputs[index] = float(index, of: before) }
        rewrites += 1
      }
      if let raw = activations[y]?.raw { layer.outputs = [raw] }
    }
    graph.operators.append(layer)
    if isStored(y), layer.kind != .quantizeLinear { quantize(y) }
  }

  /// The float tensor for an operator's input.
  private mutating func float(_ index: Int, of layer: Operator) -> String {
    let name = layer.inputs[index]
    if isStored(name) { return real(name) }
    guard var constant = before.tensors[name], constant.isConstant, constant.type != .float32 else {
      return name
    }
    if layer.kind.hasWeight {
      let (input, weight) = (before.tensors[layer.inputs[0]]!, before.tensors[layer.inputs[1]]!)
      let scales = weight.quantization!.scales
      if index == 2 {
        constant.quantization = Quantization(
          scales: scales.map { input.quantization!.scales[0] * $0 })
      } else if case .convTranspose(_, let group, _, _) = layer.kind {
        // [C, O/group, kH, kW] has an axis of output channels if there is one group, or one output of each of its only input.
        let isDepthwise = constant.shape[0] == group && constant.shape[1] == 1
        guard group == 1 || isDepthwise else { return floats(name, constant, layer) }
        constant.quantization = Quantization(scales: scales, axis: isDepthwise ? 0 : 1)
      }
    }
    return constant.quantization == nil ? name : real(name, constant)
  }

  /// A constant behind a dequantizeLinear. What two layers read with different scales is there twice.
  private mutating func real(_ name: String, _ constant: Tensor) -> String {
    if let real = constants[name], graph.tensors[name] == constant { return real }
    let own = constants[name] == nil ? name : graph.freeName(name)
    let real = graph.freeName("\(own).real")
    graph.tensors[own] = constant
    graph.tensors[real] = Tensor(shape: constant.shape)
    constants[own] = real
    append(.dequantizeLinear, own, real)
    return real
  }

  /// A weight that no single axis of scales fits, as float32.
  private mutating func floats(_ name: String, _ weight: Tensor, _ layer: Operator) -> String {
    let (values, scales) = (weight.data!.int8s!, weight.quantization!.scales)
    var floats = values.map(Float.init)
    let order = try! WeightOrder(of: layer.kind, weightShape: weight.shape)
    order.forEachOutputChannel(ofWeights: floats.count) { place, channel in
      floats[place] *= scales[channel]
    }
    let result = graph.freeName("\(name).real")
    graph.tensors[result] = Tensor(.float32(floats), shape: weight.shape)
    return result
  }
}
