import CNNModel
import CNNPasses
import CNNQuantize
import CNNRT
import Testing

/// What ONNX says as dequantizeLinear → operator → quantizeLinear, as int8 operators: in libcnnrt, against the formulas of ONNX's
/// QLinear operators and against the same graph in float, by plain loops.
@Suite struct QuantizeRegionsTests {
  /// The outputs for one image of real values, as real values.
  private func run(_ graph: Graph, _ inputs: [Float]...) throws -> [[Float]] {
    let session = try Session(Model(bytes: try BundleWriter().bytes(of: graph)))
    for (index, input) in inputs.enumerated() { try session.setInput(input.span, at: index) }
    try session.run()
    return try graph.outputs.indices.map { try session.output($0) }
  }

  // MARK: - Whole networks

  /// An int8 network that is exposed and hidden again has the same operators and gives the same bits.
  @Test(arguments: 0..<12) func undoesExposing(seed: UInt64) throws {
    let int8 = try quantizedNetwork(seed)
    var exposed = int8
    exposed.run([.exposeQuantization])
    #expect(exposed.tensors[exposed.inputs[0]]!.type == .float32)
    #expect(
      exposed.operators.allSatisfy { layer in
        [.quantizeLinear, .dequantizeLinear].contains(layer.kind)
          || layer.inputs.allSatisfy {
            exposed.tensors[$0].map { $0.type == .float32 || $0.shape == [256] } ?? true
          }
      })
    var hidden = exposed
    let rewrites = hidden.run([.quantizeRegions])[0].rewrites
    try hidden.validate()
    #expect(rewrites > int8.operators.count / 2)
    // One axis of a grouped ConvTranspose's weight does not have its scales: it is float.
    let isWhole = !int8.operators.contains {
      if case .convTranspose(_, let group, _, _) = $0.kind { group > 1 } else { false }
    }
    #expect(hidden.isMixed == !isWhole)
    let kinds = hidden.operators.map(\.kind).filter {
      $0 != .quantizeLinear && $0 != .dequantizeLinear
    }
    #expect(kinds.map(\.name) == int8.operators.map(\.kind.name))
    var generator = SeededGenerator(seed: 500 + seed)
    for _ in 0..<4 {
      let image = generator.normals(int8.tensors["input"]!.count)
      let (expected, found) = (try run(int8, image)[0], try run(hidden, image)[0])
      if isWhole {
        #expect(found == expected)
      } else {
        for (a, b) in zip(expected, found) { #expect(abs(a - b) < 0.02) }
      }
    }
  }

  private func quantizedNetwork(_ seed: UInt64) throws -> Graph {
    var float = try RandomGraph.network(seed, small: true)
    float.run(Pass.forInference + [.batchNormalizationToConv])
    var generator = SeededGenerator(seed: 600 + seed)
    var calibration = Calibration(float)
    for _ in 0..<4 {
      let reference = NaiveNetwork(float, input: generator.normals(float.tensors["input"]!.count))
      for tensor in calibration.tensors {
        reference.real(tensor).map(Float.init).withUnsafeBufferPointer {
          calibration.add($0, of: tensor)
        }
      }
    }
    var quantizations = calibration.quantizations(.minMax)
    quantizations["input"] = AffineQuantization(lower: -4, upper: 4)
    return try float.quantized(quantizations)
  }

  // MARK: - Products

  enum WeightType: CaseIterable { case int8, wide, uint8 }

