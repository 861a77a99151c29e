import CNNModel
import CNNSupport

/// Networks from a seeded generator: single operators in many shapes, and graphs with branches.
struct RandomGraphs {
  var random: Random
  let quantized: Bool
  private(set) var graph = Graph()
  /// The operator that is added has no readers.
  private var isLast = false

  init(seed: UInt64, quantized: Bool) {
    random = Random(seed: seed)
    self.quantized = quantized
  }

  static let kinds = [
    "conv", "gemm", "normalization", "relu", "maxPool", "averagePool", "globalAverage", "globalMax", "add", "flatten",
    "softmax",
  ]

  /// One operator of this kind; nil where there is none (int8 batch normalisation).
  mutating func single(_ kind: String) throws -> Graph? {
    graph = Graph()
    if quantized && kind == "normalization" { return nil }
    let channels = 1 + random.below(random.below(2) == 0 ? 5 : 40)
    let shape =
      kind == "gemm" || kind == "softmax" ? [1, channels] : [1, channels, 1 + random.below(12), 1 + random.below(12)]
    let x = input(shape)
    isLast = true
    _ = try append(kind, x)
    isLast = false
    return finish()
  }

  /// Some operators, each on whatever tensors there are; tensors that nobody reads are the outputs.
  mutating func branched() throws -> Graph {
    graph = Graph()
    var available = [input([1, 1 + random.below(20), 3 + random.below(9), 3 + random.below(9)])]
    if random.below(3) == 0 { available.append(input(graph.tensors[available[0]]!.shape)) }
    let kinds = ["conv", "conv", "normalization", "relu", "maxPool", "averagePool", "add", "add"]
    for _ in 0..<(2 + random.below(9)) {
      let kind = kinds[random.below(kinds.count)]
      if quantized && kind == "normalization" { continue }
      available.append(try append(kind, available[random.below(available.count)]))
    }
    if random.below(2) == 0 {
      let pooled = try append(random.below(2) == 0 ? "globalAverage" : "flatten", available.last!)
      let flat = graph.tensors[pooled]!.shape.count == 2 ? pooled : try append("flatten", pooled)
      isLast = true
      _ = try append("softmax", try append("gemm", flat))
      isLast = false
    }
    return finish()
  }

  /// A few convolutions that are worth several threads, with a skip connection.
  mutating func large() throws -> Graph {
    graph = Graph()
    let x = input([1, 3, 40, 40])
    func conv(_ self: inout RandomGraphs, _ name: String, _ x: String, _ channels: Int) throws -> String {
      let inputs = self.weights(name, [channels, self.graph.tensors[x]!.shape[1], 3, 3])
      return try self.add(name, .conv(Window(3, padding: 1)), [x] + inputs)
    }
    let a = try conv(&self, "a", x, 40)
    let b = try conv(&self, "b", a, 40)
    let sum = try add("sum", .add, [a, b])
    let c = try conv(&self, "c", try add("pool", .maxPool(Window(2, stride: 2)), [sum], keeps: true), 64)
    let flat = try add("flat", .flatten, [c], keeps: true)
    graph.outputs = [try add("softmax", .softmax, [try add("gemm", .gemm, [flat] + weights("gemm", [100, 25600]))])]
    return graph
  }

  /// A graph for images of 3 channels, with a recipe: worth two threads.
  mutating func withRecipe() throws -> Graph {
    var graph = try large()
    graph.recipe = Recipe(
      width: 40, height: 40, channelOrder: .bgr, resize: .letterbox(fill: [1, 2, 3]), mean: [0.1, 0.2, 0.3],
      deviation: [0.4, 0.5, 0.6])
    return graph
  }

  /// A small graph with labels, metadata, recipe and self-test.
  mutating func decorated() throws -> Graph {
    repeat { graph = try branched() } while graph.outputs.count > 2 || graph.inputs.count > 1
    var decorated = graph
    let input = decorated.tensors[decorated.inputs[0]]!
    decorated.labels = ["boot", "größer"]
    decorated.metadata = ["key": "value", "other": ""]
    if input.shape[1] == 1 || input.shape[1] == 3 {
      let grey = input.shape[1] == 1
      decorated.recipe = Recipe(
        width: input.shape[3], height: input.shape[2], channelOrder: grey ? .grey : .rgb, resize: .crop(shorter: 16),
        mean: grey ? [0.5] : [0.5, 0.5, 0.5], deviation: grey ? [0.5] : [0.5, 0.5, 0.5])
    }
    try decorated.addSelfTest(values(decorated))
    return decorated
  }

  /// Values of an input's own type.
  mutating func values(_ graph: Graph, batch: Int = 1) -> [[UInt8]] {
    graph.inputs.map { name in
      let tensor = graph.tensors[name]!
      let count = tensor.count * batch
      if tensor.type == .uint8 { return (0..<count).map { _ in UInt8(random.below(256)) } }
      return (0..<count).flatMap { _ in
        withUnsafeBytes(of: random.uniform(-2, 2)) { Array($0) }
      }
    }
  }

  // MARK: - Parts

  private mutating func finish() -> Graph {
    let read = Set(graph.operators.flatMap(\.inputs))
    graph.outputs = graph.operators.map(\.output).filter { !read.contains($0) || random.below(4) == 0 }
    return graph
  }

  private mutating func input(_ shape: [Int]) -> String {
    let name = "input\(graph.inputs.count)"
    graph.inputs.append(name)
    graph.tensors[name] = activation(shape)
    return name
  }

  private mutating func activation(_ shape: [Int]) -> Tensor {
    guard quantized else { return Tensor(shape: shape) }
    let zeroPoint = [0, 255, random.below(256)][random.below(3)]
    return Tensor(
      .uint8, shape: shape, quantization: .init(scale: random.uniform(0.01, 0.1), zeroPoint: Int32(zeroPoint)))
  }

