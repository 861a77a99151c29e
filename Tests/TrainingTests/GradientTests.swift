import CCNNRT
import CNNModel
import CNNSupport
import Testing

/// Norm of the difference over the norm.
func distance(_ a: [Float], _ b: [Double]) -> Double {
  precondition(a.count == b.count)
  let difference = zip(a, b).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
  let norm = b.reduce(0) { $0 + $1 * $1 }
  return (difference / max(norm, 1e-30)).squareRoot()
}

/// The trainer's loss and every gradient tensor against the reference's.
func compareGradients(
  _ graph: Graph, count: Int, threads: Int = 1, seed: UInt64 = 1, isa: String? = nil, tolerance: Double = 2e-5,
  _ location: SourceLocation = #_sourceLocation
) throws {
  var random = Random(seed: seed)
  let batch = Batch(graph, count: count, random: &random)
  let trainer = try Trainer(graph, Options(batch: count, threads: threads), isa: isa)
  let result = try trainer.gradients(batch), expected = ReferenceNetwork(graph).loss(batch)
  #expect(abs(result.loss - expected.loss) < 1e-5 * max(1, expected.loss), sourceLocation: location)
  for p in trainer.parameters where p.isTrainable {
    let reference = expected.gradients[p.name]!, got = try trainer.gradient(p.name)
    // A bias before a batch normalisation has no gradient but rounding.
    let scale = reference.map(abs).max()!
    if scale < 1e-12 {
      #expect(got.map(abs).max()! < 1e-6, "\(p.name)", sourceLocation: location)
    } else {
      #expect(distance(got, reference) < tolerance, "\(p.name) \(p.shape)", sourceLocation: location)
    }
  }
}

@Suite struct GradientTests {
  /// What everything else is compared with is itself the derivative of its loss.
  @Test func referenceAgreesWithFiniteDifferences() throws {
    var net = RandomNetwork(channels: 3, height: 7, width: 6, seed: 3)
    try net.conv(5, Window(kernelHeight: 3, kernelWidth: 2, strideY: 2, strideX: 1, padTop: 1, dilationX: 2))
    try net.batchNorm()
    try net.append(.relu)
    let skip = net.x
    try net.conv(5, Window(3, padding: 1), activation: .relu)
    try net.add(skip)
    try net.append(.maxPool(Window(2, padding: 1)))
    try net.append(.averagePool(Window(2, stride: 1, padding: 1), countIncludePad: true))
    let graph = try net.finish(classes: 3)
    var random = Random(seed: 5)
    let batch = Batch(graph, count: 3, random: &random)
    let network = ReferenceNetwork(graph), gradients = network.loss(batch).gradients
    for (name, gradient) in gradients {
      for i in Set((0..<4).map { _ in random.below(gradient.count) }) {
        let h = 1e-5
        var up = network, down = network
        up.parameters[name]![i] += h
        down.parameters[name]![i] -= h
        let slope = (up.loss(batch).loss - down.loss(batch).loss) / (2 * h)
        #expect(abs(slope - gradient[i]) < 1e-7 + 1e-5 * abs(slope), "\(name)[\(i)]")
      }
    }
  }

  /// Input channels, output channels: images, less than, exactly and more than a block, halves.
  @Test(arguments: [(1, 10), (3, 16), (4, 7), (5, 8), (16, 16), (17, 33), (10, 20), (32, 24)])
  func convolutions(_ inputs: Int, _ outputs: Int) throws {
    let windows = [
      Window(3, padding: 1), Window(1), Window(3, stride: 2, padding: 1), Window(1, stride: 2), Window(5, padding: 2),
      Window(3, padding: 2, dilation: 2), Window(2, stride: 3),
      Window(kernelHeight: 2, kernelWidth: 4, strideY: 1, strideX: 2, padTop: 1, padLeft: 0, padBottom: 0, padRight: 3),
      Window(
        kernelHeight: 3, kernelWidth: 3, strideY: 2, strideX: 3, padTop: 2, padLeft: 2, dilationY: 3, dilationX: 2),
    ]
    for (i, window) in windows.enumerated() {
      // Two, so that the second one's data gradient is the first one's to use.
      var net = RandomNetwork(channels: inputs, height: 11, width: 9, seed: UInt64(i))
      try net.conv(inputs, Window(3, padding: 1), bias: i % 2 == 0)
      try net.conv(outputs, window, activation: i % 3 == 0 ? .relu : .none)
      try compareGradients(net.finish(classes: 3), count: 3)
      // And one on the image itself.
      var first = RandomNetwork(channels: inputs, height: 11, width: 9, seed: UInt64(i))
      try first.conv(outputs, window)
      try compareGradients(first.finish(classes: 3), count: 3)
    }
  }

