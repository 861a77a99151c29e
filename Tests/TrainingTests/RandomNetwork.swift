import CNNModel
import CNNSupport

/// Graphs with random parameters, built operator by operator.
struct RandomNetwork {
  var graph = Graph()
  var random: Random
  /// The tensor that the next operator reads.
  var x = "input"

  init(channels: Int, height: Int, width: Int, seed: UInt64) {
    random = Random(seed: seed)
    graph.inputs = ["input"]
    graph.tensors["input"] = Tensor(shape: [1, channels, height, width])
  }

  var shape: [Int] { graph.tensors[x]!.shape }

  private mutating func constant(_ name: String, _ shape: [Int], _ low: Float, _ high: Float) -> String {
    let values = (0..<shape.reduce(1, *)).map { _ in random.uniform(low, high) }
    graph.tensors[name] = Tensor(.float32(values), shape: shape)
    return name
  }

  mutating func append(_ kind: OperatorKind, _ constants: [String] = [], activation: Activation = .none) throws {
    let name = "\(kind.name)\(graph.operators.count)"
    let inputs = [x] + constants
    let output = try kind.outputShape(inputs.map { $0.isEmpty ? nil : graph.tensors[$0]!.shape })
    graph.tensors[name + ".y"] = Tensor(shape: output)
    graph.operators.append(Operator(name, kind, inputs: inputs, outputs: [name + ".y"], activation: activation))
    x = name + ".y"
  }

  private var prefix: String { "layer\(graph.operators.count)" }

  mutating func conv(_ outputs: Int, _ window: Window, bias: Bool = true, activation: Activation = .none) throws {
    let inputs = shape[1], fan = Float(inputs * window.kernelHeight * window.kernelWidth).squareRoot()
    let weight = constant(
      prefix + ".weight", [outputs, inputs, window.kernelHeight, window.kernelWidth], -1.5 / fan, 1.5 / fan)
    let constants = bias ? [weight, constant(prefix + ".bias", [outputs], -0.3, 0.3)] : [weight]
    try append(.conv(window), constants, activation: activation)
  }

  mutating func gemm(_ outputs: Int, bias: Bool = true) throws {
    let fan = Float(shape[1]).squareRoot()
    let weight = constant(prefix + ".weight", [outputs, shape[1]], -1.5 / fan, 1.5 / fan)
    try append(.gemm, bias ? [weight, constant(prefix + ".bias", [outputs], -0.3, 0.3)] : [weight])
  }

  mutating func batchNorm() throws {
    let c = shape[1], name = prefix
    try append(
      .batchNormalization(epsilon: 1e-5),
      [
        constant(name + ".scale", [c], 0.5, 1.5), constant(name + ".shift", [c], -0.5, 0.5),
        constant(name + ".mean", [c], -0.2, 0.2), constant(name + ".variance", [c], 0.5, 1.5),
      ])
  }

  mutating func add(_ other: String) throws { try append(.add, [other]) }

  /// Flatten, Gemm and Softmax, where they are still needed.
  mutating func finish(classes: Int) throws -> Graph {
    if shape.count == 4 { try append(.flatten) }
    try gemm(classes)
    try append(.softmax)
    graph.outputs = [x]
    return graph
  }
}
