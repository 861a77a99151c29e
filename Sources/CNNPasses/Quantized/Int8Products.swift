import CNNModel

/// The int8 forms of what multiplies by a constant: Conv, ConvTranspose, Gemm, and MatMul by a matrix.
extension QuantizedRegions {
  func product(_ layer: Operator) -> Int8Form? {
    guard let x = stored(layer.inputs[0]), let weight = constant(layer.inputs[1]),
      let order = try? WeightOrder(of: layer.kind, weightShape: weight.shape),
      let scales = weight.scales(of: layer.kind, order)
    else { return nil }
    let (pieces, input) = (weight.pieces, quantization(x)!.scales[0])
    if pieces.isEmpty { return nil }
    var (form, result) = (Int8Form(), layer)
    result.inputs = [x, name(weight, behind: layer.inputs[1])]
    if pieces.count > 1 {
      result.inputs[0] = repeated(x, pieces.count, order.group, layer.name, &form)
    }
    form.tensors[result.inputs[1]] = weight.joined(pieces, of: layer.kind, order.group, scales)
    if let name = layer.input(2) {
      guard let bias = bias(name, scales.map { input * $0 }) else { return nil }
      result.inputs.append(
        constant(name).map { self.name($0, behind: name) } ?? free("\(name).int32"))
      form.tensors[result.inputs[2]] = Tensor(.int32(bias), shape: [bias.count])
    }
    form.layers.append(result)
    return form
  }

  /// In units of the products, one for each output channel.
  private func bias(_ name: String, _ units: [Float]) -> [Int32]? {
    let constant = constant(name)
    guard let values = constant?.floats ?? graph.tensors[name]?.data?.floats, values.count == units.count else {
      return nil
    }
    var result: [Int32] = []
    for (channel, unit) in units.enumerated() {
      let value = Double(values[channel]) / Double(unit)
      if let constant, constant.scale(at: channel) == unit {
        result.append(constant.values[channel])
      } else if value.magnitude < 0x1p31 {
        result.append(Int32(value.rounded(.toNearestOrEven)))
      } else {
        return nil
      }
    }
    return result
  }

  /// Each group's channels of x several times, for a weight in several pieces.
  private func repeated(
    _ x: String, _ count: Int, _ group: Int, _ name: String, _ form: inout Int8Form
  ) -> String {
    func add(_ suffix: String, _ kind: OperatorKind, _ inputs: [String], _ shape: [Int]) -> String {
      let result = free("\(name).\(suffix)")
      form.layers.append(Operator(result, kind, inputs: inputs, outputs: [result]))
      form.tensors[result] = Tensor(.uint8, shape: shape, quantization: quantization(x))
      return result
    }
    var shape = shape(x)
    var parted = [1, group, shape[1] / group, shape[2...].reduce(1, *)]
    shape[1] *= count
    if group == 1 {
      return add("repeated", .concat(axis: 1), .init(repeating: x, count: count), shape)
    }
    let groups = add("groups", .reshape(parted), [x], parted)
    parted[2] *= count
    let more = add("repeated", .concat(axis: 2), .init(repeating: groups, count: count), parted)
    return add("joined", .reshape(shape), [more], shape)
  }

  /// a [N,…,M,K] · b [K,P] for a constant b, where it is to be another product: a Gemm if a is [N,K]; a Conv of single pixels where
  /// MatMul's int8 form does not do, which has one scale for all of b and gives uint8.
  mutating func expanded(_ layer: Operator) -> [Operator]? {
    guard layer.kind == .matMul, stored(layer.inputs[0]) != nil, let b = constant(layer.inputs[1]),
      b.shape.count == 2
    else { return nil }
    let (a, y) = (shape(layer.inputs[0]), shape(layer.output))
    var weight = b.transposed
    if a.count == 2 {
      return [
        Operator(
          layer.name, .gemm, inputs: [layer.inputs[0], declare(weight)], outputs: layer.outputs)
      ]
    }
    if b.hasOneScale, target(layer.output) != nil { return nil }
    weight.shape += [1, 1]
    let rows = a.count == 4 ? Array(a[1...2]) : [a[1..<a.count - 1].reduce(1, *), 1]
    var (layers, x) = ([Operator](), layer.inputs[0])
    func add(_ suffix: String, _ kind: OperatorKind, _ shape: [Int], weight: [String] = [], _ self: inout Self) {
      let name = self.declare("\(layer.name).\(suffix)", shape)
      layers.append(Operator(name, kind, inputs: [x] + weight, outputs: [name]))
      x = name
    }
    if a.count != 4 { add("rows", .reshape([1] + rows + [b.shape[0]]), [1] + rows + [b.shape[0]], &self) }
    add("image", .transpose([0, 3, 1, 2]), [1, b.shape[0]] + rows, &self)
    let image = declare(weight)
    add("conv", .conv(Window(1)), [1, b.shape[1]] + rows, weight: [image], &self)
    add("columns", .transpose([0, 2, 3, 1]), [1] + rows + [b.shape[1]], &self)
    if a.count != 4 { add("shaped", .reshape(y), y, &self) }
    layers[layers.count - 1].outputs = layer.outputs
    layers[layers.count - 1].name = layer.name
    return layers
  }
}