  /// Conv, ConvTranspose, Gemm with weights of any 8-bit type, per tensor and per channel: to the bit what QLinearConv's formula
  /// gives.
  @Test(arguments: 0..<12, WeightType.allCases) func productsAreExact(
    round: UInt64, type: WeightType
  ) throws {
    var random = SeededGenerator(seed: 700 + round)
    let group = [1, 1, 2, 4][Int(round) % 4]
    let kinds: [(OperatorKind, x: [Int], weight: [Int], outputs: Int, axis: Int)] = [
      (
        .conv(Window(3, stride: 2, padding: 1), group: group), [1, 4, 7, 6], [8, 4 / group, 3, 3],
        8, 0
      ),
      (
        .convTranspose(Window(3, stride: 2, padding: 1), group: group), [1, 4, 4, 5], [4, 2, 3, 3],
        2 * group, 1
      ),
      (.gemm, [1, 21], [9, 21], 9, 0),
    ]
    let (kind, shape, weightShape, outputs, axis) = kinds[Int(round) % 3]
    let values = random.weights(type, weightShape.reduce(1, *))
    let isPerChannel = round % 2 == 0
    let scales = (0..<(isPerChannel ? weightShape[axis] : 1)).map { _ in
      0.002 + 0.01 * Float.random(in: 0..<1, using: &random)
    }
    let channelScales = (0..<outputs).map { scales[$0 % scales.count] }
    let x = Quantization(scale: 0.05, zeroPoint: 120)
    let biases = (0..<outputs).map { _ in Int32(random.next(in: -3000..<3000)) }

    var net = QDQGraph([shape], x)
    let weight = net.constant(values, weightShape, Quantization(scales: scales, axis: axis))
    let bias = net.constant(
      biases, [outputs], Quantization(scales: channelScales.map { x.scales[0] * $0 }))
    let hasRelu = round % 5 == 0
    net.append(kind, [net.x[0], weight, bias], activation: hasRelu ? .relu : .none)
    let y = Quantization(scale: 0.31, zeroPoint: 90)
    let graph = net.finished(y)

    let levels = (0..<shape.reduce(1, *)).map { _ in Float(Int(random.next(in: 0..<256))) }
    // The same sums in a float graph of integers, which double precision holds.
    var sums = RandomGraph(seed: 1, input: shape)
    let integers = [
      sums.constant(values.map(Float.init), weightShape),
      sums.constant(biases.map(Float.init), [outputs]),
    ]
    let result = sums.append(kind, ["input"] + integers)
    let exact = NaiveNetwork(sums.graph, input: levels.map { $0 - 120 }).real(result)
    let plane = exact.count / outputs
    let expected = exact.enumerated().map { place, sum -> Float in
      let multiplier = x.scales[0] * channelScales[place / plane] / y.scales[0]
      let q = (Float(sum) * multiplier).rounded(.toNearestOrEven)
      return min(max(q, hasRelu ? 0 : -90), 165) * y.scales[0]
    }
    let found = try run(graph, levels.map { ($0 - 120) * x.scales[0] })[0]
    #expect(graph.weight(of: graph.operators.first { $0.kind.hasWeight }!)!.type == .int8)
    #expect(!graph.isMixed)
    #expect(found == expected, "\(kind), \(type)")
  }

  /// MatMul by a constant with one scale or several, and by an activation.
  @Test(arguments: 0..<12) func matrixProductsAreExact(round: UInt64) throws {
    var random = SeededGenerator(seed: 800 + round)
    let shape = [[1, 13], [1, 5, 13], [1, 2, 3, 13], [1, 2, 2, 3, 13]][Int(round) % 4]
    let values = random.weights(round % 3 == 0 ? .uint8 : .int8, 13 * 7)
    let scales = (0..<(round % 2 == 0 ? 7 : 1)).map { _ in
      0.002 + 0.01 * Float.random(in: 0..<1, using: &random)
    }
    var net = QDQGraph([shape], Quantization(scale: 0.05, zeroPoint: 120))
    net.append(
      .matMul, [net.x[0], net.constant(values, [13, 7], Quantization(scales: scales, axis: 1))])
    let y = Quantization(scale: 0.2, zeroPoint: 100)
    let graph = net.finished(y)
    let levels = (0..<shape.reduce(1, *)).map { _ in Int(random.next(in: 0..<256)) - 120 }
    let found = try run(graph, levels.map { Float($0) * 0.05 })[0]
    let expected = (0..<levels.count / 13 * 7).map { place -> Float in
      let sum = (0..<13).reduce(0) {
        $0 + levels[place / 7 * 13 + $1] * Int(values[$1 * 7 + place % 7])
      }
      let q = (Float(sum) * (0.05 * scales[place % 7 % scales.count] / y.scales[0])).rounded(
        .toNearestOrEven)
      return min(max(q, -100), 155) * y.scales[0]
    }
    #expect(found == expected && !graph.isMixed, "\(shape), \(scales.count) scales")
  }

