import CNNModel
import CNNSupport

/// Networks of random shapes for the round trips, from a seeded generator.
struct RandomGraphs {
  var random: Random

  init(seed: UInt64) { random = Random(seed: seed) }

  mutating func pick<T>(_ values: [T]) -> T { values[random.below(values.count)] }

  mutating func window(fitting height: Int, _ width: Int, pool: Bool = false) -> Window {
    while true {
      let window = Window(
        kernelHeight: 1 + random.below(4), kernelWidth: 1 + random.below(4),
        strideY: 1 + random.below(2), strideX: 1 + random.below(2),
        padTop: random.below(2), padLeft: random.below(2), padBottom: random.below(2), padRight: random.below(2),
        dilationY: 1 + random.below(2), dilationX: 1 + random.below(2))
      let kind: OperatorKind = pool ? .maxPool(window) : .conv(window)
      let weight = [1, 1, window.kernelHeight, window.kernelWidth]
      if (try? kind.outputShape([[1, 1, height, width], weight])) != nil { return window }
    }
  }

  mutating func floats(_ count: Int) -> TensorData { .float32((0..<count).map { _ in random.uniform(-1, 1) }) }

  mutating func elements(of tensor: Tensor) -> TensorData {
    tensor.type == .uint8 ? .uint8((0..<tensor.count).map { UInt8($0 & 255) }) : floats(tensor.count)
  }

  mutating func int8s(_ count: Int) -> TensorData { .int8((0..<count).map { _ in Int8(random.below(255) - 127) }) }

  mutating func int32s(_ count: Int) -> TensorData { .int32((0..<count).map { _ in Int32(random.below(2001) - 1000) }) }

  mutating func scale() -> Float { random.uniform(0.001, 0.1) }

  /// Convolutions, pools, additions and the rest in random order, float32 or int8, ending with Gemm and Softmax.
  mutating func graph(quantized: Bool) throws -> Graph {
    var graph = Graph()
    var channels = pick([1, 2, 3, 4, 5, 16, 17, 21])
    var size = [4 + random.below(9), 4 + random.below(9)]
    func activation(_ random: inout RandomGraphs, _ shape: [Int]) -> Tensor {
      quantized
        ? Tensor(
          .uint8, shape: shape, quantization: .init(scale: random.scale(), zeroPoint: Int32(random.random.below(256))))
        : Tensor(shape: shape)
    }
    var x = "input"
    graph.inputs = [x]
    graph.tensors[x] = activation(&self, [1, channels] + size)
    func weight(_ self: inout RandomGraphs, _ name: String, _ shape: [Int], bias: Bool) -> [String] {
      let count = shape.reduce(1, *)
      let scales = (0..<shape[0]).map { _ in self.scale() }
      graph.tensors[name + ".weight"] = Tensor(
        quantized ? self.int8s(count) : self.floats(count), shape: shape,
        quantization: quantized ? .init(scales: scales) : nil)
      guard bias else { return [name + ".weight"] }
      graph.tensors[name + ".bias"] = Tensor(
        quantized ? self.int32s(shape[0]) : self.floats(shape[0]), shape: [shape[0]])
      return [name + ".weight", name + ".bias"]
    }
    func append(_ self: inout RandomGraphs, _ kind: OperatorKind, _ inputs: [String], keeps: Bool = false) throws {
      let name = "layer\(graph.operators.count)"
      let fuses = kind.canFuseActivation && self.random.below(2) == 0
      graph.operators.append(Operator(name, kind, inputs: inputs, outputs: [name], activation: fuses ? .relu : .none))
      let shape = try graph.outputShape(of: graph.operators.last!)
      var output = activation(&self, shape)
      if keeps { output.quantization = graph.tensors[inputs[0]]!.quantization }
      graph.tensors[name] = output
      x = name
      if shape.count == 4 { size = Array(shape[2...]) }
    }
    for _ in 0..<(1 + random.below(6)) {
      let name = "layer\(graph.operators.count)"
      switch random.below(quantized ? 6 : 7) {
      case 0, 1:
        let window = window(fitting: size[0], size[1])
        let outputs = pick([1, 3, 8, 16, 18, 33])
        let shape = [outputs, channels, window.kernelHeight, window.kernelWidth]
        try append(&self, .conv(window), [x] + weight(&self, name, shape, bias: random.below(2) == 0))
        channels = outputs
      case 2: try append(&self, .relu, [x], keeps: true)
      case 3:
        try append(
          &self, .maxPool(window(fitting: size[0], size[1], pool: true), ceilMode: random.below(2) == 0), [x],
          keeps: true)
      case 4:
        let window = window(fitting: size[0], size[1], pool: true)
        try append(
          &self, .averagePool(window, countIncludePad: random.below(2) == 0, ceilMode: random.below(2) == 0), [x])
      case 5: try append(&self, .add, [x, x])
      default:
        let names = ["scale", "bias", "mean", "variance"].map { "\(name).\($0)" }
        for name in names { graph.tensors[name] = Tensor(floats(channels), shape: [channels]) }
        try append(&self, .batchNormalization(epsilon: 1e-5), [x] + names)
      }
    }
    if random.below(2) == 0 { try append(&self, random.below(2) == 0 ? .globalAveragePool : .globalMaxPool, [x]) }
    if case .globalMaxPool = graph.operators.last!.kind {
      graph.tensors[x]!.quantization = graph.tensors[graph.operators.last!.inputs[0]]!.quantization
    }
    try append(&self, .flatten, [x], keeps: true)
    let features = graph.tensors[x]!.shape[1]
    let name = "layer\(graph.operators.count)"
    try append(&self, .gemm, [x] + weight(&self, name, [5, features], bias: random.below(2) == 0))
    graph.tensors[x] = Tensor(shape: graph.tensors[x]!.shape)
    try append(&self, .softmax, [x])
    graph.tensors[x] = Tensor(shape: graph.tensors[x]!.shape)
    graph.outputs = [x]
    decorate(&graph)
    return graph
  }

  /// Labels, metadata, recipe, self-test, training state: each there or not.
  mutating func decorate(_ graph: inout Graph) {
    if random.below(2) == 0 { graph.labels = ["ankle boot", "", "größer", "🥾", "ankle boot"] }
    if random.below(2) == 0 { graph.metadata = ["made by": "a test", "empty": "", "ähm": "ü"] }
    if random.below(2) == 0 {
      graph.trainingState = (0..<random.below(300)).map { UInt8(truncatingIfNeeded: $0) } + [1]
    }
    let input = graph.tensors[graph.inputs[0]]!
    let channels = input.shape[1]
    if channels == 1 || channels == 3 {
      let order = channels == 1 ? Recipe.ChannelOrder.grey : pick([.rgb, .bgr])
      graph.recipe = Recipe(
        width: input.shape[3], height: input.shape[2], channelOrder: order,
        resize: pick([.stretch, .crop(shorter: 40), .letterbox(fill: Array([7, 8, 9].prefix(channels)))]),
        mean: Array([0.1, 0.2, 0.3].prefix(channels)), deviation: Array([0.4, 0.5, 0.6].prefix(channels)))
    }
    if random.below(2) == 0 {
      let output = graph.tensors[graph.outputs[0]]!
      graph.selfTest = SelfTest(inputs: [elements(of: input)], outputs: [elements(of: output)], tolerance: 1e-4)
    }
  }
}
