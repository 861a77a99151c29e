import CNNModel
import CNNPasses
import Testing

/// Networks with their channels last, as tf2onnx writes them.
@Suite struct CancelTransposesTests {
  private static func transposes(_ graph: Graph) -> Int { graph.kinds.count { $0 == "Transpose" } }

  /// A residual block, branches, squeeze and excite, a classifier. All that is no convolution or pool has its channels
  /// last.
  static func network(_ seed: UInt64) throws -> Graph {
    var net = RandomGraph(seed: seed, input: [1, 9, 7 + Int(seed % 3), 3])
    func conv(_ x: String, _ channels: Int, kernel: Int = 3, padding: Int = 1) -> String {
      let y = net.last(net.conv(net.first(x), channels, kernel: kernel, padding: padding, bias: false))
      return net.append(.add, [y, net.normals([channels])])
    }
    var x = net.relu(conv("input", 6))
    let padded = net.append(.pad(Padding(begins: [0, 1, 1, 0], ends: [0, 1, 1, 0])), [x])
    let y = net.append(.add, [conv(net.clip(conv(padded, 6, padding: 0), 0, 6), 6), x])
    let pooled = net.last(net.append(.maxPool(Window(3, padding: 1)), [net.first(y)]))
    x = net.append(.concat(axis: 3), [net.unary(.tanh, y), pooled, conv(y, 2, kernel: 1, padding: 0)])
    x = net.append(
      .slice(Slice(starts: [0, 1, 0, 2], sizes: [1, 7, net.graph.tensors[x]!.shape[2], 12])), [x])
    let squeezed = net.append(.reduce(.mean, axes: [1, 2]), [x])
    let gate = net.unary(.sigmoid, conv(net.relu(conv(squeezed, 4, kernel: 1, padding: 0)), 12, kernel: 1, padding: 0))
    x = net.append(.mul, [x, gate])
    x = net.append(.softmax(axis: 3), [x])
    let mean = net.append(.reduce(.mean, axes: [1, 2], keepDims: false), [x])
    return try net.finished { $0.append(.matMul, [mean, $0.normals([12, 5])]) }
  }

  @Test(arguments: 0..<6) func onlyTheInputIsTransposed(seed: UInt64) throws {
    let check = try PassCheck(.cancelTransposes, Self.network(seed), seed: seed)
    #expect(Self.transposes(check.before) > 10)
    // Those of single pixels are Reshapes in truth.
    let left = check.after.operators.filter { $0.kind.name == "Transpose" }
    #expect(left.filter { check.after.tensors[$0.output]!.count > 12 }.map(\.inputs) == [["input"]])
    #expect(check.rewrites == Self.transposes(check.before) - left.count)
  }