  /// Without a quantizeLinear behind it, a product gives float32.
  @Test(arguments: [false, true]) func productsGiveFloats(isMatMul: Bool) throws {
    var random = SeededGenerator(seed: 900)
    let values = random.weights(.int8, 6 * 4)
    let shape = isMatMul ? [1, 3, 6] : [1, 6]
    var net = QDQGraph([shape], Quantization(scale: 0.05, zeroPoint: 120))
    let weight = net.constant(values, isMatMul ? [6, 4] : [4, 6], Quantization(scales: [0.01]))
    net.append(isMatMul ? .matMul : .gemm, [net.x[0], weight])
    let graph = net.finished(nil)
    #expect(!graph.isMixed && graph.operators.allSatisfy { $0.kind != .matMul })
    let input = random.normals(shape.reduce(1, *))
    let expected = NaiveNetwork(net.graph, input: input).real(net.graph.outputs[0])
    for (a, b) in zip(try run(graph, input)[0], expected) { #expect(abs(Double(a) - b) < 1e-4) }
  }

  /// What could overflow 32 bits stays float.
  @Test func largeSumsStayFloat() throws {
    var net = QDQGraph([[1, 70000]], Quantization(scale: 0.05, zeroPoint: 0))
    let weight = net.constant(
      .init(repeating: 127, count: 70000), [1, 70000], Quantization(scales: [0.01]))
    net.append(.gemm, [net.x[0], weight])
    let graph = net.finished(Quantization(scale: 1000, zeroPoint: 0))
    #expect(
      graph.isMixed && graph.operators.contains { $0.input(1).flatMap { graph.tensors[$0]?.data?.floats } != nil })
  }

  // MARK: - Others

  static let others: [(kind: OperatorKind, parameters: [[Int]])] = [
    (.add, [[1, 6, 5, 4]]), (.sub, [[6, 1, 1]]), (.mul, [[1, 6, 5, 4]]), (.div, [[1]]), (.relu, []),
    (.clip(min: -0.7, max: 1.3), []), (.unary(.sigmoid), []), (.unary(.leakyRelu(alpha: 0.2)), []),
    (.unary(.gelu(approximate: false)), []), (.unary(.erf), []), (.pRelu, [[6]]),
    (.maxPool(Window(3, stride: 2, padding: 1)), []),
    (.averagePool(Window(2, stride: 1, padding: 1)), []), (.globalAveragePool, []),
    (.globalMaxPool, []),
    (.softmax(axis: 1), []), (.flatten, []), (.reshape([1, 12, 10]), []),
    (.transpose([0, 3, 1, 2]), []),
    (.concat(axis: 1), []), (.slice(Slice(starts: [0, 1, 0, 0], sizes: [1, 4, 5, 4])), []),
    (.pad(Padding(begins: [0, 0, 1, 1], ends: [0, 0, 1, 1], mode: .constant(-1.1))), []),
    (.pad(Padding(begins: [0, 0, 1, 1], ends: [0, 0, 1, 1], mode: .reflect)), []),
    (.resize(Resize(mode: .linear, height: 10, width: 8, scaleY: 2, scaleX: 2)), []),
    (.resize(Resize(mode: .nearest(.floor), height: 10, width: 8, scaleY: 2, scaleX: 2)), []),
    (.depthToSpace(blockSize: 1), []), (.reduce(.mean, axes: [2, 3], keepDims: false), []),
    (.reduce(.sum, axes: [1], keepDims: true), []), (.reduce(.max, axes: [1], keepDims: true), []),
    (.lrn(size: 3, alpha: 0.1, beta: 0.75, bias: 1), []),
    (.layerNormalization(axis: 1, epsilon: 1e-3), [[6, 5, 4]]),
    (.groupNormalization(groups: 2, epsilon: 1e-3), [[6], [6]]),
    (.instanceNormalization(epsilon: 1e-3), [[6], [6]]),
  ]

