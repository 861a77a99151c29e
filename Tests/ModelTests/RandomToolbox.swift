import CNNModel
import CNNSupport

/// Chains of every operator of the format with random shapes and attributes.
struct RandomToolbox {
  private var graphs: RandomGraphs
  private var graph = Graph()
  private let quantized: Bool
  private var x = "input"

  /// Operators on images, by the names that `append` knows.
  static let operators = [
    "conv", "grouped", "depthwise", "transposed", "relu", "clip", "unary", "prelu", "add", "sub", "mul", "div",
    "constant", "concat", "slice", "pad", "reshape", "transpose", "resize", "depthtospace", "spacetodepth", "reduce",
    "lrn", "groupnorm", "instancenorm", "layernorm", "dropout", "matmul", "softmax", "maxpool", "averagepool",
    "convert",
  ]

  private init(_ graphs: RandomGraphs, quantized: Bool) {
    self.graphs = graphs
    self.quantized = quantized
  }

  /// A chain that begins with `first` and goes on with some others.
  static func chain(
    _ first: String, quantized: Bool, length: Int, using graphs: inout RandomGraphs
  ) throws -> Graph {
    var toolbox = RandomToolbox(graphs, quantized: quantized)
    defer { graphs = toolbox.graphs }
    let size = (0..<2).map { _ in 2 + toolbox.below(7) }
    toolbox.graph.tensors["input"] = toolbox.activation([1, toolbox.graphs.pick([1, 3, 4, 8, 12, 17, 32])] + size)
    toolbox.graph.inputs = ["input"]
    try toolbox.append(first)
    for _ in 0..<length { try toolbox.append(toolbox.graphs.pick(operators)) }
    toolbox.graph.outputs = [toolbox.x]
    toolbox.graphs.decorate(&toolbox.graph)
    return toolbox.graph
  }

  private var shape: [Int] { graph.tensors[x]!.shape }
  private mutating func below(_ count: Int) -> Int { graphs.random.below(count) }
  private mutating func flip() -> Bool { below(2) == 0 }

  private mutating func activation(_ shape: [Int]) -> Tensor {
    guard quantized else { return Tensor(shape: shape) }
    return Tensor(
      .uint8, shape: shape, quantization: .init(scale: graphs.scale(), zeroPoint: Int32(below(256)), isSigned: flip()))
  }

  private mutating func constant(_ name: String, _ shape: [Int]) -> String {
    graph.tensors[name] = Tensor(graphs.floats(shape.reduce(1, *)), shape: shape)
    return name
  }

  /// A weight and perhaps a bias for so many output channels.
  private mutating func weights(_ name: String, _ shape: [Int], outputs: Int) -> [String] {
    let count = shape.reduce(1, *)
    let scales = (0..<outputs).map { _ in graphs.scale() }
    let weight = name + ".weight"
    graph.tensors[weight] =
      quantized
      ? Tensor(graphs.int8s(count), shape: shape, quantization: .init(scales: scales))
      : Tensor(graphs.floats(count), shape: shape)
    if flip() { return [weight] }
    graph.tensors[name + ".bias"] = Tensor(
      quantized ? graphs.int32s(outputs) : graphs.floats(outputs), shape: [outputs])
    return [weight, name + ".bias"]
  }