  @Test(arguments: 0..<6) func importedNetworksAreLikeOurs(seed: UInt64) throws {
    let before = try Self.network(seed)
    var after = before.reading([0, 2, 3, 1])
    after.run(Pass.forImport)
    #expect(Self.transposes(after) == 0 && !after.kinds.contains("Reshape"))
    after.run(Pass.forInference)
    try after.validate()
    #expect(
      after.kinds == [
        "Conv+", "Conv+", "Conv", "Add", "MaxPool", "Tanh", "Conv", "Concat", "Slice", "GlobalAveragePool", "Conv+",
        "Conv", "Sigmoid", "Mul", "Softmax", "GlobalAveragePool", "Flatten", "Gemm",
      ])
    // The same image, with its channels first.
    let shape = before.tensors["input"]!.shape
    #expect(after.tensors["input"]!.shape == [1, shape[3], shape[1], shape[2]])
    var generator = SeededGenerator(seed: seed)
    let image = generator.normals(shape.reduce(1, *))
    let channels = shape[3]
    let first = (0..<channels).flatMap { channel in
      stride(from: channel, to: image.count, by: channels).map { image[$0] }
    }
    expectClose(try before.run([image])[0], try after.run([first])[0])
  }

  @Test(arguments: 0..<4) func flattenedImagesReorderTheWeight(seed: UInt64) throws {
    var net = RandomGraph(seed: seed, input: [1, 3, 4, 5 + Int(seed)])
    let x = net.last(net.conv("input", 6))
    let flat = seed % 2 == 0 ? net.flatten(net.relu(x)) : net.reshape(net.relu(x), 6 * 4 * (5 + Int(seed)))
    let check = try PassCheck(.cancelTransposes, net.finished { $0.gemm(flat, 7) })
    #expect(check.kinds == ["Conv", "Relu", "Flatten", "Gemm"])
  }

  @Test func operatorsBeforeTheFirstTransposeComeAlong() throws {
    var net = RandomGraph(seed: 20, input: [1, 6, 5, 3])
    let normal = net.append(.div, [net.append(.sub, ["input", net.normals([3])]), net.normals([1, 1, 3], mean: 4)])
    let x = net.conv(net.first(normal), 4)
    let check = try PassCheck(.cancelTransposes, net.finished(x).reading([0, 2, 3, 1]))
    #expect(check.kinds == ["Sub", "Div", "Conv"])
    #expect(check.after.tensors["input"]!.shape == [1, 3, 6, 5])
  }

  /// Vectors of channels may come from a Reshape.
  @Test func gatesMayBeReshaped() throws {
    var net = RandomGraph(seed: 21, input: [1, 4, 5, 6])
    let x = net.last(net.conv("input", 8))
    let gate = net.reshape(net.conv(net.globalAveragePool("input"), 8, kernel: 1), 1, 1, 8)
    let y = net.append(.mul, [gate, x])
    let check = try PassCheck(.cancelTransposes, net.finished { $0.conv($0.first(y), 3) })
    #expect(Self.transposes(check.after) == 0)
  }

  @Test func reductionsKeepTheOrderOfTheirAxes() throws {
    for axes in [[1], [2], [3], [1, 3], [1, 2, 3]] {
      var net = RandomGraph(seed: 22, input: [1, 4, 5, 6])
      let x = net.append(.transpose([0, 3, 1, 2]), [net.last(net.unary(.tanh, "input"))])
      let moved = net.append(.transpose([0, 2, 3, 1]), [x])
      let check = try PassCheck(
        .cancelTransposes, net.finished { $0.append(.reduce(.max, axes: axes, keepDims: false), [moved]) })
      #expect(check.rewrites > 0)
    }
  }

  @Test func whatGainsNothingStays() throws {
    // Before an operator that must have it; read by others; another order; an output.
    var net = RandomGraph(seed: 23, input: [1, 4, 5, 6])
    let x = net.relu(net.last(net.conv("input", 4)))
    #expect(try PassCheck(.cancelTransposes, net.finished(x)).rewrites == 0)
    let turned = net.append(.transpose([0, 1, 3, 2]), [x])
    #expect(try PassCheck(.cancelTransposes, net.finished(turned, x)).rewrites == 0)
    let tokens = net.append(.layerNormalization(axis: 3, epsilon: 1e-5), [x, net.normals([4]), net.normals([4])])
    #expect(try PassCheck(.cancelTransposes, net.finished { $0.conv($0.first(tokens), 3) }).rewrites == 0)
  }

  /// Between DequantizeLinear and QuantizeLinear stays what was there, and nothing gets there.
  @Test func regionsStayWhole() throws {
    func left(_ shape: [Int], _ make: (inout RandomGraph) -> String) throws -> [String] {
      var net = RandomGraph(seed: 24, input: shape)
      let output = make(&net)
      var graph = net.graph
      graph.outputs = [output]
      for layer in graph.operators where layer.kind == .quantizeLinear {
        graph.tensors[layer.output]!.type = .uint8
        graph.tensors[layer.output]!.quantization = Quantization(scale: 0.1, zeroPoint: 128)
      }
      graph.run([.cancelTransposes, .cancelReshapes, .removeUnused])
      try graph.validate()
      return graph.kinds
    }
    func quantized(_ net: inout RandomGraph, _ x: String) -> String {
      net.append(.dequantizeLinear, [net.append(.quantizeLinear, [x])])
    }
    #expect(
      try left([1, 4, 5, 6]) { net in
        let y = net.append(.add, [net.last(quantized(&net, "input")), net.number(1)])
        return net.first(quantized(&net, y))
      } == [
        "QuantizeLinear", "DequantizeLinear", "Transpose", "Add", "QuantizeLinear", "DequantizeLinear", "Transpose",
      ])
    // A Transpose that is the whole region.
    #expect(
      try left([1, 4, 5, 6]) { net in
        let y = quantized(&net, net.last(quantized(&net, "input")))
        return net.conv(net.first(y), 3)
      } == [
        "QuantizeLinear", "DequantizeLinear", "Transpose", "QuantizeLinear", "DequantizeLinear", "Transpose", "Conv",
      ])
    // An image that is quantized at once.
    #expect(
      try left([1, 3, 5, 6]) { net in
        let y = quantized(&net, net.last("input"))
        return net.conv(net.first(y), 3)
      } == ["QuantizeLinear", "DequantizeLinear", "Conv"])
  }
}

extension Graph {
  /// As the importer makes it for images: the input in the order that was there, of one that is to be transposed.
  fileprivate func reading(_ perm: [Int]) -> Graph {
    var result = self
    let old = tensors["input"]!
    result.replaceUses(of: "input", with: "turned")
    result.tensors["turned"] = old
    for (axis, source) in perm.enumerated() { result.tensors["input"]!.shape[source] = old.shape[axis] }
    result.operators.insert(Operator("turned", .transpose(perm), inputs: ["input"], outputs: ["turned"]), at: 0)
    return result
  }
}
