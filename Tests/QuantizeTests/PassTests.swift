import CNNModel
import CNNPasses
import CNNQuantize
import Testing

@Suite struct PassTests {
  @Test func chainBecomesFiveConvolutions() throws {
    var graph = try RandomGraph.chain(seed: 1)
    let done = graph.run(Pass.forInference)
    try graph.validate()
    #expect(graph.kinds == ["Conv+", "MaxPool", "Conv+", "Conv+", "Conv+", "MaxPool", "Conv", "Flatten", "Softmax"])
    #expect(
      done.filter { $0.rewrites > 0 }.map { "\($0.pass) \($0.rewrites)" } == [
        "fold-batch-normalization 4", "fuse-activation 4", "flattened-gemm-to-conv 1",
      ])
    #expect(graph.tensors["input"]!.shape == [1, 1, 16, 16])
    #expect(graph.operators.last!.kind == .softmax)
  }

  @Test func residualKeepsWhatCannotBeFolded() throws {
    var graph = try RandomGraph.residual(seed: 2)
    graph.run(Pass.forInference)
    try graph.validate()
    #expect(
      graph.kinds == [
        "Conv+", "Conv+", "Conv", "Add+", "Conv+", "Conv", "Conv", "Add+", "AveragePool", "BatchNormalization+",
        "GlobalAveragePool", "Flatten", "Gemm", "Softmax",
      ])
    graph.run([.batchNormalizationToConv])
    try graph.validate()
    #expect(graph.kinds[9] == "Conv+")
  }

  @Test func foldedWeightsAreTheClosedFormula() throws {
    var net = RandomGraph(seed: 3, input: [1, 3, 5, 5])
    let conv = net.conv("input", 4, bias: true)
    let before = try net.finished { $0.batchNormalization(conv) }
    var graph = before
    #expect(Pass.foldBatchNormalization.rewrite(&graph) == 1)
    func floats(_ graph: Graph, _ layer: Int, _ input: Int) -> [Float] {
      graph.tensors[graph.operators[layer].inputs[input]]!.data!.floats!
    }
    let (scale, shift, mean, variance) = (
      floats(before, 1, 1), floats(before, 1, 2), floats(before, 1, 3), floats(before, 1, 4)
    )
    for channel in 0..<4 {
      let factor = Double(scale[channel]) / (Double(variance[channel]) + Double(Float(1e-5))).squareRoot()
      for index in channel * 27..<(channel + 1) * 27 {
        #expect(floats(graph, 0, 1)[index] == Float(Double(floats(before, 0, 1)[index]) * factor))
      }
      let bias = (Double(floats(before, 0, 2)[channel]) - Double(mean[channel])) * factor + Double(shift[channel])
      #expect(abs(Double(floats(graph, 0, 2)[channel]) - bias) <= 1e-6 * max(1, abs(bias)))
    }
    #expect(graph.operators[0].output == before.operators[1].output)
  }

  @Test func nothingIsFoldedThatOthersRead() throws {
    var net = RandomGraph(seed: 4, input: [1, 3, 6, 6])
    let conv = net.conv("input", 5)
    let normalized = net.batchNormalization(conv)
    let relu = net.relu(normalized)
    // The convolution's own result is an output, and the batch normalisation's is read twice.
    let sum = net.add(relu, normalized)
    var graph = try net.finished(sum, conv)
    #expect(graph.run(Pass.forInference).allSatisfy { $0.rewrites == 0 })
  }

  /// Two convolutions with one weight tensor: folding one must not change the other.
  @Test func sharedWeightsAreCopied() throws {
    var net = RandomGraph(seed: 5, input: [1, 3, 6, 6])
    let first = net.conv("input", 3)
    let second = net.conv(first, 3)
    var graph = try net.finished { $0.batchNormalization(second) }
    graph.operators[1].inputs[1] = graph.operators[0].inputs[1]
    graph.operators[1].inputs[2] = graph.operators[0].inputs[2]
    let before = graph
    graph.run(Pass.forInference)
    try graph.validate()
    #expect(graph.operators.count == 2)
    #expect(graph.tensors[before.operators[0].inputs[1]] == before.tensors[before.operators[0].inputs[1]])
    #expect(graph.operators[1].inputs[1] != graph.operators[0].inputs[1])
  }

  /// MobileNetV2's block as it runs: three convolutions with their clamps inside, an addition.
  @Test func invertedResidualsAreThreeConvolutions() throws {
    var graph = try RandomGraph.mobile(seed: 7)
    graph.run(Pass.forInference)
    try graph.validate()
    #expect(
      graph.kinds == [
        "Conv+", "Conv+", "Conv+", "GlobalAveragePool", "Conv+", "Conv", "HardSigmoid", "Mul", "Conv", "Add",
        "ConvTranspose+", "LeakyRelu", "GlobalAveragePool", "Flatten", "Gemm", "Softmax",
      ])
    // Where it pads is in the convolution now.
    guard case .conv(let window, let group) = graph.operators[2].kind else {
      Issue.record("\(graph.operators[2].kind)")
      return
    }
    #expect(group == 12 && window == Window(3, padding: 1))
    #expect(graph.operators[2].activation == .clip(min: 0, max: 6))
  }

  @Test func dropoutAtTheEndKeepsTheOutputsName() throws {
    var net = RandomGraph(seed: 8, input: [1, 3, 6, 6])
    let conv = net.conv("input", 4)
    var graph = try net.finished { $0.append(.dropout(ratio: 0.5), [conv]) }
    let name = graph.outputs[0]
    #expect(Pass.removeIdentities.rewrite(&graph) == 1)
    try graph.validate()
    #expect(graph.operators.map(\.output) == [name])
    // An input that is an output needs something that copies it.
    net = RandomGraph(seed: 8, input: [1, 3, 6, 6])
    graph = try net.finished { $0.append(.dropout(ratio: 0.5), ["input"]) }
    #expect(Pass.removeIdentities.rewrite(&graph) == 0)
  }

  @Test func onlyBordersOfZerosAreFolded() throws {
    let modes: [(Padding.Mode, [Int], Bool)] = [
      (.constant(0), [0, 0, 1, 2], true), (.constant(1), [0, 0, 1, 2], false), (.edge, [0, 0, 1, 2], false),
      (.constant(0), [0, 1, 0, 0], false), (.constant(0), [0, 0, -1, 0], false),
    ]
    for (mode, begins, folds) in modes {
      var net = RandomGraph(seed: 9, input: [1, 3, 6, 6])
      let padded = net.append(.pad(Padding(begins: begins, ends: [0, 0, 0, 1], mode: mode)), ["input"])
      let conv = net.conv(padded, 4)
      var graph = try net.finished(conv)
      #expect(Pass.foldPadding.rewrite(&graph) == (folds ? 1 : 0))
      graph.removeUnused()
      try graph.validate()
      #expect(graph.operators.count == (folds ? 1 : 2))
    }
  }

  @Test func unreadOperatorsGo() throws {
    var net = RandomGraph(seed: 6, input: [1, 3, 6, 6])
    let used = net.conv("input", 4)
    let unused = net.conv(used, 8)
    _ = net.relu(unused)
    var graph = try net.finished(used)
    #expect(Pass.removeUnused.rewrite(&graph) == 2)
    #expect(graph.operators.map(\.output) == [used])
    #expect(graph.tensors.count == 4)
  }
}

/// The passes change how a network computes, not what.
@Suite struct PassResultTests {
  @Test(arguments: 0..<12) func sameResults(seed: UInt64) throws {
    let before = try RandomGraph.network(seed, small: true)
    var generator = SeededGenerator(seed: 100 + seed)
    let input = generator.normals(before.tensors["input"]!.count)
    let expected = NaiveNetwork(before, input: input)
    var graph = before
    for pass in Pass.forInference + [.batchNormalizationToConv] {
      _ = pass.rewrite(&graph)
      try graph.validate()
      let found = NaiveNetwork(graph, input: input)
      // The logits, before the softmax levels out differences.
      let logits = (before.operators.last!.inputs[0], graph.operators.last!.inputs[0])
      let largest = expected.real(logits.0).map { abs($0) }.max()!
      for (a, b) in zip(expected.real(logits.0), found.real(logits.1)) {
        #expect(abs(a - b) <= 1e-5 * largest, "\(pass.name)")
      }
    }
  }
}
