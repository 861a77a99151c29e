import CNNModel
import CNNQuantize
import Testing

@Suite struct PassTests {
  private func kinds(_ graph: Graph) -> [String] {
    graph.operators.map { $0.kind.name + ($0.activation == .relu ? "+" : "") }
  }

  @Test func chainBecomesFiveConvolutions() throws {
    var graph = try RandomGraph.chain(seed: 1)
    let done = graph.run(Pass.forInference)
    try graph.validate()
    #expect(kinds(graph) == ["Conv+", "MaxPool", "Conv+", "Conv+", "Conv+", "MaxPool", "Conv", "Flatten", "Softmax"])
    #expect(done.map(\.rewrites) == [4, 4, 1, 1])
    #expect(graph.tensors["input"]!.shape == [1, 1, 16, 16])
    #expect(graph.operators.last!.kind == .softmax)
  }

  @Test func residualKeepsWhatCannotBeFolded() throws {
    var graph = try RandomGraph.residual(seed: 2)
    graph.run(Pass.forInference)
    try graph.validate()
    #expect(
      kinds(graph) == [
        "Conv+", "Conv+", "Conv", "Add+", "Conv+", "Conv", "Conv", "Add+", "AveragePool", "BatchNormalization+",
        "GlobalAveragePool", "Flatten", "Gemm", "Softmax",
      ])
    graph.run([.batchNormalizationToConv])
    try graph.validate()
    #expect(kinds(graph)[9] == "Conv+")
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
  @Test(arguments: 0..<6) func sameResults(seed: UInt64) throws {
    let before =
      seed % 2 == 0
      ? try RandomGraph.chain(seed: seed, channels: [3, 5, 4]) : try RandomGraph.residual(seed: seed, channels: 3)
    var generator = SeededGenerator(seed: 100 + seed)
    let input = generator.normals(before.tensors["input"]!.count)
    let expected = NaiveNetwork(before, input: input)
    var graph = before
    for pass in Pass.forInference + [.batchNormalizationToConv] {
      #expect(
        pass.rewrite(&graph) > 0 || pass.name == "remove-unused" || seed % 2 != 0 || pass.name.hasSuffix("to-conv"))
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
