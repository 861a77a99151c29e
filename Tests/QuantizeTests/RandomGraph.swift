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

  mutating func conv(_ x: String, _ channels: Int, kernel: Int = 3, stride: Int = 1, bias: Bool = true) -> String {
    let window = Window(kernel, stride: stride, padding: kernel / 2)
    let inputChannels = graph.tensors[x]!.shape[1]
    return multiply(.conv(window), x, [channels, inputChannels, kernel, kernel], bias)
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

  private mutating func multiply(_ kind: OperatorKind, _ x: String, _ shape: [Int], _ bias: Bool) -> String {
    let size = shape.reduce(1, *)
    let deviation = (2 / Float(size / shape[0])).squareRoot()
    let weight = constant(generator.normals(size, deviation: deviation), shape)
    return append(kind, [x, weight, bias ? constant(generator.normals(shape[0], deviation: 0.2)) : ""])
  }

  private mutating func constant(_ values: [Float], _ shape: [Int]? = nil) -> String {
    count += 1
    graph.tensors["constant\(count)"] = Tensor(.float32(values), shape: shape ?? [values.count])
    return "constant\(count)"
  }

  private mutating func append(_ kind: OperatorKind, _ inputs: [String]) -> String {
    count += 1
    let name = "\(kind.name.lowercased())\(count)"
    graph.operators.append(Operator(name, kind, inputs: inputs, outputs: [name]))
    graph.tensors[name] = Tensor(shape: try! kind.outputShape(inputs.map { graph.tensors[$0]?.shape }))
    return name
  }
}

extension RandomGraph {
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
