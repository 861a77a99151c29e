import CNNModel

/// Each operator as nodes: one, but for what ONNX keeps in two.
extension ONNXWriter {
  mutating func append(_ layer: Operator) {
    guard let activation = layer.activation.kind else { return append(layer, as: layer.output) }
    var inner = layer
    inner.activation = .none
    let result = free("\(layer.output).before.\(activation.name.lowercased())")
    append(inner, as: result)
    append(
      Operator(
        free("\(layer.name).\(activation.name.lowercased())"), activation, inputs: [result],
        outputs: layer.outputs),
      as: layer.output)
  }

  private mutating func append(_ layer: Operator, as y: String) {
    let name = layer.name
    var (op, inputs, attributes) = (layer.kind.name, layer.inputs, [Attribute]())
    switch layer.kind {
    case .conv(let window, let group):
      attributes = window.attributes + [.ints("dilations", window.dilations), .int("group", group)]
    case .convTranspose(let window, let group, let paddingY, let paddingX):
      attributes = window.attributes + [.ints("dilations", window.dilations), .int("group", group)]
      attributes.append(.ints("output_padding", [paddingY, paddingX]))
    case .gemm: attributes = [.int("transB", 1)]
    case .matMul, .relu, .globalAveragePool, .globalMaxPool, .binary: break
    case .dropout: op = "Identity"
    case .batchNormalization(let epsilon), .instanceNormalization(let epsilon):
      attributes = [.float("epsilon", epsilon)]
    case .layerNormalization(let axis, let epsilon):
      attributes = [.int("axis", axis), .float("epsilon", epsilon)]
      if layer.input(1) == nil {
        inputs = [inputs[0], ones(layer, from: axis)] + inputs.dropFirst(2)
      }
    case .groupNormalization(let groups, let epsilon):
      attributes = [.int("num_groups", groups), .float("epsilon", epsilon)]
    case .lrn(let size, let alpha, let beta, let bias):
      attributes = [
        .int("size", size), .float("alpha", alpha), .float("beta", beta), .float("bias", bias),
      ]
    case .clip(let min, let max):
      inputs.append(min == -.infinity ? "" : constant("\(name).min", .float32([min]), []))
      inputs.append(max == .infinity ? "" : constant("\(name).max", .float32([max]), []))
    case .unary(.swish(let alpha)): return swish(layer, alpha, y)
    case .unary(let function): attributes = function.attributes
    case .pRelu: inputs[1] = slope(layer)
    case .maxPool(let window, let ceilMode):
      attributes =
        window.attributes + [
          .ints("dilations", window.dilations), .int("ceil_mode", ceilMode ? 1 : 0),
        ]
    case .averagePool(let window, let countIncludePad, let ceilMode):
      attributes = window.attributes
      attributes += [
        .int("count_include_pad", countIncludePad ? 1 : 0), .int("ceil_mode", ceilMode ? 1 : 0),
      ]
      if window.dilations != [1, 1] { attributes.append(.ints("dilations", window.dilations)) }
    case .reduce(let reduction, let axes, let keepDims):
      attributes = [.int("keepdims", keepDims ? 1 : 0)]
      // Axes became an input in opset 13 for the sum, in 18 for the others.
      if reduction == .sum || opset >= 18 {
        inputs.append(list("\(name).axes", axes))
      } else {
        attributes.append(.ints("axes", axes))
      }
    case .softmax(let axis), .concat(let axis): attributes = [.int("axis", axis)]
    case .flatten: attributes = [.int("axis", 1)]
    // 0: as it is, whatever the batch.
    case .reshape(let shape): inputs.append(list("\(name).shape", [0] + shape.dropFirst()))
    case .transpose(let perm): attributes = [.ints("perm", perm)]
    case .slice(let slice): inputs += parts(of: slice, name)
    case .pad(let padding):
      attributes = [.string("mode", padding.modeName)]
      inputs.append(list("\(name).pads", padding.begins + padding.ends))
      if case .constant(let value) = padding.mode {
        inputs.append(constant("\(name).value", .float32([value]), []))
      }
    case .resize(let resize):
      attributes = resize.attributes
      if resize.scalesGiveSize(from: graph.tensors[inputs[0]]!.shape) {
        inputs += [
          "", constant("\(name).scales", .float32([1, 1, resize.scaleY, resize.scaleX]), [4]),
        ]
      } else {
        // The batch keeps its size, whatever that is.
        attributes.append(.ints("axes", [2, 3]))
        inputs += ["", "", list("\(name).sizes", [resize.height, resize.width])]
      }
    case .depthToSpace(let block, let mode):
      attributes = [.int("blocksize", block), .string("mode", mode == .dcr ? "DCR" : "CRD")]
    case .spaceToDepth(let block): attributes = [.int("blocksize", block)]
    case .quantizeLinear:
      inputs += quantization(graph.tensors[layer.output]!, name)
    case .dequantizeLinear:
      let x = graph.tensors[inputs[0]]!
      inputs += quantization(x, name)
      if x.quantization!.scales.count > 1 { attributes = [.int("axis", x.quantization!.axis)] }
    }
    initializers(of: layer)
    node(op, name, inputs, y, attributes)
  }

  // MARK: - Parts

