import CNNModel

/// Builds graphs with random weights, one operator per call; each call gives the name of its result.
struct RandomGraph {
  private(set) var graph = Graph()
  private var generator: SeededGenerator
  private var count = 0

  init(seed: UInt64, input: [Int]) {
    generator = SeededGenerator(seed: seed)
    graph.inputs = ["input"]
    graph.tensors["input"] = Tensor(shape: input)
  }

  mutating func conv(
    _ x: String, _ channels: Int, kernel: Int = 3, stride: Int = 1, padding: Int? = nil, group: Int = 1,
    bias: Bool = true
  ) -> String {
    let window = Window(kernel, stride: stride, padding: padding ?? kernel / 2)
    let inputChannels = graph.tensors[x]!.shape[1]
    return multiply(.conv(window, group: group), x, [channels, inputChannels / group, kernel, kernel], bias)
  }

  mutating func convTranspose(_ x: String, _ channels: Int, group: Int = 1) -> String {
    let inputChannels = graph.tensors[x]!.shape[1]
    let kind = OperatorKind.convTranspose(Window(3, stride: 2, padding: 1), group: group, outputPaddingY: 1)
    return multiply(kind, x, [inputChannels, channels / group, 3, 3], true, outputs: channels)
  }

  mutating func gemm(_ x: String, _ channels: Int, bias: Bool = true) -> String {
    multiply(.gemm, x, [channels, graph.tensors[x]!.shape[1]], bias)
  }

  /// Factors and statistics such as training leaves.
  mutating func batchNormalization(_ x: String) -> String {
    let channels = graph.tensors[x]!.shape[1]
    return append(
      .batchNormalization(epsilon: 1e-5),
      [
        x, constant(generator.normals(channels, deviation: 0.3, mean: 1)),
        constant(generator.normals(channels, deviation: 0.3)), constant(generator.normals(channels, deviation: 0.3)),
        constant(generator.normals(channels, deviation: 0.2).map { 0.05 + $0 * $0 }),
      ])
  }

  mutating func relu(_ x: String) -> String { append(.relu, [x]) }
  mutating func maxPool(_ x: String) -> String { append(.maxPool(Window(2, stride: 2)), [x]) }
  mutating func averagePool(_ x: String) -> String { append(.averagePool(Window(2, stride: 2)), [x]) }
  mutating func globalAveragePool(_ x: String) -> String { append(.globalAveragePool, [x]) }
  mutating func add(_ a: String, _ b: String) -> String { append(.add, [a, b]) }
  mutating func flatten(_ x: String) -> String { append(.flatten, [x]) }
  mutating func softmax(_ x: String) -> String { append(.softmax, [x]) }

  /// The finished graph with these outputs.
  func finished(_ outputs: String...) throws -> Graph {
    var result = graph
    result.outputs = outputs
    try result.validate()
    return result
  }

  /// The finished graph with one more operator, whose result is its output.
  mutating func finished(_ last: (inout RandomGraph) -> String) throws -> Graph {
    let output = last(&self)
    return try finished(output)
  }

  private mutating func multiply(
    _ kind: OperatorKind, _ x: String, _ shape: [Int], _ bias: Bool, outputs: Int? = nil
  ) -> String {
    let size = shape.reduce(1, *)
    let deviation = (2 / Float(size / shape[0])).squareRoot()
    let weight = constant(generator.normals(size, deviation: deviation), shape)
    return append(kind, [x, weight, bias ? constant(generator.normals(outputs ?? shape[0], deviation: 0.2)) : ""])
  }

  mutating func normals(_ shape: [Int], deviation: Float = 1, mean: Float = 0) -> String {
    constant(generator.normals(shape.reduce(1, *), deviation: deviation, mean: mean), shape)
  }

  mutating func constant(_ values: [Float], _ shape: [Int]? = nil) -> String {
    count += 1
    graph.tensors["constant\(count)"] = Tensor(.float32(values), shape: shape ?? [values.count])
    return "constant\(count)"
  }

  mutating func append(_ kind: OperatorKind, _ inputs: [String]) -> String {
    count += 1
    let name = "\(kind.name.lowercased())\(count)"
    graph.operators.append(Operator(name, kind, inputs: inputs, outputs: [name]))
    graph.tensors[name] = Tensor(shape: try! kind.outputShape(inputs.map { graph.tensors[$0]?.shape }))
    return name
  }
}