  /// Within one step of the float operator on the same stored values, and mostly equal; with the quantization of its input and with
  /// another.
  @Test(arguments: others.indices, [true, false]) func othersAreNear(index: Int, keeps: Bool) throws {
    let (kind, parameters) = Self.others[index]
    var random = SeededGenerator(seed: 1000 + UInt64(index))
    let x = Quantization(scale: 0.03, zeroPoint: 110)
    var net = QDQGraph([[1, 6, 5, 4]], x)
    var inputs = [net.x[0]]
    for shape in parameters {
      let values = (0..<shape.reduce(1, *)).map { _ in Int32(1 + random.next(in: 0..<100)) }
      inputs.append(net.constant(values, shape, Quantization(scales: [0.02])))
    }
    if kind == .concat(axis: 1) { inputs.append(net.x[0]) }
    net.append(kind, inputs)
    let y = keeps ? x : Quantization(scale: 0.041, zeroPoint: 77)
    let graph = net.finished(y)
    #expect(!graph.isMixed, "\(graph.operators.map(\.kind.name))")
    let input = random.normals(120)
    let expected = NaiveNetwork(net.graph, input: input).real(net.graph.outputs[0])
    let steps = zip(try run(graph, input)[0], expected).map {
      (abs(Double($0) - $1) / Double(y.scales[0])).rounded()
    }
    #expect(steps.max()! <= 1, "\(kind): \(steps)")
    // A linear Resize by 2 rounds many a tie, and rounds it up.
    if case .resize = kind { return }
    #expect(steps.count { $0 > 0 } <= max(1, steps.count / 20), "\(kind): \(steps)")
  }

  /// Between two layers in int8 there is nothing left; values that only move are not dequantized for it.
  @Test func movesStoredValues() throws {
    var net = QDQGraph([[1, 4, 6, 6]], Quantization(scale: 0.05, zeroPoint: 120))
    let weight = net.constant(
      .init(repeating: 3, count: 5 * 36), [5, 36], Quantization(scales: [0.01]))
    net.append(.maxPool(Window(2, stride: 2)), [net.x[0]])
    net.append(.transpose([0, 2, 3, 1]), [net.last])
    net.append(.flatten, [net.last])
    net.append(.gemm, [net.last, weight])
    net.append(.reshape([1, 5, 1, 1]), [net.last])
    let graph = net.finished(Quantization(scale: 0.2, zeroPoint: 9))
    #expect(
      graph.operators.map(\.kind.name)
        == [
          "QuantizeLinear", "MaxPool", "Transpose", "Flatten", "Gemm", "Reshape",
          "DequantizeLinear",
        ])
    #expect(graph.tensors[graph.operators[4].output]!.type == .uint8)
  }

  /// Quantized to the same again is nothing, to another a Concat of one; an output is what it was.
  @Test func requantizes() throws {
    let (x, y) = (
      Quantization(scale: 0.05, zeroPoint: 120), Quantization(scale: 0.09, zeroPoint: 20)
    )
    var net = QDQGraph([[1, 40]], x)
    net.append(.dequantizeLinear, [net.quantized(net.x[0], x)])
    net.append(.dequantizeLinear, [net.quantized(net.last, y)])
    let graph = net.finished(y)
    #expect(graph.operators.map(\.kind.name) == ["QuantizeLinear", "Concat", "DequantizeLinear"])
    var random = SeededGenerator(seed: 3)
    let input = random.normals(40, deviation: 3)
    let expected = NaiveNetwork(net.graph, input: input).real(net.graph.outputs[0])
    for (a, b) in zip(try run(graph, input)[0], expected) { #expect(abs(Double(a) - b) < 1e-5) }
  }

  /// An operator that reads a float is float; a dequantized constant before it is a float constant.
  @Test func floatStaysFloat() throws {
    var net = QDQGraph([[1, 4, 5, 5]], Quantization(scale: 0.05, zeroPoint: 120))
    let weight = net.constant(
      (0..<8).map { $0 - 4 }, [2, 4, 1, 1], Quantization(scales: [0.5, 0.25]))
    net.append(
      .batchNormalization(epsilon: 0),
      [net.x[0]] + [1, 0.5, 0.25, 2].map { net.floats([$0, $0, $0, $0]) })
    net.append(.conv(Window(1)), [net.last, weight])
    let graph = net.finished(Quantization(scale: 0.1, zeroPoint: 50))
    #expect(graph.isMixed)
    #expect(
      graph.weight(of: graph.operators.first { $0.kind.hasWeight }!)!.data!.floats!.prefix(2) == [-2, -1.5])
    var random = SeededGenerator(seed: 4)
    let input = random.normals(100)
    let expected = NaiveNetwork(net.graph, input: input).real(net.graph.outputs[0])
    for (a, b) in zip(try run(graph, input)[0], expected) { #expect(abs(Double(a) - b) < 0.11) }
  }
}

