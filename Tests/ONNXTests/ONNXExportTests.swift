import CNNModel
import CNNONNX
import CNNPasses
import CNNQuantize
import CNNRT
import CNNSupport
import Testing

/// What is written as ONNX, read again. That ONNX Runtime computes the same is checked by Tools/onnx/check_export.py.
struct ONNXExportTests {
  private func exported(_ graph: Graph) throws -> ONNXGraph {
    try ONNXGraph(bytes: try graph.onnx(version: "1.0.0"))
  }

  /// Each float operator is the node of its name, reading the same constants.
  @Test func floatNetworksAreWrittenOneToOne() throws {
    for name in ["seed", "resnet8", "mobilenet_v2", "squeezenet1_1"] {
      let input = try ImageSize(name == "seed" ? "28x28x1" : "64x64x3")
      let graph = try Zoo.make(name, classes: 10, input: input, width: 1, seed: 1)
      let onnx = try exported(graph)
      let operators = graph.operators.filter { $0.kind.name != "Dropout" }
      #expect(onnx.nodes.map(\.op) == operators.map(\.kind.name), "\(name)")
      #expect(onnx.nodes.map(\.name) == operators.map(\.name))
      #expect(onnx.inputs.map(\.name) == graph.inputs && onnx.outputs.map(\.name) == graph.outputs)
      let shape = graph.tensors[graph.inputs[0]]!.shape
      #expect(onnx.inputs[0].shape == [.symbol("N")] + shape.dropFirst().map { .size($0) })
      for (constant, tensor) in graph.tensors where tensor.isConstant {
        #expect(
          onnx.constants[constant]?.floats == tensor.data!.floats
            && onnx.constants[constant]?.shape == tensor.shape)
      }
    }
  }

  /// int8 operators lie between DequantizeLinear and QuantizeLinear; weights are int8, with a scale for each output channel.
  @Test func int8NetworksAreWrittenAsQDQ() throws {
    let network = try UntrainedNetwork("resnet8", classes: 10, input: ImageSize("32x32x3")).int8()
    let onnx = try exported(network)
    let products = onnx.nodes.filter { ["Conv", "Gemm"].contains($0.op) }
    #expect(products.count == network.operators.count { $0.kind.hasWeight })
    for node in products {
      for input in node.inputs {
        let producer = onnx.nodes[try #require(onnx.producer(of: input))]
        #expect(producer.op == "DequantizeLinear")
      }
      let weight = onnx.nodes[onnx.producer(of: node.inputs[1])!]
      let (stored, scales) = (onnx.constants[weight.inputs[0]]!, onnx.constants[weight.inputs[1]]!)
      #expect(stored.type == .int8 && weight.int("axis") == 0 && scales.shape == [stored.shape[0]])
      #expect(network.tensors[weight.inputs[0]]!.data!.int8s!.map(Int.init) == stored.integers)
      #expect(network.tensors[weight.inputs[0]]!.quantization!.scales == scales.floats)
    }
    #expect(onnx.inputs[0].type == .float && onnx.outputs[0].type == .float)
    let first = onnx.nodes[onnx.consumers(of: onnx.inputs[0].name)[0]]
    #expect(first.op == "QuantizeLinear" && onnx.constants[first.inputs[2]]!.type == .uint8)
  }

  /// A network that is exported and imported again computes the same: in int8 to the bit.
  @Test(arguments: ["seed", "resnet8", "mobilenet_v2", "squeezenet1_1"], [false, true])
  func comesBack(name: String, quantized: Bool) throws {
    let input = try ImageSize(name == "seed" ? "28x28x1" : "32x32x3")
    let network = try UntrainedNetwork(name, classes: 10, input: input)
    var graph = quantized ? try network.int8() : network.float()
    let isGrey = input.channels == 1
    graph.labels = ["boot", "", "grün"]
    graph.recipe = Recipe(
      width: input.width, height: input.height, channelOrder: isGrey ? .grey : .bgr,
      resize: isGrey ? .crop(shorter: 40) : .letterbox(fill: [1, 2, 3]), mean: isGrey ? [0.1] : [0.1, 0.2, 0.3],
      deviation: isGrey ? [0.3] : [0.25, 0.5, 0.75])
    let imported = try ONNXImporter().importGraph(try exported(graph)).graph
    try imported.validate()
    #expect(imported.recipe == graph.recipe && imported.labels == graph.labels)
    #expect(imported.metadata["recipe.mean"] == nil && imported.isQuantized == quantized && !imported.isMixed)
    var random = Random(seed: 5)
    let image = (0..<graph.tensors[graph.inputs[0]]!.count).map { _ in random.uniform(-1.7, 1.7) }
    func run(_ graph: Graph) throws -> [Float] {
      let session = try Session(Model(bytes: try BundleWriter(codec: .stored).bytes(of: graph)))
      try session.setInput(image.span)
      try session.run()
      return try session.output()
    }
    let (before, after) = (try run(graph), try run(imported))
    let largest = before.map(abs).max()!
    #expect(zip(before, after).allSatisfy { quantized ? $0 == $1 : abs($0 - $1) <= 1e-5 * largest }, "\(name)")
  }

  /// Attributes, and what became of them as inputs: of operators that the zoo does not have.
  @Test func attributesAreWritten() throws {
    var graph = Graph()
    graph.inputs = ["x"]
    graph.tensors["x"] = Tensor(shape: [1, 4, 6, 5])
    func append(
      _ kind: OperatorKind, _ constants: [(String, [Int])] = [], activation: Activation = .none
    ) throws {
      let name = "\(graph.operators.count)"
      for (constant, shape) in constants {
        graph.tensors[constant] = Tensor(
          .float32(.init(repeating: 0.5, count: shape.reduce(1, *))), shape: shape)
      }
      let x = graph.operators.last?.output ?? "x"
      let layer = Operator(
        name, kind, inputs: [x] + constants.map(\.0), outputs: [name], activation: activation)
      graph.operators.append(layer)
      graph.tensors[name] = Tensor(shape: try graph.outputShape(of: layer))
    }
    try append(.slice(Slice(starts: [0, 3, 1, 4], sizes: [1, 4, 4, 3], steps: [1, -1, 1, -2])))
    try append(.pad(Padding(begins: [0, 0, 1, 0], ends: [0, 0, 0, 2], mode: .wrap)))
    try append(.resize(Resize(mode: .linear, height: 10, width: 13, scaleY: 2, scaleX: 2.6)))
    try append(.unary(.swish(alpha: 2)))
    try append(.pRelu, [("slope", [4])])
    try append(.mul, [("half", [])], activation: .clip(min: -1, max: .infinity))
    try append(.layerNormalization(axis: 2, epsilon: 1e-5))
    try append(.reduce(.mean, axes: [2, 3], keepDims: false))
    try append(.reshape([1, 2, 2]))
    graph.outputs = [graph.operators.last!.output]
    graph.labels = ["boot", "coat"]
    graph.metadata = ["dataset": "fashion"]
    try graph.validate()

    let onnx = try exported(graph)
    #expect(
      onnx.nodes.map(\.op) == [
        "Slice", "Pad", "Resize", "Mul", "Sigmoid", "Mul", "PRelu", "Mul", "Clip",
        "LayerNormalization", "ReduceMean",
        "Reshape",
      ])
    func constants(_ node: Int) -> [[Float]] {
      onnx.nodes[node].inputs.dropFirst().compactMap { onnx.constants[$0] }
        .map { $0.floats ?? $0.integers!.map(Float.init) }
    }
    #expect(
      constants(0) == [
        [3, 1, 4], [Float(Int32.min), 5, Float(Int32.min)], [1, 2, 3], [-1, 1, -2],
      ])
    #expect(constants(1) == [[0, 0, 1, 0, 0, 0, 0, 2]] && onnx.nodes[1].string("mode") == "wrap")
    #expect(onnx.nodes[2].string("mode") == "linear")
    #expect(constants(3) == [[2]] && onnx.constants[onnx.nodes[6].inputs[1]]!.shape == [4, 1, 1])
    #expect(constants(8) == [[-1]] && constants(9)[0].allSatisfy { $0 == 1 })
    // From opset 18 on, which Pad's mode asks for, axes are an input.
    #expect(
      onnx.nodes[10].opset >= 19 && constants(10) == [[2, 3]] && onnx.nodes[10].int("keepdims") == 0
    )
    #expect(constants(11) == [[0, 2, 2]])
    #expect(onnx.metadata["labels"] == "boot\ncoat" && onnx.metadata["dataset"] == "fashion")
  }
}
