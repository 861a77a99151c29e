import CNNModel
import CNNSupport
import Testing

struct LayerTests {
  @Test func seedIsTheNetworkOfTheDocumentation() throws {
    let graph = try Zoo.make("seed", classes: 10, input: ImageSize("28x28x1"), seed: 1)
    try graph.validate()
    #expect(
      graph.operators.map(\.kind.name)
        == """
        Conv BatchNormalization Relu MaxPool Conv BatchNormalization Relu Conv BatchNormalization Relu \
        Conv BatchNormalization Relu MaxPool Flatten Gemm Softmax
        """.split(separator: " ").map(String.init))
    #expect(graph.tensors["linear1.weight"]?.shape == [10, 980])
    // Σ (9·I + 1)·O over the convolutions, 2·C per normalisation, 981·10.
    #expect(graph.parameterCount == 100 + 910 + 1820 + 3620 + 2 * 60 + 9810)
    #expect(graph.multiplyAdds == 784 * 90 + 196 * (900 + 1800 + 3600) + 9800)
    #expect(graph.metadata["model"] == "seed")
  }

  @Test func seedFitsOtherImagesAndClasses() throws {
    let graph = try Zoo.make("seed", classes: 100, input: ImageSize("33x40x3"))
    #expect(graph.tensors["linear1.weight"]?.shape == [100, 20 * 8 * 10])
    #expect(graph.tensors[graph.outputs[0]]?.shape == [1, 100])
    #expect { try Zoo.make("seed", classes: 10, input: ImageSize("3x3x1")) } throws: { error in
      "\(error)".contains("seed with input 3x3x1, layer maxpool2")
    }
  }

  @Test func initialParametersFollowTheSeedAndTheBound() throws {
    let a = try Zoo.make("seed", classes: 10, input: ImageSize("28x28x1"), seed: 7)
    #expect(try Zoo.make("seed", classes: 10, input: ImageSize("28x28x1"), seed: 7) == a)
    #expect(try Zoo.make("seed", classes: 10, input: ImageSize("28x28x1"), seed: 8) != a)
    for (name, fanIn) in [("conv1", 9), ("conv4", 180), ("linear1", 980)] {
      let bound = 1 / Float(fanIn).squareRoot()
      let weights = try #require(a.tensors[name + ".weight"]?.data?.floats)
      let bias = try #require(a.tensors[name + ".bias"]?.data?.floats)
      #expect((weights + bias).allSatisfy { abs($0) <= bound })
      // A uniform distribution reaches to its ends, has mean 0 and variance bound²/3.
      #expect(weights.map(abs).max()! > 0.9 * bound)
      if weights.count > 1000 {
        let count = Float(weights.count)
        #expect(abs(weights.reduce(0, +) / count) < 0.05 * bound)
        #expect(abs(weights.reduce(0) { $0 + $1 * $1 } / count / (bound * bound) - 1 / 3) < 0.02)
      }
    }
    #expect(a.tensors["bn1.scale"]?.data == .float32(.init(repeating: 1, count: 10)))
    #expect(a.tensors["bn1.variance"]?.data == .float32(.init(repeating: 1, count: 10)))
    #expect(a.tensors["bn1.bias"]?.data == .float32(.init(repeating: 0, count: 10)))
    #expect(a.tensors["bn1.mean"]?.data == .float32(.init(repeating: 0, count: 10)))
  }

  @Test func unknownNamesAreAnsweredWithTheKnown() {
    #expect { try Zoo.make("sed", classes: 10, input: ImageSize("28x28x1")) } throws: { "\($0)".contains("seed") }
    for size in ["28x28", "28x28x0", "28x28x1x", "axbxc", "-1x2x3", ""] {
      #expect(throws: CNNError.self) { try ImageSize(size) }
    }
  }

  /// A network with branches, as its diagram would be drawn.
  func residualNetwork() throws -> Graph {
    func block(_ channels: Int, stride: Int = 1) -> Sequential {
      Sequential("block\(channels)") {
        Residual {
          Conv2d(channels, kernel: 3, stride: stride, padding: 1, bias: false)
          BatchNorm()
          ReLU()
          Conv2d(channels, kernel: 3, padding: 1, bias: false)
          BatchNorm()
        } shortcut: {
          if stride != 1 {
            Conv2d(channels, kernel: 1, stride: stride, bias: false)
            BatchNorm()
          }
        }
        ReLU()
      }
    }
    return try Sequential {
      Conv2d(8, kernel: 3, padding: 1)
      for (channels, stride) in [(8, 1), (12, 2)] { block(channels, stride: stride) }
      GlobalAveragePool()
      Flatten()
      Linear(5)
      Softmax()
    }.graph(input: ImageSize("15x16x3"), seed: 3)
  }

  @Test func residualBlocksBranchAndJoin() throws {
    let graph = try residualNetwork()
    try graph.validate()
    let adds = graph.operators.filter { $0.kind == .add }
    #expect(adds.map(\.inputs) == [["block8.bn2", "conv1"], ["block12.bn2", "block12.shortcut.bn1"]])
    #expect(graph.consumers(of: "conv1").map { graph.operators[$0].name } == ["block8.conv1", "block8.add1"])
    #expect(graph.tensors["block12.add1"]?.shape == [1, 12, 8, 8])
    #expect(try BundleReader(try BundleWriter().bytes(of: graph)).graph() == graph)
  }

  @Test func misfitsNameTheLayer() {
    func message(_ layer: some Layer) -> String {
      do {
        _ = try layer.graph(input: ImageSize(height: 8, width: 8, channels: 3), seed: 0)
        return ""
      } catch { return error.description }
    }
    #expect(message(Linear(3)).contains("layer linear1: Linear needs a vector, not [1, 3, 8, 8]; put Flatten()"))
    #expect(message(Conv2d(4, kernel: 9)).contains("layer conv1: the kernel is larger"))
    #expect(
      message(Residual { Conv2d(4, kernel: 3, padding: 1) }).contains(
        "layer add1: Add cannot broadcast [1, 4, 8, 8] and [1, 3, 8, 8]"))
    #expect(
      message(
        Sequential("head") {
          Flatten(); Conv2d(4, kernel: 1)
        }
      ).contains("layer head.conv1: Conv2d needs"))
    #expect(message(MaxPool(2, padding: 2)).contains("layer maxpool1"))
  }

  @Test func unusedPartsAreRemovedAndUsesReplaced() throws {
    var graph = try residualNetwork()
    // Without the second block's body nothing but the shortcut is left of it.
    graph.replaceUses(of: "block12.add1", with: "block12.shortcut.bn1")
    graph.removeUnused()
    try graph.validate()
    #expect(!graph.operators.contains { $0.name.hasPrefix("block12.conv") || $0.name == "block12.add1" })
    #expect(graph.tensors["block12.conv1.weight"] == nil && graph.tensors["block12.shortcut.conv1.weight"] != nil)
  }
}
