import CNNModel
import CNNPasses
import CNNQuantize
import CNNSupport
import Testing

@Suite struct QuantizeGraphTests {
  /// A graph ready to be quantized, and some quantization for all of its tensors.
  private func prepared(_ graph: Graph) -> (Graph, [String: AffineQuantization]) {
    var graph = graph
    graph.run(Pass.forInference + [.batchNormalizationToConv])
    var quantizations: [String: AffineQuantization] = [:]
    for (number, name) in graph.tensors.keys.sorted().enumerated() {
      quantizations[name] = AffineQuantization(lower: -1, upper: 3 + Double(number))
    }
    return (graph, quantizations)
  }

  @Test func everythingButTheLogitsIsInteger() throws {
    for graph in [try RandomGraph.chain(seed: 1), try RandomGraph.residual(seed: 2)] {
      let (float, quantizations) = prepared(graph)
      let int8 = try float.quantized(quantizations)
      try int8.validate()
      #expect(int8.isQuantized && !int8.isMixed)
      for layer in int8.operators {
        let isLast = ["Softmax", "Gemm", "Flatten"].contains(layer.kind.name) || layer.output.hasSuffix("pixel")
        let isMap = int8.tensors[layer.output]!.shape.count == 4 && !layer.output.hasSuffix("pixel")
        #expect(int8.tensors[layer.output]!.type == (isLast && !isMap ? .float32 : .uint8) || layer.kind == .flatten)
        if [.maxPool(Window(2, stride: 2)), .flatten].contains(layer.kind) {
          #expect(int8.tensors[layer.output]!.quantization == int8.tensors[layer.inputs[0]]!.quantization)
        }
      }
      #expect(int8.tensors["input"]!.type == .uint8)
    }
  }

  /// What is not behind the last Conv or Gemm alone must be uint8, also where only some of the readers compute.
  @Test func onlyTheLastResultsStayFloat() throws {
    var net = RandomGraph(seed: 3, input: [1, 3, 8, 8])
    let first = net.conv("input", 6)
    let pooled = net.maxPool(first)
    let second = net.maxPool(net.conv(pooled, 5))
    // `pooled` is an output as well as an input of the second convolution.
    let (float, quantizations) = prepared(try net.finished(pooled, second))
    let int8 = try float.quantized(quantizations)
    try int8.validate()
    #expect(int8.tensors[first]!.type == .uint8)
    #expect(int8.tensors[pooled]!.type == .uint8)
    #expect(int8.tensors[second]!.type == .float32)
    #expect(!int8.isMixed)
  }

  @Test func averagesAndSumsStayInteger() throws {
    var net = RandomGraph(seed: 4, input: [1, 3, 8, 8])
    let conv = net.conv("input", 6)
    let mean = net.flatten(net.globalAveragePool(conv))
    let (float, quantizations) = prepared(try net.finished { $0.softmax(mean) })
    let int8 = try float.quantized(quantizations)
    try int8.validate()
    #expect(!int8.isMixed)
    #expect(int8.tensors[conv]!.type == .uint8)
    #expect(int8.tensors[mean]!.type == .uint8)
  }

  @Test func poolsAreCalibratedForWhatIsReadOfThem() throws {
    var net = RandomGraph(seed: 5, input: [1, 3, 8, 8])
    let conv = net.conv("input", 6)
    let pooled = net.maxPool(conv)
    let sum = net.add(pooled, pooled)
    let graph = try net.finished { $0.gemm($0.flatten(sum), 3) }
    #expect(graph.calibratedTensors == [conv: [pooled], sum: [graph.operators[3].output]])
    var direct = graph
    direct.outputs.append(conv)
    #expect(direct.calibratedTensors[conv] == [conv, pooled])
  }

  @Test func weightsThatDivergedAreRefusedByName() throws {
    let (float, quantizations) = prepared(try RandomGraph.chain(seed: 6))
    var broken = float
    let weight = broken.operators[2].inputs[1]
    var values = broken.tensors[weight]!.data!.floats!
    values[3] = .nan
    broken.tensors[weight]!.data = .float32(values)
    let error = #expect(throws: CNNError.self) { try broken.quantized(quantizations) }
    #expect(error?.description.contains(broken.operators[2].name) == true)
  }