extension RandomGraph {
  /// One of the networks below, by the seed.
  static func network(_ seed: UInt64, small: Bool = false) throws -> Graph {
    switch seed % 6 {
    case 0: try chain(seed: seed, channels: small ? [3, 5, 4] : [10, 10, 20, 20])
    case 1: try residual(seed: seed, channels: small ? 3 : 12)
    case 2: try mobile(seed: seed)
    case 3: try inception(seed: seed)
    case 4: try decoder(seed: seed)
    default: try mixer(seed: seed)
    }
  }

  /// MobileNet's block with padding of its own, squeeze and excite, a residual; then a transposed convolution.
  static func mobile(seed: UInt64) throws -> Graph {
    var net = RandomGraph(seed: seed, input: [1, 3, 9, 8])
    let relu6 = OperatorKind.clip(min: 0, max: 6)
    let x = net.append(relu6, [net.batchNormalization(net.conv("input", 6, stride: 2, bias: false))])
    var y = net.append(relu6, [net.batchNormalization(net.conv(x, 12, kernel: 1, bias: false))])
    y = net.append(.pad(Padding(begins: [0, 0, 1, 1], ends: [0, 0, 1, 1])), [y])
    y = net.append(relu6, [net.batchNormalization(net.conv(y, 12, padding: 0, group: 12, bias: false))])
    var gate = net.relu(net.conv(net.globalAveragePool(y), 4, kernel: 1))
    gate = net.append(.unary(.hardSigmoid(alpha: 1 / 6, beta: 0.5)), [net.conv(gate, 12, kernel: 1)])
    y = net.append(.mul, [y, gate])
    y = net.add(net.batchNormalization(net.conv(y, 6, kernel: 1, bias: false)), x)
    y = net.relu(net.batchNormalization(net.convTranspose(y, 8, group: 2)))
    y = net.append(.unary(.leakyRelu(alpha: 0.2)), [y])
    let features = net.append(.dropout(ratio: 0.2), [net.flatten(net.globalAveragePool(y))])
    let scores = net.gemm(features, 7)
    return try net.finished { $0.softmax(scores) }
  }

  /// Branches that are joined, grouped convolution, response normalisation, reductions.
  static func inception(seed: UInt64) throws -> Graph {
    var net = RandomGraph(seed: seed, input: [1, 3, 10, 10])
    let stem = net.append(.lrn(size: 5, alpha: 0.1, beta: 0.75, bias: 1), [net.relu(net.conv("input", 8))])
    let pooled = net.append(.maxPool(Window(3, stride: 2, padding: 1)), [stem])
    let a = net.append(.pRelu, [net.conv(pooled, 5, kernel: 1), net.normals([5], deviation: 0.1, mean: 0.25)])
    let b = net.append(
      .unary(.leakyRelu(alpha: 0.1)), [net.conv(net.relu(net.conv(pooled, 6, kernel: 1)), 8, group: 2)])
    let c = net.conv(net.append(.averagePool(Window(3, padding: 1), countIncludePad: true), [pooled]), 4, kernel: 1)
    let joined = net.append(.concat(), [a, b, c, pooled])
    let part = net.append(.slice(Slice(starts: [0, 3, 0, 0], sizes: [1, 16, 5, 5])), [joined])
    let swish = net.append(.unary(.swish(alpha: 1)), [net.conv(part, 8)])
    let mean = net.append(.reduce(.mean, axes: [2, 3], keepDims: false), [swish])
    let largest = net.append(.reduce(.max, axes: [2, 3], keepDims: false), [swish])
    let scaled = net.append(.sub, [mean, net.normals([8], deviation: 0.1)])
    let scores = net.gemm(net.append(.concat(), [scaled, largest]), 6)
    return try net.finished { $0.softmax(scores) }
  }

