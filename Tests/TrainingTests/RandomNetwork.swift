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

  mutating func conv(
    _ outputs: Int, _ window: Window, group: Int = 1, bias: Bool = true, activation: Activation = .none
  ) throws {
    let inputs = shape[1] / group, fan = Float(inputs * window.kernelHeight * window.kernelWidth).squareRoot()
    let weight = constant(
      prefix + ".weight", [outputs, inputs, window.kernelHeight, window.kernelWidth], -1.5 / fan, 1.5 / fan)
    let constants = bias ? [weight, constant(prefix + ".bias", [outputs], -0.3, 0.3)] : [weight]
    try append(.conv(window, group: group), constants, activation: activation)
  }

  mutating func convTranspose(
    _ outputs: Int, _ window: Window, group: Int = 1, padding: (Int, Int) = (0, 0), bias: Bool = true
  ) throws {
    let inputs = shape[1], fan = Float(inputs / group * window.kernelHeight * window.kernelWidth).squareRoot()
    let weight = constant(
      prefix + ".weight", [inputs, outputs / group, window.kernelHeight, window.kernelWidth], -2 / fan, 2 / fan)
    let constants = bias ? [weight, constant(prefix + ".bias", [outputs], -0.3, 0.3)] : [weight]
    try append(
      .convTranspose(window, group: group, outputPaddingY: padding.0, outputPaddingX: padding.1), constants)
  }

  /// Scale and bias of a shape, for a normalisation.
  mutating func normalize(_ kind: OperatorKind, _ shape: [Int]) throws {
    let name = prefix
    try append(kind, [constant(name + ".scale", shape, 0.5, 1.5), constant(name + ".bias", shape, -0.5, 0.5)])
  }

  /// An operator with a constant of random values.
  mutating func append(_ kind: OperatorKind, constant shape: [Int], _ low: Float, _ high: Float) throws {
    try append(kind, [constant(prefix + ".constant", shape, low, high)])
  }

  mutating func combine(_ a: String, matMul b: String) throws {
    x = a
    try append(.matMul, [b])
  }

  mutating func combine(_ function: BinaryFunction, _ a: String, _ b: String) throws {
    x = a
    try append(.binary(function), [b])
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
    if shape.count != 2 { try append(.reshape([1, shape.reduce(1, *)])) }
    try gemm(classes)
    try append(.softmax)
    graph.outputs = [x]
    return graph
  }
}