  /// What a function's table says is the function, to half a step.
  @Test func tablesAreTheFunctions() throws {
    let functions: [UnaryFunction] = [
      .leakyRelu(alpha: 0.1), .elu(alpha: 1.5), .sigmoid, .tanh, .swish(alpha: 1), .hardSwish,
      .hardSigmoid(alpha: 0.2, beta: 0.5), .gelu(approximate: true), .gelu(approximate: false), .erf,
    ]
    for function in functions {
      var net = RandomGraph(seed: 8, input: [1, 1, 16, 16])
      let x = net.append(.unary(function), ["input"])
      let graph = try net.finished { $0.conv(x, 2) }
      var quantizations = ["input": AffineQuantization(lower: -6, upper: 7)]
      quantizations[x] = AffineQuantization(lower: -2, upper: 5)
      let int8 = try graph.quantized(quantizations)
      try int8.validate()
      // The image that holds every stored value.
      let input = (0...255).map { quantizations["input"]!.dequantize(UInt8($0)) }
      let real = NaiveNetwork(graph, input: input).real(x)
      let table = try #require(int8.tensors[int8.operators[0].inputs[1]]?.data)
      guard case .uint8(let table) = table else { throw CNNError("no table") }
      let range = quantizations[x]!.range
      for (stored, value) in zip(table, real) {
        let clamped = min(max(value, range.lowerBound), range.upperBound)
        #expect(abs(Double(quantizations[x]!.dequantize(stored)) - clamped) <= 0.5001 * Double(quantizations[x]!.scale))
      }
    }
  }

  /// What is made for a Concat alone has the result's quantization; what others read has its own.
  @Test func concatSharesWhatIsItsOwn() throws {
    var net = RandomGraph(seed: 9, input: [1, 3, 6, 6])
    let own = net.relu(net.conv("input", 4))
    let read = net.conv("input", 4)
    let joined = net.append(.concat(), [own, read, "input"])
    let other = net.relu(net.conv(read, 5))
    let sum = net.conv(net.append(.concat(), [net.append(.maxPool(Window(3, padding: 1)), [joined]), other]), 3)
    let graph = try net.finished(sum)
    let first = graph.operators[0].output
    let groups = graph.calibratedTensors
    // The first convolution's group is joined's, and that one's the second Concat's: they end in one.
    #expect(groups[first] == [graph.operators[7].output])
    #expect(groups[read] == [read] && groups.count == 2)
    let (float, quantizations) = prepared(graph)
    let int8 = try float.quantized(quantizations)
    try int8.validate()
    #expect(int8.tensors[first]?.quantization == int8.tensors[joined]?.quantization)
    #expect(int8.tensors[read]?.quantization != int8.tensors[joined]?.quantization)
  }

  /// uint8 where something computes with it, float32 where it is the network's result.
  @Test func softmaxIsUInt8InTheMiddle() throws {
    let (float, quantizations) = prepared(try RandomGraph.mixer(seed: 5))
    let int8 = try float.quantized(quantizations)
    try int8.validate()
    let types = int8.operators.filter { $0.kind.name == "Softmax" }.map { int8.tensors[$0.output]!.type }
    #expect(types == [.uint8, .float32] && !int8.isMixed)
  }

  @Test func graphsWithoutWeightsAreRefused() throws {
    var net = RandomGraph(seed: 7, input: [1, 3, 8, 8])
    let graph = try net.finished { $0.relu("input") }
    #expect(throws: CNNError.self) { try graph.quantized([:]) }
  }
}

@Suite struct InputQuantizationTests {
  private func recipe(_ mean: [Float], _ deviation: [Float]) -> Recipe {
    Recipe(width: 4, height: 4, channelOrder: mean.count == 1 ? .grey : .rgb, mean: mean, deviation: deviation)
  }

  /// Fashion-MNIST's mean and others: a pixel is stored as itself, moved by nothing.
  @Test(arguments: [(0.2860, 0.3530), (0.1307, 0.3081), (0, 1), (0.4734, 0.2516)] as [(Float, Float)])
  func pixelsAreStoredAsThemselves(mean: Float, deviation: Float) {
    let quantization = AffineQuantization(recipe: recipe([mean], [deviation]))
    #expect(quantization.zeroPoint == Int32((255 * mean).rounded()))
    #expect(abs(quantization.scale * 255 * deviation - 1) < 1e-6)
    for pixel in 0...255 {
      let value = (Float(pixel) / 255 - mean) / deviation
      #expect(Int(quantization.quantize(value)) == pixel)
    }
  }

  /// A mean of exactly half: rounding each tie to even would merge every second pair of neighbours.
  @Test func tiesAreAvoided() {
    let quantization = AffineQuantization(recipe: recipe([0.5], [0.5]))
    let stored = (0...255).map { quantization.quantize((Float($0) / 255 - 0.5) / 0.5) }
    #expect(Set(stored).count >= 255)
  }

  @Test func severalChannelsFit() {
    let mean: [Float] = [0.485, 0.456, 0.406]
    let deviation: [Float] = [0.229, 0.224, 0.225]
    let quantization = AffineQuantization(recipe: recipe(mean, deviation))
    for channel in 0..<3 {
      for pixel in [0, 255] {
        let value = (Float(pixel) / 255 - mean[channel]) / deviation[channel]
        #expect(abs(quantization.dequantize(quantization.quantize(value)) - value) <= quantization.scale)
      }
    }
  }
}
