import CNNModel
import CNNPasses
import CNNRT
import CNNSupport

/// A network of the zoo with random weights that behaves like a trained one, as far as time and memory are concerned:
/// signals neither die out nor explode, and the ranges of an int8 form are those of real values. It sizes a board before
/// anything is trained.
public struct UntrainedNetwork {
  /// Trained networks' form: batch normalisation with statistics of its own.
  public let network: Graph
  private let threads: Int
  private let seed: UInt64

  /// - Parameter seed: of weights and images; the same seed and network give the same bundle.
  public init(
    _ name: String, classes: Int, input: ImageSize, width: Double = 1, seed: UInt64 = 0, threads: Int = 1
  ) throws {
    var graph = try Zoo.make(name, classes: classes, input: input, width: width, seed: seed)
    graph.widenWeights()
    try graph.settleStatistics(on: Self.noise(graph, images: 4, seed: seed), images: 4, threads: threads)
    network = graph
    self.threads = threads
    self.seed = seed
  }

  /// What `cnn-export --float` makes of it.
  public func float() -> Graph {
    var graph = network
    graph.run(Pass.forInference)
    return graph
  }

  /// What `cnn-export --int8` makes of it, calibrated on images of noise.
  public func int8() throws -> Graph {
    var graph = network
    graph.run(Pass.forInference + [.batchNormalizationToConv])
    var calibration = Calibration(graph)
    let noise = Self.noise(graph, images: 2, seed: seed &+ 1)
    for (tensor, values) in try graph.run(noise, images: 2, outputs: calibration.tensors, threads: threads) {
      values.withUnsafeBufferPointer { calibration.add($0, of: tensor) }
    }
    var quantizations = calibration.quantizations(.minMax)
    quantizations[graph.inputs[0]] = AffineQuantization(lower: -Double(Self.amplitude), upper: Double(Self.amplitude))
    return try graph.quantized(quantizations)
  }

  /// Uniform values of variance 1.
  private static let amplitude: Float = 1.7320508

  private static func noise(_ graph: Graph, images: Int, seed: UInt64) -> [Float] {
    var random = Random(seed: seed)
    return (0..<images * graph.tensors[graph.inputs[0]]!.count).map { _ in random.uniform(-amplitude, amplitude) }
  }
}

extension Graph {
  /// From PyTorch's initial weights, whose variance is 1 / (3 · fan-in), to He's, 2 / fan-in, which keep the variance of
  /// signals through layers with ReLU (He et al. 2015).
  fileprivate mutating func widenWeights() {
    for layer in operators where layer.kind.hasWeight {
      let name = layer.inputs[1]
      guard case .float32(let weights)? = tensors[name]?.data else { continue }
      tensors[name]!.data = .float32(weights.map { $0 * 2.4494897 })
    }
  }

  /// Runs images through the layers one after another, and gives each batch normalisation the statistics of what
  /// reaches it.
  fileprivate mutating func settleStatistics(on input: [Float], images: Int, threads: Int) throws {
    let isNormalization = operators.map { if case .batchNormalization = $0.kind { true } else { false } }
    guard let last = isNormalization.lastIndex(of: true) else { return }
    var values = [inputs[0]: input]
    for index in 0...last {
      let layer = operators[index]
      if isNormalization[index] { setStatistics(of: layer, to: values[layer.inputs[0]]!, images: images) }
      values[layer.output] = try run(layer, values, images: images, threads: threads)
      let isRead = Set(operators[(index + 1)...].flatMap(\.inputs))
      values = values.filter { isRead.contains($0.key) }
    }
  }

  private mutating func setStatistics(of layer: Operator, to values: [Float], images: Int) {
    let shape = tensors[layer.inputs[0]]!.shape
    let (channels, plane) = (shape[1], shape.dropFirst(2).reduce(1, *))
    var means: [Float] = []
    var variances: [Float] = []
    for channel in 0..<channels {
      var (sum, squares) = (0.0, 0.0)
      for image in 0..<images {
        for value in values[(image * channels + channel) * plane..<(image * channels + channel + 1) * plane] {
          sum += Double(value)
          squares += Double(value) * Double(value)
        }
      }
      let mean = sum / Double(images * plane)
      means.append(Float(mean))
      // A channel that noise does not move would be blown up.
      variances.append(Float(max(squares / Double(images * plane) - mean * mean, 1e-3)))
    }
    tensors[layer.inputs[3]]!.data = .float32(means)
    tensors[layer.inputs[4]]!.data = .float32(variances)
  }

  /// The result of one layer.
  private func run(_ layer: Operator, _ values: [String: [Float]], images: Int, threads: Int) throws -> [Float] {
    var single = Graph()
    single.operators = [layer]
    single.outputs = [layer.output]
    for name in single.usedTensors {
      single.tensors[name] = tensors[name]
      if values[name] != nil { single.inputs.append(name) }
    }
    let session = try single.session(images: images, threads: threads)
    for (index, name) in single.inputs.enumerated() {
      let input = values[name]!
      try session.setInput(input.span, at: index)
    }
    try session.run()
    return try session.output()
  }

  /// The values of tensors for images.
  fileprivate func run(_ input: [Float], images: Int, outputs: [String], threads: Int) throws -> [(String, [Float])] {
    var graph = self
    graph.outputs = outputs
    graph.removeUnused()
    let session = try graph.session(images: images, threads: threads)
    try session.setInput(input.span)
    try session.run()
    return try outputs.enumerated().map { ($1, try session.output($0)) }
  }

  private func session(images: Int, threads: Int) throws -> Session {
    let model = try Model(bytes: try BundleWriter(codec: .stored).bytes(of: self))
    return try Session(model, .init(threads: threads, batch: images))
  }
}
