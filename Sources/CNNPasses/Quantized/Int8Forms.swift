import CNNModel

/// What an operator on dequantized values is on stored ones.
extension QuantizedRegions {
  /// - Parameter target: the quantization of the result; nil: it is float32.
  /// - Returns: nil where there is no such form.
  func int8Form(of layer: Operator, _ target: Quantization?) -> Int8Form? {
    switch layer.kind {
    case .conv, .convTranspose, .gemm: return product(layer)
    case .softmax: return single(layer)
    default: break
    }
    guard let target else { return nil }
    switch layer.kind {
    case .binary, .matMul: return pair(layer)
    case .unary(let function): return table(layer, function, target)
    case .concat: return joined(layer)
    case .clip, .resize, .pad: return layer.kind.selectsExactly ? nil : selection(layer, target)
    case .averagePool, .globalAveragePool, .lrn, .pRelu, .reduce(.mean, _, _), .reduce(.sum, _, _),
      .layerNormalization, .groupNormalization, .instanceNormalization:
      return single(layer)
    default: return nil
    }
  }

  /// An activation, and constants in float.
  private func single(_ layer: Operator) -> Int8Form? {
    guard let x = stored(layer.inputs[0]) else { return nil }
    var form = Int8Form([layer])
    form.layers[0].inputs[0] = x
    for name in layer.inputs.dropFirst() { form.tensors[name] = constant(name)?.float }
    return form
  }

  private func joined(_ layer: Operator) -> Int8Form? {
    var layer = layer
    let inputs = layer.inputs.compactMap(stored)
    guard inputs.count == layer.inputs.count else { return nil }
    layer.inputs = inputs
    return Int8Form([layer])
  }

  private func table(_ layer: Operator, _ function: UnaryFunction, _ target: Quantization)
    -> Int8Form?
  {
    guard let x = stored(layer.inputs[0]), let from = quantization(x) else { return nil }
    var layer = layer
    layer.inputs = [x, free("\(layer.name).table")]
    return Int8Form(
      [layer],
      [layer.inputs[1]: Tensor(.uint8(function.table(from: from, to: target)), shape: [256])])
  }

  /// What has one quantization for input and output, but gives values that it does not read: it reads them as the result has them.
  private func selection(_ layer: Operator, _ target: Quantization) -> Int8Form? {
    guard let x = stored(layer.inputs[0]) else { return nil }
    var layer = layer
    layer.inputs[0] = x
    if quantization(x) == target { return Int8Form([layer]) }
    let name = free("\(layer.name).x")
    layer.inputs[0] = name
    return Int8Form(
      [requantization(name, of: x, to: name), layer],
      [name: Tensor(.uint8, shape: shape(x), quantization: target)])
  }

  /// Two operands, one of which may be a constant.
  private func pair(_ layer: Operator) -> Int8Form? {
    var form = Int8Form([layer])
    for (index, name) in layer.inputs.enumerated() {
      if let x = stored(name) {
        form.layers[0].inputs[index] = x
        continue
      }
      let uniform = graph.tensors[name]?.data?.floats.flatMap { Tensor(uniform: $0, shape(name)) }
      guard let tensor = constant(name)?.uint8 ?? uniform else { return nil }
      let operand = free("\(layer.name).operand\(index)")
      form.layers[0].inputs[index] = operand
      form.tensors[operand] = tensor
    }
    return form
  }
}

extension Tensor {
  /// A uint8 constant of one value alone, which is exact; nil where there are several.
  fileprivate init?(uniform values: [Float], _ shape: [Int]) {
    guard let value = values.first, values.allSatisfy({ $0 == value }) else { return nil }
    let quantization = Quantization(
      scale: value == 0 ? 1 : abs(value), zeroPoint: value < 0 ? 1 : 0)
    self.init(
      .uint8(.init(repeating: value > 0 ? 1 : 0, count: values.count)), shape: shape,
      quantization: quantization)
  }
}