  /// An image from an image: down, up by every way there is, with a skip.
  static func decoder(seed: UInt64) throws -> Graph {
    var net = RandomGraph(seed: seed, input: [1, 3, 8, 8])
    let skip = net.append(.unary(.elu(alpha: 1)), [net.conv("input", 6)])
    let low = net.append(.instanceNormalization(epsilon: 1e-5), [net.conv(skip, 16, stride: 2)] + net.factors(16))
    let shuffled = net.append(.depthToSpace(blockSize: 2, mode: .crd), [low])
    let up = net.append(
      .resize(Resize(mode: .linear, height: 8, width: 8, scaleY: 2, scaleX: 2)), [net.conv(low, 5, kernel: 1)])
    let nearest = net.append(
      .resize(
        Resize(mode: .nearest(.floor), coordinates: .asymmetric, height: 8, width: 8, scaleY: 2, scaleX: 2)),
      [net.relu(net.conv(low, 5, kernel: 1))])
    let joined = net.append(.concat(), [skip, shuffled, up, nearest])
    let folded = net.append(.spaceToDepth(blockSize: 2), [net.append(.unary(.tanh), [net.conv(joined, 4)])])
    return try net.finished { $0.conv(folded, 3) }
  }

  /// Channels and places mixed by matrices, with the normalisations and the softmax in the middle of a transformer.
  static func mixer(seed: UInt64) throws -> Graph {
    var net = RandomGraph(seed: seed, input: [1, 3, 8, 8])
    let patches = net.append(
      .groupNormalization(groups: 2, epsilon: 1e-5),
      [net.conv("input", 8, kernel: 2, stride: 2, padding: 0)] + net.factors(8))
    let tokens = net.append(.transpose([0, 2, 1]), [net.append(.reshape([1, 8, 16]), [patches])])
    let normal = net.append(.layerNormalization(axis: 2, epsilon: 1e-5), [tokens] + net.factors(8))
    let keys = net.append(
      .transpose([0, 2, 1]), [net.append(.matMul, [normal, net.normals([8, 8], deviation: 0.35)])])
    let scores = net.append(.div, [net.append(.matMul, [normal, keys]), net.normals([1], deviation: 0, mean: 2.8)])
    let attended = net.append(.matMul, [net.append(.softmax(axis: 2), [scores]), normal])
    let sum = net.add(attended, tokens)
    let wide = net.append(
      .unary(.gelu(approximate: false)), [net.append(.matMul, [sum, net.normals([8, 12], deviation: 0.35)])])
    let mean = net.append(.reduce(.mean, axes: [1], keepDims: false), [wide])
    let out = net.gemm(mean, 5)
    return try net.finished { $0.softmax(out) }
  }

  /// Scale and bias of a normalisation.
  private mutating func factors(_ channels: Int) -> [String] {
    [normals([channels], deviation: 0.3, mean: 1), normals([channels], deviation: 0.3)]
  }

  /// The seed network, channels as given, on images of 16×16.
  static func chain(seed: UInt64, channels: [Int] = [10, 10, 20, 20]) throws -> Graph {
    var net = RandomGraph(seed: seed, input: [1, 1, 16, 16])
    var x = "input"
    for (index, count) in channels.enumerated() {
      x = net.conv(x, count, bias: index % 2 == 0)
      x = net.batchNormalization(x)
      x = net.relu(x)
      if index == 0 || index == channels.count - 1 { x = net.maxPool(x) }
    }
    x = net.gemm(net.flatten(x), 10)
    return try net.finished { $0.softmax(x) }
  }

  /// Two residual blocks, the second with a projection, averaged: what skips and branches ask of a pass.
  static func residual(seed: UInt64, channels: Int = 12) throws -> Graph {
    var net = RandomGraph(seed: seed, input: [1, 3, 12, 12])
    var x = net.relu(net.batchNormalization(net.conv("input", channels, bias: false)))
    for stride in [1, 2] {
      let count = channels * stride
      var y = net.relu(net.batchNormalization(net.conv(x, count, stride: stride, bias: false)))
      y = net.batchNormalization(net.conv(y, count, bias: false))
      let skip = stride == 1 ? x : net.batchNormalization(net.conv(x, count, kernel: 1, stride: stride, bias: false))
      x = net.relu(net.add(y, skip))
    }
    // Batch normalisation before the activation's reader, as in a pre-activation network: cannot be folded backwards.
    x = net.relu(net.batchNormalization(net.averagePool(x)))
    x = net.gemm(net.flatten(net.globalAveragePool(x)), 7)
    return try net.finished { $0.softmax(x) }
  }
}