  private mutating func append(_ operation: String) throws {
    let name = "\(operation)\(graph.operators.count)"
    let (c, h, w) = (shape[1], shape[2], shape[3])
    switch operation {
    case "conv", "grouped", "depthwise":
      let window = graphs.window(fitting: h, w)
      let groups = (1...c).filter { c % $0 == 0 }
      let group = operation == "conv" ? 1 : operation == "depthwise" ? c : graphs.pick(groups)
      let outputs = operation == "depthwise" ? c : group * (1 + below(max(1, 24 / group)))
      let weight = weights(
        name, [outputs, c / group, window.kernelHeight, window.kernelWidth], outputs: outputs)
      try add(name, .conv(window, group: group), [x] + weight)
    case "transposed":
      let window = Window(
        kernelHeight: 1 + below(4), kernelWidth: 1 + below(4), strideY: 1 + below(3), strideX: 1 + below(3),
        dilationY: 1 + below(2), dilationX: 1 + below(2))
      let group = graphs.pick((1...c).filter { c % $0 == 0 })
      let outputs = group * (1 + below(max(1, 24 / group)))
      let weight = weights(name, [c, outputs / group, window.kernelHeight, window.kernelWidth], outputs: outputs)
      let padding = (below(max(window.strideY, window.dilationY)), below(max(window.strideX, window.dilationX)))
      let kind = OperatorKind.convTranspose(
        window, group: group, outputPaddingY: padding.0, outputPaddingX: padding.1)
      try add(name, kind, [x] + weight)
    case "relu": try add(name, .relu)
    case "clip": try add(name, .clip(min: graphs.random.uniform(-2, 0), max: graphs.random.uniform(0, 6)))
    case "dropout": try add(name, .dropout(ratio: 0.25))
    case "unary":
      let functions: [UnaryFunction] = [
        .leakyRelu(alpha: 0.1), .elu(alpha: 1.5), .sigmoid, .tanh, .swish(alpha: 1), .hardSwish,
        .hardSigmoid(alpha: 0.2, beta: 0.5), .gelu(approximate: flip()), .erf,
      ]
      if quantized {
        graph.tensors[name + ".table"] = Tensor(
          .uint8((0..<256).map { _ in UInt8(below(256)) }), shape: [256])
      }
      try add(name, .unary(graphs.pick(functions)), quantized ? [x, name + ".table"] : [x])
    case "prelu": try add(name, .pRelu, [x, constant(name + ".slope", [c])])
    case "add", "sub", "mul", "div", "constant":
      let kinds: [String: OperatorKind] = ["add": .add, "sub": .sub, "mul": .mul, "div": .div]
      let kind = kinds[operation] ?? graphs.pick([.add, .sub, .mul, .div])
      try add(name, kind, [x, try other(name, isConstant: operation == "constant")])
    case "concat":
      let parts = try (0..<2).map { try renamed("\(name).\($0)", x) }
      try add(name, .concat(axis: 1 + below(3)), flip() ? [x] : [x] + parts)
    case "slice":
      let steps = [1] + (0..<3).map { _ in graphs.pick([1, 1, 2, -1]) }
      let sizes = zip(shape, steps).map { size, step in max(1, size / abs(step) - (size > 3 ? 1 : 0)) }
      let starts = zip(sizes, steps).enumerated().map { axis, part in
        part.1 > 0 ? 0 : shape[axis] - 1 - (shape[axis] - 1 - (part.0 - 1)) / 2
      }
      let whole = Slice(starts: [0] + starts.dropFirst(), sizes: [1] + sizes.dropFirst(), steps: steps)
      try add(name, .slice(whole))
    case "pad":
      let mode = graphs.pick([Padding.Mode.constant(0.5), .edge, .reflect, .wrap])
      func size(_ axis: Int) -> Int { min(below(3), shape[axis] - 1) }
      try add(
        name, .pad(Padding(begins: [0, 0, size(2), size(3)], ends: [0, size(1), size(2), -size(3) / 2], mode: mode)))
    case "reshape": try add(name, .reshape([1, h, w * c, 1]))
    case "transpose": try add(name, .transpose(graphs.pick([[0, 2, 1, 3], [0, 3, 2, 1], [0, 2, 3, 1]])))
    case "resize":
      let (height, width) = (1 + below(9), 1 + below(9))
      let resize = Resize(
        mode: flip() ? .linear : .nearest(graphs.pick(Resize.Rounding.allCases)),
        coordinates: graphs.pick(Resize.Coordinates.allCases), height: height, width: width,
        scaleY: Float(height) / Float(h), scaleX: Float(width) / Float(w))
      try add(name, .resize(resize))
    case "depthtospace":
      let mode: DepthToSpaceMode = flip() ? .dcr : .crd
      try add(name, .depthToSpace(blockSize: c % 4 == 0 ? 2 : 1, mode: mode))
    case "spacetodepth": try add(name, .spaceToDepth(blockSize: h % 2 == 0 && w % 2 == 0 && c < 40 ? 2 : 1))
    case "reduce":
      let axes = graphs.pick([[1], [2], [3], [2, 3], [1, 3]])
      try add(name, .reduce(graphs.pick(Reduction.allCases), axes: axes))
      // Rank 3, and back.
      try add(name + ".less", .reduce(.max, axes: [2], keepDims: false))
      try add(name + ".more", .reshape([1, shape[1], shape[2], 1]))
    case "lrn": try add(name, .lrn(size: 1 + below(6), alpha: 1e-2, beta: 0.75, bias: 1))
    case "groupnorm":
      let groups = graphs.pick((1...c).filter { c % $0 == 0 })
      let parameters = [constant(name + ".scale", [c]), constant(name + ".bias", [c])]
      try add(name, .groupNormalization(groups: groups, epsilon: 1e-5), [x] + parameters)
    case "instancenorm":
      let parameters = [constant(name + ".scale", [c]), constant(name + ".bias", [c])]
      try add(name, .instanceNormalization(epsilon: 1e-5), [x] + parameters)
    case "layernorm":
      let axis = 1 + below(3)
      let normalised = Array(shape[axis...])
      // An absent scale before a bias needs its place.
      let scale = flip() ? constant(name + ".scale", normalised) : ""
      let parameters = flip() ? [scale, constant(name + ".bias", normalised)] : scale.isEmpty ? [] : [scale]
      try add(name, .layerNormalization(axis: axis, epsilon: 1e-5), [x] + parameters)
    case "convert":
      // To the other type, and back.
      try add(name, quantized ? .dequantizeLinear : .quantizeLinear)
      try add(name + ".back", quantized ? .quantizeLinear : .dequantizeLinear)
    case "matmul":
      let b = try factor(name + ".b", [w, 1 + below(6)])
      try add(name, .matMul, [x, b])
    case "softmax": try add(name, .softmax(axis: 1 + below(3)))
    case "maxpool": try add(name, .maxPool(graphs.window(fitting: h, w, pool: true), ceilMode: flip()))
    default:
      let window = graphs.window(fitting: h, w, pool: true)
      try add(name, .averagePool(window, countIncludePad: flip(), ceilMode: flip()))
    }
  }