  private mutating func floats(_ count: Int, _ low: Float = -1, _ high: Float = 1) -> TensorData {
    .float32((0..<count).map { _ in random.uniform(low, high) })
  }

  private mutating func append(_ kind: String, _ x: String) throws -> String {
    let name = "\(kind)\(graph.operators.count)"
    let shape = graph.tensors[x]!.shape
    switch kind {
    case "conv":
      let window = convolutionWindow(shape)
      let inputs = weights(name, [1 + random.below(36), shape[1], window.kernelHeight, window.kernelWidth])
      return try add(name, .conv(window), [x] + inputs)
    case "gemm": return try add(name, .gemm, [x] + weights(name, [1 + random.below(36), shape[1]]))
    case "normalization":
      let names = ["scale", "bias", "mean", "variance"].map { "\(name).\($0)" }
      for (k, n) in names.enumerated() {
        graph.tensors[n] = Tensor(floats(shape[1], k == 3 ? 0.1 : -1, 2), shape: [shape[1]])
      }
      return try add(name, .batchNormalization(epsilon: 1e-5), [x] + names)
    case "relu": return try add(name, .relu, [x], keeps: true)
    case "maxPool": return try add(name, .maxPool(poolWindow(shape), ceilMode: random.below(2) == 0), [x], keeps: true)
    case "averagePool":
      return try add(
        name,
        .averagePool(poolWindow(shape), countIncludePad: random.below(2) == 0, ceilMode: random.below(2) == 0), [x])
    case "globalAverage": return try add(name, .globalAveragePool, [x])
    case "globalMax": return try add(name, .globalMaxPool, [x], keeps: true)
    case "add":
      let others = graph.tensors.filter { !$0.value.isConstant && $0.value.shape == shape }.keys.sorted()
      return try add(name, .add, [x, others[random.below(others.count)]])
    case "flatten": return try add(name, .flatten, [x], keeps: true)
    default: return try add(name, .softmax, [x])
    }
  }

  private mutating func add(_ name: String, _ kind: OperatorKind, _ inputs: [String], keeps: Bool = false) throws
    -> String
  {
    let fused = kind.canFuseActivation && random.below(2) == 0
    let layer = Operator(name, kind, inputs: inputs, outputs: [name], activation: fused ? .relu : .none)
    let shape = try graph.outputShape(of: layer)
    // The last layer of an int8 network gives float32.
    let isProduct = kind == .gemm || name.hasPrefix("conv")
    let floatOutput = kind == .softmax || isProduct && isLast && random.below(4) == 0
    graph.tensors[name] = floatOutput ? Tensor(shape: shape) : activation(shape)
    if keeps { graph.tensors[name]!.quantization = graph.tensors[inputs[0]]!.quantization }
    graph.operators.append(layer)
    return name
  }

  private mutating func weights(_ name: String, _ shape: [Int]) -> [String] {
    let count = shape.reduce(1, *)
    let hasBias = random.below(4) > 0
    if quantized {
      graph.tensors["\(name).weight"] = Tensor(
        .int8((0..<count).map { _ in Int8(random.below(255) - 127) }), shape: shape,
        quantization: .init(scales: (0..<shape[0]).map { _ in random.uniform(0.0001, 0.01) }))
      let bias = (0..<shape[0]).map { _ in Int32(random.below(20001) - 10000) }
      if hasBias { graph.tensors["\(name).bias"] = Tensor(.int32(bias), shape: [shape[0]]) }
    } else {
      graph.tensors["\(name).weight"] = Tensor(floats(count), shape: shape)
      if hasBias { graph.tensors["\(name).bias"] = Tensor(floats(shape[0]), shape: [shape[0]]) }
    }
    return ["\(name).weight"] + (hasBias ? ["\(name).bias"] : [])
  }

  private mutating func convolutionWindow(_ shape: [Int]) -> Window {
    while true {
      let window = Window(
        kernelHeight: 1 + random.below(5), kernelWidth: 1 + random.below(5), strideY: 1 + random.below(3),
        strideX: 1 + random.below(3), padTop: random.below(4), padLeft: random.below(4), padBottom: random.below(4),
        padRight: random.below(4), dilationY: 1 + random.below(2), dilationX: 1 + random.below(2))
      if fits(window, shape) { return window }
    }
  }

  private mutating func poolWindow(_ shape: [Int]) -> Window {
    while true {
      let (height, width) = (1 + random.below(4), 1 + random.below(4))
      let window = Window(
        kernelHeight: height, kernelWidth: width, strideY: 1 + random.below(3), strideX: 1 + random.below(3),
        padTop: random.below(height), padLeft: random.below(width), padBottom: random.below(height),
        padRight: random.below(width))
      if fits(window, shape) { return window }
    }
  }

  private func fits(_ w: Window, _ shape: [Int]) -> Bool {
    shape[2] + w.padTop + w.padBottom > w.dilationY * (w.kernelHeight - 1)
      && shape[3] + w.padLeft + w.padRight > w.dilationX * (w.kernelWidth - 1)
  }
}

extension Graph {
  /// With what the network gives on this machine.
  mutating func addSelfTest(_ inputs: [[UInt8]]) throws {
    let outputs = try OpenSession(OpenModel(self)).run(self, inputs)
    func data(_ names: [String], _ bytes: [[UInt8]]) -> [TensorData] {
      zip(names, bytes).map { TensorData(type: tensors[$0]!.type, bytes: $1) }
    }
    selfTest = SelfTest(inputs: data(self.inputs, inputs), outputs: data(self.outputs, outputs), tolerance: 1e-4)
  }
}