  @Test func convolutionToOnePixel() throws {
    var net = RandomNetwork(channels: 6, height: 5, width: 4, seed: 1)
    try net.conv(18, Window(3, padding: 1))
    try net.conv(12, Window(kernelHeight: 5, kernelWidth: 4))
    try net.conv(9, Window(1))
    try compareGradients(net.finish(classes: 4), count: 5)
  }

  @Test func fullyConnected() throws {
    for (k, o) in [(1, 1), (3, 20), (16, 16), (40, 5), (70, 33)] {
      var net = RandomNetwork(channels: k, height: 1, width: 1, seed: UInt64(k))
      try net.append(.flatten)
      try net.gemm(o)
      try net.append(.relu)
      try net.gemm(o, bias: false)
      try compareGradients(net.finish(classes: 3), count: 7)
    }
  }

  @Test(arguments: [1, 10, 16, 33])
  func batchNormalization(_ channels: Int) throws {
    for relu in [false, true] {
      var net = RandomNetwork(channels: 2, height: 6, width: 5, seed: 7)
      try net.conv(channels, Window(3, padding: 1), bias: false)
      try net.batchNorm()
      if relu { try net.append(.relu) }
      try net.conv(4, Window(3, padding: 1))
      try net.batchNorm()
      try compareGradients(net.finish(classes: 3), count: 5, tolerance: 1e-4)
    }
  }

  /// The mean is a thousand times the deviation: a difference of sums of squares would leave nothing of the variance.
  @Test func batchStatisticsFarFromZero() throws {
    var net = RandomNetwork(channels: 2, height: 6, width: 5, seed: 7)
    try net.conv(3, Window(1))
    net.graph.tensors["layer0.bias"] = Tensor(.float32([1000, -1000, 500]), shape: [3])
    try net.batchNorm()
    let graph = try net.finish(classes: 3)
    var random = Random(seed: 1)
    let batch = Batch(graph, count: 5, random: &random), trainer = try Trainer(graph, Options(batch: 5))
    let result = try trainer.gradients(batch), expected = ReferenceNetwork(graph).loss(batch)
    #expect(abs(result.loss - expected.loss) < 1e-3)
    #expect(distance(try trainer.gradient("layer1.scale"), expected.gradients["layer1.scale"]!) < 1e-3)
  }

  @Test func pools() throws {
    let kinds: [OperatorKind] = [
      .maxPool(Window(2, stride: 2)), .maxPool(Window(2)), .maxPool(Window(3, stride: 2, padding: 1)),
      .maxPool(Window(3, stride: 1)),
      .maxPool(Window(2, stride: 3), ceilMode: true), .maxPool(Window(2, stride: 1, dilation: 2)),
      .averagePool(Window(2, stride: 2)), .averagePool(Window(3, stride: 2, padding: 1)),
      .averagePool(Window(3, stride: 2, padding: 1), countIncludePad: true),
      .averagePool(Window(3, stride: 2, padding: 1), countIncludePad: true, ceilMode: true),
      .globalAveragePool, .globalMaxPool,
    ]
    for (i, kind) in kinds.enumerated() {
      for channels in [3, 20] {
        var net = RandomNetwork(channels: 2, height: 8, width: 7, seed: UInt64(i))
        try net.conv(channels, Window(3, padding: 1))
        try net.append(kind)
        try compareGradients(net.finish(classes: 3), count: 3)
      }
    }
  }