  /// Scale and zero point.
  private mutating func quantization(_ x: Tensor, _ name: String) -> [String] {
    let quantization = x.quantization!
    let count = quantization.scales.count
    let shape = count == 1 ? [] : [count]
    let scale = constant("\(name).scale", .float32(quantization.scales), shape)
    let zeroPoint = Int(quantization.zeroPoint)
    switch x.type {
    case .uint8:
      return [
        scale,
        constant(
          "\(name).zero_point", .uint8(.init(repeating: UInt8(zeroPoint), count: count)), shape),
      ]
    case .int8:
      return [
        scale,
        constant(
          "\(name).zero_point", .int8(.init(repeating: Int8(zeroPoint), count: count)), shape),
      ]
    // An int32's is 0.
    default: return [scale]
    }
  }

  /// x · sigmoid(alpha · x), which ONNX has from opset 24 on only.
  private mutating func swish(_ layer: Operator, _ alpha: Float, _ y: String) {
    let name = layer.name
    var x = layer.inputs[0]
    if alpha != 1 {
      let factor = constant("\(name).alpha", .float32([alpha]), [])
      let scaled = free("\(name).scaled")
      node("Mul", scaled, [x, factor], scaled)
      x = scaled
    }
    let gate = free("\(name).sigmoid")
    node("Sigmoid", gate, [x], gate)
    node("Mul", name, [layer.inputs[0], gate], y)
  }

  /// A scale for what has none.
  private mutating func ones(_ layer: Operator, from axis: Int) -> String {
    let shape = Array(graph.tensors[layer.inputs[0]]!.shape[axis...])
    return constant(
      "\(layer.name).scale", .float32(.init(repeating: 1, count: shape.reduce(1, *))), shape)
  }

  /// [C] in the shape that broadcasts along the channels.
  private mutating func slope(_ layer: Operator) -> String {
    let rank = graph.tensors[layer.inputs[0]]!.shape.count
    guard rank > 2, let slope = graph.tensors[layer.inputs[1]], let data = slope.data else {
      return layer.inputs[1]
    }
    return constant(
      "\(layer.inputs[1]).spread", data, slope.shape + .init(repeating: 1, count: rank - 2))
  }

  /// starts, ends, axes, steps of the axes that are not whole.
  private mutating func parts(of slice: Slice, _ name: String) -> [String] {
    let axes = slice.starts.indices.dropFirst()
    func list(_ part: String, _ value: (Int) -> Int) -> String {
      self.list("\(name).\(part)", axes.map(value))
    }
    let ends = axes.map { axis -> Int in
      let last = slice.starts[axis] + (slice.sizes[axis] - 1) * slice.steps[axis]
      // Before the first element lies the last, counted from the end; further before it, nothing.
      return slice.steps[axis] > 0 ? last + 1 : last == 0 ? Int(Int32.min) : last - 1
    }
    return [
      list("starts") { slice.starts[$0] }, self.list("\(name).ends", ends), list("axes") { $0 },
      list("steps") { slice.steps[$0] },
    ]
  }
}

extension Graph {
  /// The oldest opset with an operator and its attributes, if that is later than 17.
  func onnxOpset(of layer: Operator) -> Int {
    switch layer.kind {
    case .groupNormalization: 21
    case .unary(.gelu): 20
    case .averagePool(let window, _, _): window.dilations == [1, 1] ? 0 : 19
    case .pad(let padding): padding.mode == .wrap ? 19 : 0
    case .resize(let resize): resize.scalesGiveSize(from: tensors[layer.inputs[0]]!.shape) ? 0 : 18
    default: 0
    }
  }
}

extension Activation {
  /// The operator that does the same.
  fileprivate var kind: OperatorKind? {
    switch self {
    case .none: nil
    case .relu: .relu
    case .clip(let min, let max): .clip(min: min, max: max)
    }
  }
}

extension Window {
  fileprivate var dilations: [Int] { [dilationY, dilationX] }

  fileprivate var attributes: [ONNXWriter.Attribute] {
    [
      .ints("kernel_shape", [kernelHeight, kernelWidth]), .ints("strides", [strideY, strideX]),
      .ints("pads", [padTop, padLeft, padBottom, padRight]),
    ]
  }
}

extension UnaryFunction {
  fileprivate var attributes: [ONNXWriter.Attribute] {
    switch self {
    case .leakyRelu(let alpha), .elu(let alpha): [.float("alpha", alpha)]
    case .hardSigmoid(let alpha, let beta): [.float("alpha", alpha), .float("beta", beta)]
    case .gelu(let approximate): [.string("approximate", approximate ? "tanh" : "none")]
    case .sigmoid, .tanh, .swish, .hardSwish, .erf: []
    }
  }
}

extension Padding {
  fileprivate var modeName: String {
    switch mode {
    case .constant: "constant"
    case .edge: "edge"
    case .reflect: "reflect"
    case .wrap: "wrap"
    }
  }
}

extension Resize {
  /// ONNX rounds the scaled size down, in float.
  fileprivate func scalesGiveSize(from x: [Int]) -> Bool {
    Int(Float(x[2]) * scaleY) == height && Int(Float(x[3]) * scaleX) == width
  }

  fileprivate var attributes: [ONNXWriter.Attribute] {
    let coordinates: String =
      switch self.coordinates {
      case .halfPixel: "half_pixel"
      case .asymmetric: "asymmetric"
      case .alignCorners: "align_corners"
      case .pytorchHalfPixel: "pytorch_half_pixel"
      }
    let place = ONNXWriter.Attribute.string("coordinate_transformation_mode", coordinates)
    guard case .nearest(let rounding) = mode else { return [place, .string("mode", "linear")] }
    let nearest: String =
      switch rounding {
      case .preferFloor: "round_prefer_floor"
      case .preferCeil: "round_prefer_ceil"
      case .floor: "floor"
      case .ceil: "ceil"
      }
    return [place, .string("mode", "nearest"), .string("nearest_mode", nearest)]
  }
}