  /// Another operand that broadcasts with x: a constant, or an activation.
  private mutating func other(_ name: String, isConstant: Bool) throws -> String {
    if isConstant {
      let shapes = [[shape[1], 1, 1], [1, shape[1], 1, 1], [shape[3]], shape, [1], []]
      return try factor(name + ".b", graphs.pick(shapes))
    }
    if flip() { return try renamed(name + ".same", x) }
    let pooled = name + ".pooled"
    graph.operators.append(Operator(pooled, .globalAveragePool, inputs: [x], outputs: [pooled]))
    graph.tensors[pooled] = activation([1, shape[1], 1, 1])
    return pooled
  }

  private mutating func factor(_ name: String, _ shape: [Int]) throws -> String {
    let count = shape.reduce(1, *)
    graph.tensors[name] =
      quantized
      ? Tensor(
        .uint8((0..<count).map { _ in UInt8(below(256)) }), shape: shape,
        quantization: .init(scale: graphs.scale(), zeroPoint: Int32(below(256)), isSigned: flip()))
      : Tensor(graphs.floats(count), shape: shape)
    return name
  }

  /// A tensor of the same shape and another quantization.
  private mutating func renamed(_ name: String, _ tensor: String) throws -> String {
    let before = x
    defer { x = before }
    try add(name, .averagePool(Window(1)), [tensor])
    return x
  }

  private mutating func add(_ name: String, _ kind: OperatorKind, _ inputs: [String]? = nil) throws {
    let inputs = inputs ?? [x]
    let activation: Activation = kind.canFuseActivation ? graphs.pick([.none, .relu, .clip(min: 0, max: 6)]) : .none
    let layer = Operator(name, kind, inputs: inputs, outputs: [name], activation: activation)
    var output = self.activation(try graph.outputShape(of: layer))
    switch kind {
    case .quantizeLinear:
      output = Tensor(.uint8, shape: shape, quantization: .init(scale: graphs.scale(), zeroPoint: 7))
    case .dequantizeLinear: output = Tensor(shape: shape)
    default: break
    }
    if kind.keepsValues { output.quantization = graph.tensors[inputs[0]]!.quantization }
    graph.operators.append(layer)
    graph.tensors[name] = output
    x = name
  }
}