  /// A max pool whose windows touch is part of the batch normalisation before it, at any size, with or without a
  /// ReLU, before or behind it; others are not.
  @Test(arguments: [
    Window(2, stride: 2), Window(3, stride: 3), Window(kernelHeight: 2, kernelWidth: 1, strideY: 2),
    Window(3, stride: 2), Window(2, stride: 2, padding: 1),
  ])
  func poolsBehindBatchNormalization(_ window: Window) throws {
    for (channels, ceilMode, before, behind) in [
      (3, false, true, false), (20, true, true, false), (8, false, false, false), (17, true, false, true),
    ] {
      var net = RandomNetwork(channels: 2, height: 8, width: 7, seed: UInt64(channels))
      try net.conv(channels, Window(3, padding: 1), bias: false)
      try net.batchNorm()
      if before { try net.append(.relu) }
      try net.append(.maxPool(window, ceilMode: ceilMode))
      if behind { try net.append(.relu) }
      try net.conv(4, Window(3, padding: 1))
      try compareGradients(net.finish(classes: 3), count: 3, tolerance: 1e-4)
    }
  }

  /// Equal values (zeros behind a ReLU) give the gradient to the first of the window, as in PyTorch.
  @Test func maxPoolOfEqualValues() throws {
    var net = RandomNetwork(channels: 1, height: 4, width: 4, seed: 2)
    try net.conv(3, Window(1))
    try net.append(.maxPool(Window(2, stride: 2)))
    let graph = try net.finish(classes: 2)
    let batch = Batch(images: [Float](repeating: 0.5, count: 32), labels: [0, 1])
    let trainer = try Trainer(graph, Options(batch: 2))
    try trainer.gradients(batch)
    let expected = ReferenceNetwork(graph).loss(batch).gradients
    #expect(distance(try trainer.gradient("layer0.weight"), expected["layer0.weight"]!) < 1e-5)
  }

  /// A tensor that is read by several operators collects their gradients.
  @Test func branches() throws {
    var net = RandomNetwork(channels: 3, height: 8, width: 8, seed: 4)
    try net.conv(12, Window(3, padding: 1), bias: false)
    try net.batchNorm()
    try net.append(.relu)
    let a = net.x
    try net.conv(12, Window(3, padding: 1), bias: false)
    try net.batchNorm()
    try net.append(.relu)
    try net.conv(12, Window(3, padding: 1), bias: false)
    try net.batchNorm()
    try net.add(a)
    try net.append(.relu)
    let b = net.x
    try net.conv(20, Window(3, stride: 2, padding: 1), bias: false)
    try net.batchNorm()
    let c = net.x
    net.x = b
    try net.conv(20, Window(1, stride: 2), bias: false)
    try net.batchNorm()
    try net.add(c)
    try net.append(.relu)
    try net.append(.globalAveragePool)
    try compareGradients(net.finish(classes: 5), count: 6, tolerance: 1e-4)
  }

  @Test func sumOfOneTensorWithItself() throws {
    var net = RandomNetwork(channels: 2, height: 3, width: 3, seed: 4)
    try net.conv(5, Window(1))
    try net.add(net.x)
    try net.append(.relu)
    try net.append(.relu)
    try compareGradients(net.finish(classes: 2), count: 2)
  }

  @Test(arguments: 1...4)
  func threadsShareTheBatch(_ threads: Int) throws {
    let graph = try Zoo.make("seed", classes: 10, input: ImageSize(height: 13, width: 12, channels: 1), seed: 3)
    // 5 images for up to 4 threads; a batch smaller than the options' too.
    try compareGradients(graph, count: 5, threads: threads, tolerance: 2e-4)
  }

  /// Every instruction set of this processor and library.
  @Test func instructionSets() throws {
    var index: UInt32 = 0
    while let name = cnnrt_isa_available(index).map({ String(cString: $0) }) {
      let graph = try Zoo.make("seed", classes: 10, input: ImageSize(height: 12, width: 12, channels: 1), seed: 3)
      try compareGradients(graph, count: 3, isa: name, tolerance: 2e-4)
      index += 1
    }
    #expect(index > 0)
  }
}