/// A graph as an imported quantized model is: float operators between dequantizeLinear and quantizeLinear.
struct QDQGraph {
  var graph = Graph()
  /// The inputs, quantized and dequantized.
  private(set) var x: [String] = []

  init(_ shapes: [[Int]], _ quantization: Quantization) {
    for (index, shape) in shapes.enumerated() {
      graph.inputs.append("input\(index)")
      graph.tensors["input\(index)"] = Tensor(shape: shape)
      append(.dequantizeLinear, [quantized("input\(index)", quantization)])
      x.append(last)
    }
  }

  var last: String { graph.operators.last!.output }

  mutating func append(_ kind: OperatorKind, _ inputs: [String], activation: Activation = .none) {
    let name = "\(kind.name)\(graph.operators.count)"
    graph.operators.append(
      Operator(name, kind, inputs: inputs, outputs: [name], activation: activation))
    var tensor = Tensor(shape: [])
    // A table is not there yet.
    tensor.shape = try! kind.outputShape(inputs.map { graph.tensors[$0]?.shape })
    graph.tensors[name] = tensor
  }

  mutating func quantized(_ x: String, _ quantization: Quantization) -> String {
    append(.quantizeLinear, [x])
    graph.tensors[last] = Tensor(.uint8, shape: graph.tensors[x]!.shape, quantization: quantization)
    return last
  }

  mutating func constant(_ values: [Int32], _ shape: [Int], _ quantization: Quantization) -> String {
    let name = "constant\(graph.tensors.count)"
    graph.tensors[name] = Tensor(.int32(values), shape: shape, quantization: quantization)
    append(.dequantizeLinear, [name])
    return last
  }

  mutating func floats(_ values: [Float]) -> String {
    let name = "constant\(graph.tensors.count)"
    graph.tensors[name] = Tensor(.float32(values), shape: [values.count])
    return name
  }

  /// The last operator's result, quantized and dequantized, is the output; after the pass.
  mutating func finished(_ quantization: Quantization?) -> Graph {
    if let quantization { append(.dequantizeLinear, [quantized(last, quantization)]) }
    graph.outputs = [last]
    var result = graph
    result.run([.quantizeRegions])
    #expect(throws: Never.self) { try result.validate() }
    return result
  }
}

extension SeededGenerator {
  fileprivate mutating func next(in range: Range<Int>) -> Int {
    Int.random(in: range, using: &self)
  }

  fileprivate mutating func weights(_ type: QuantizeRegionsTests.WeightType, _ count: Int)
    -> [Int32]
  {
    (0..<count).map { _ in
      switch type {
      case .int8: Int32(next(in: -127..<128))
      case .wide: Int32(next(in: -128..<128))
      // With a zero point near one end.
      case .uint8: Int32(next(in: -20..<236))
      }
    }
  }
}
