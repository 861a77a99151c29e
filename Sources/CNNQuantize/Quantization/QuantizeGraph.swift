import CNNModel
import CNNPasses
import CNNSupport

extension Graph {
  /// The int8 form of a float graph that has been through `Pass.forInference` and `Pass.batchNormalizationToConv`:
  /// uint8 activations, int8 weights per output channel, int32 biases.
  ///
  /// The results of the last layers with weights stay float32, as do operators behind them that only move values: the
  /// logits are not rounded. Everything else is integer arithmetic (ARITHMETIC.md), but for layers that are asked to stay in
  /// float.
  /// - Parameters:
  ///   - quantizations: of every network input, and of every tensor that `calibratedTensors` names.
  ///   - floatLayers: names; see `withFloatLayers`.
  public func quantized(
    _ quantizations: [String: AffineQuantization], floatLayers: Set<String> = []
  ) throws(CNNError) -> Graph {
    guard operators.contains(where: \.kind.hasWeight) else {
      throw CNNError("there is no layer with weights to quantize", advice: "export it with --float")
    }
    // Of this graph, for which the quantizations were found: with fewer readers of stored values, groups would be larger.
    let groups = QuantizationGroups(self)
    var result = GraphEditor(try withFloatLayers(floatLayers, tail: groups.floatTail))
    for input in inputs { try result.store(input, quantizations[input]) }
    for index in result.operators.indices {
      let layer = result[index]
      if layer.kind == .dequantizeLinear || floatLayers.contains(layer.name) { continue }
      do throws(CNNError) {
        if case .batchNormalization = layer.kind {
          throw CNNError("BatchNormalization has no int8 form", advice: "run batchNormalizationToConv first")
        }
        if let root = groups.root[layer.output] { try result.store(layer.output, quantizations[root]) }
        try result.quantizeConstants(of: index)
      } catch { throw error.inside("layer \(layer.name)") }
    }
    return result.graph
  }

  /// The tensors that need a quantization of their own, each with those tensors whose values it should suit.
  public var calibratedTensors: [String: [String]] { QuantizationGroups(self).calibrated(self) }
}

extension GraphEditor {
  fileprivate mutating func store(_ tensor: String, _ quantization: AffineQuantization?) throws(CNNError) {
    guard let quantization else { throw CNNError("was not calibrated", at: "tensor \(tensor)") }
    tensors[tensor]!.type = .uint8
    tensors[tensor]!.quantization = Quantization(scale: quantization.scale, zeroPoint: quantization.zeroPoint)
  }

  /// What a layer reads beside activations, in the form that its int8 kernel takes.
  fileprivate mutating func quantizeConstants(of index: Int) throws(CNNError) {
    switch self[index].kind {
    case .conv, .convTranspose, .gemm: try quantizeWeights(of: index)
    case .unary(let function): addTable(function, to: index)
    case .binary, .matMul:
      for input in self[index].inputs.indices { try quantizeOperand(input, of: index) }
    default: break
    }
  }

  private mutating func quantizeWeights(of index: Int) throws(CNNError) {
    let layer = self[index]
    let shape = tensors[layer.inputs[1]]!.shape
    guard let weights = floats(layer.inputs[1]) else { throw CNNError("its weight is not a float32 constant") }
    let order = try WeightOrder(of: layer.kind, weightShape: shape)
    let bias = floats(layer.input(2)) ?? [Float](repeating: 0, count: order.outputChannels)
    guard weights.allSatisfy(\.isFinite), bias.allSatisfy(\.isFinite) else {
      throw CNNError("has weights that are not finite", advice: "training has diverged: train with a lower rate")
    }
    // A transposed convolution's weights have their output channels inside: they are brought out, and back again.
    let places = order.placesByChannel
    let found = WeightQuantization(
      weights: places.map { weights[$0] }, bias: bias, input: tensors[layer.inputs[0]]!.quantization!.scales[0],
      output: tensors[layer.output]!.quantization?.scales[0] ?? 1)
    var values = found.values
    for (position, place) in places.enumerated() { values[place] = found.values[position] }
    setParameter(1, of: index, to: Tensor(.int8(values), shape: shape, quantization: .init(scales: found.scales)))
    setParameter(2, of: index, to: Tensor(.int32(found.bias), shape: [bias.count]))
  }

  private mutating func addTable(_ function: UnaryFunction, to index: Int) {
    let layer = self[index]
    let table = function.table(
      from: tensors[layer.inputs[0]]!.quantization!, to: tensors[layer.output]!.quantization!)
    let name = freeName("\(layer.name).table")
    self[index].inputs = [layer.inputs[0], name]
    tensors[name] = Tensor(.uint8(table), shape: [256])
  }

  /// A constant operand of Add, Sub, Mul, Div, MatMul: all of its values fit.
  private mutating func quantizeOperand(_ input: Int, of index: Int) throws(CNNError) {
    guard let constant = tensors[self[index].inputs[input]], constant.isConstant else { return }
    guard let values = constant.data?.floats, values.allSatisfy(\.isFinite) else {
      throw CNNError("its constant operand is not float32 or not finite")
    }
    let quantization = AffineQuantization(lower: Double(values.min() ?? 0), upper: Double(values.max() ?? 0))
    setParameter(
      input, of: index,
      to: Tensor(
        .uint8(values.map(quantization.quantize)), shape: constant.shape,
        quantization: Quantization(scale: quantization.scale, zeroPoint: quantization.zeroPoint)))
  }
}

extension WeightOrder {
  /// The row-major places of the weights, one output channel after another.
  fileprivate var placesByChannel: [Int] {
    guard isTransposed else { return Array(0..<count) }
    var places = [[Int]](repeating: [], count: outputChannels)
    forEachOutputChannel(ofWeights: count) { places[$1].append($0) }
    return places.flatMap { $0 }
  }
}
