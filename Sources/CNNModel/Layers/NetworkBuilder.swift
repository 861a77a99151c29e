import CNNSupport

/// The graph under construction: what layers append themselves to.
public struct NetworkBuilder {
  public internal(set) var graph = Graph()
  /// Initial parameters come from it, in the order of the layers.
  public var random: Random
  /// Of the block that is being appended: "stage1.block2.", or "".
  private var scope = ""
  private var used: [String: Int] = [:]

  public init(seed: UInt64) { random = Random(seed: seed) }

  /// Adds an input of the network.
  mutating func input(_ name: String, shape: [Int]) -> String {
    graph.tensors[name] = Tensor(shape: shape)
    graph.inputs.append(name)
    return name
  }

  public func shape(of tensor: String) -> [Int] { graph.tensors[tensor]!.shape }

  /// A name for the next layer of a kind: "conv1", "conv2" …, after the names of the blocks around it.
  public mutating func nextName(_ kind: String) -> String {
    let number = used[scope + kind, default: 0] + 1
    used[scope + kind] = number
    return "\(scope)\(kind)\(number)"
  }

  /// Adds an operator whose result has the layer's name.
  /// - Returns: the name of the result.
  public mutating func append(
    _ kind: OperatorKind, named name: String, _ inputs: [String]
  ) throws(CNNError) -> String {
    let layer = Operator(name, kind, inputs: inputs, outputs: [name])
    graph.tensors[name] = Tensor(shape: try graph.outputShape(of: layer))
    graph.operators.append(layer)
    return name
  }

  /// Adds a constant that the training learns, drawn uniformly from −bound … bound.
  public mutating func parameter(_ name: String, shape: [Int], bound: Float) -> String {
    let values = (0..<shape.reduce(1, *)).map { _ in random.uniform(-bound, bound) }
    graph.tensors[name] = Tensor(.float32(values), shape: shape)
    return name
  }

  /// Adds a constant of equal values.
  public mutating func parameter(_ name: String, shape: [Int], value: Float) -> String {
    graph.tensors[name] = Tensor(.float32(.init(repeating: value, count: shape.reduce(1, *))), shape: shape)
    return name
  }

  /// Runs `body` with a block's name before the names of its layers; "" adds nothing.
  mutating func within(
    _ block: String, _ body: (inout NetworkBuilder) throws(CNNError) -> String
  ) throws(CNNError) -> String {
    let outer = scope
    defer { scope = outer }
    if !block.isEmpty { scope += block + "." }
    return try body(&self)
  }
}
