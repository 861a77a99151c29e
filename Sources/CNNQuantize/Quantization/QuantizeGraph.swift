import CNNModel
import CNNSupport

extension Graph {
  /// The int8 form of a float graph that has been through `Pass.forInference` and `Pass.batchNormalizationToConv`:
  /// uint8 activations, int8 weights per output channel, int32 biases.
  ///
  /// The results of the last Conv or Gemm stay float32, as do operators behind it that only select values: the logits
  /// are not rounded. Everything else is integer arithmetic (ARITHMETIC.md).
  /// - Parameter quantizations: of every network input, and of every tensor whose producer does not share its input's
  ///   (`calibratedTensors`).
  public func quantized(_ quantizations: [String: AffineQuantization]) throws(CNNError) -> Graph {
    guard operators.contains(where: \.kind.multiplies) else {
      throw CNNError("there is no Conv or Gemm to quantize", advice: "export it with --float")
    }
    let kept = floatTail
    var result = self
    for input in inputs { try result.store(input, quantizations[input]) }
    for index in operators.indices {
      let layer = operators[index]
      do throws(CNNError) {
        if case .batchNormalization = layer.kind {
          throw CNNError("BatchNormalization has no int8 form", advice: "run batchNormalizationToConv first")
        }
        if layer.kind.sharesQuantization {
          // In float behind a float producer, else the input's.
          result.tensors[layer.output]!.type = result.tensors[layer.inputs[0]]!.type
          result.tensors[layer.output]!.quantization = result.tensors[layer.inputs[0]]!.quantization
        } else if layer.kind != .softmax, !kept.contains(layer.output) {
          try result.store(layer.output, quantizations[layer.output])
        }
        if layer.kind.multiplies { try result.quantizeWeights(of: index) }
      } catch { throw error.inside("layer \(layer.name)") }
    }
    return result
  }

  /// The tensors that need a quantization of their own, each with those tensors whose values it should suit: those of
  /// the same quantization that arithmetic reads. (Behind a convolution and a max pool it is only the pool's result
  /// that matters.)
  public var calibratedTensors: [String: [String]] {
    var root: [String: String] = [:]
    for layer in operators {
      root[layer.output] = layer.kind.sharesQuantization ? root[layer.inputs[0]] ?? layer.inputs[0] : layer.output
    }
    let tail = floatTail
    var readers: [String: [String]] = [:]
    for layer in operators where layer.kind != .softmax && !tail.contains(layer.output) {
      let tensor = layer.output
      let isRead = outputs.contains(tensor) || consumers(of: tensor).contains { !operators[$0].kind.sharesQuantization }
      if isRead, let root = root[tensor], !inputs.contains(root) { readers[root, default: []].append(tensor) }
    }
    return readers
  }

  /// The tensors that stay float32 in an int8 network: results of Conv and Gemm that reach the outputs through
  /// operators which only move or select values, and what these make of them.
  var floatTail: Set<String> {
    var tail: Set<String> = []
    for layer in operators.reversed() where layer.kind.multiplies || layer.kind.sharesQuantization {
      let readers = consumers(of: layer.output).map { operators[$0] }
      let keeps = readers.allSatisfy { $0.kind == .softmax || $0.kind.sharesQuantization && tail.contains($0.output) }
      if keeps { tail.insert(layer.output) }
    }
    // What selects among uint8 values gives uint8 values.
    for layer in operators where layer.kind.sharesQuantization && !tail.contains(layer.inputs[0]) {
      tail.remove(layer.output)
    }
    return tail
  }

  private mutating func store(_ tensor: String, _ quantization: AffineQuantization?) throws(CNNError) {
    guard let quantization else { throw CNNError("was not calibrated", at: "tensor \(tensor)") }
    tensors[tensor]!.type = .uint8
    tensors[tensor]!.quantization = Quantization(scale: quantization.scale, zeroPoint: quantization.zeroPoint)
  }

  private mutating func quantizeWeights(of index: Int) throws(CNNError) {
    let layer = operators[index]
    let channels = tensors[layer.inputs[1]]!.shape[0]
    guard let weights = floats(layer.inputs[1]) else { throw CNNError("its weight is not a float32 constant") }
    let bias = floats(layer.input(2)) ?? [Float](repeating: 0, count: channels)
    guard weights.allSatisfy(\.isFinite), bias.allSatisfy(\.isFinite) else {
      throw CNNError("has weights that are not finite", advice: "training has diverged: train with a lower rate")
    }
    let found = WeightQuantization(
      weights: weights, bias: bias, input: tensors[layer.inputs[0]]!.quantization!.scales[0],
      output: tensors[layer.output]!.quantization?.scales[0] ?? 1)
    let shape = tensors[layer.inputs[1]]!.shape
    setParameter(1, of: index, to: Tensor(.int8(found.values), shape: shape, quantization: .init(scales: found.scales)))
    setParameter(2, of: index, to: Tensor(.int32(found.bias), shape: [channels]))
  }
}

extension OperatorKind {
  /// Multiplies by weights: what there is to gain from int8.
  var multiplies: Bool {
    switch self {
    case .conv, .gemm: true
    default: false
    }
  }

  /// Moves or selects values, so that input and output have one quantization.
  var sharesQuantization: Bool {
    switch self {
    case .relu, .maxPool, .globalMaxPool, .flatten: true
    default: false
    }
  }
}
