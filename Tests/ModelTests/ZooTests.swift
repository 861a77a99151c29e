import CNNModel
import CNNSupport
import Testing

struct ZooTests {
  /// Learned parameters as published (torchvision's, MLPerf Tiny's, the papers'; lenet5: Caffe's).
  static let published: [(name: String, input: String, classes: Int, width: Double, parameters: Int)] = [
    ("lenet5", "28x28x1", 10, 1, 431_080),
    ("resnet8", "28x28x1", 10, 1, 77_898),
    ("resnet8", "32x32x3", 10, 1, 78_186),
    ("resnet20", "32x32x3", 10, 1, 269_722),
    ("resnet32", "32x32x3", 10, 1, 464_154),
    ("resnet56", "32x32x3", 10, 1, 853_018),
    ("resnet18", "224x224x3", 1000, 1, 11_689_512),
    ("resnet34", "224x224x3", 1000, 1, 21_797_672),
    ("resnet50", "224x224x3", 1000, 1, 25_557_032),
    ("mobilenet_v1", "224x224x3", 1000, 1, 4_231_976),
    ("mobilenet_v2", "224x224x3", 1000, 1, 3_504_872),
    ("mobilenet_v2", "28x28x1", 10, 0.35, 408_650),
    ("squeezenet1_1", "224x224x3", 1000, 1, 1_235_496),
    ("alexnet", "224x224x3", 1000, 1, 61_100_840),
    ("vgg16", "224x224x3", 1000, 1, 138_357_544),
  ]

  @Test(arguments: published)
  func networksHaveThePublishedSize(
    name: String, input: String, classes: Int, width: Double, parameters: Int
  ) throws {
    let graph = try Zoo.make(name, classes: classes, input: ImageSize(input), width: width)
    #expect(graph.parameterCount == parameters)
    #expect(graph.tensors[graph.outputs[0]]?.shape == [1, classes])
    #expect(graph.operators.last?.kind == .softmax)
    if graph.parameterCount < 5_000_000 { try graph.validate() }
  }

  /// Multiply-adds of convolutions and fully connected layers: torchvision's GFLOPS column, and its own sums.
  @Test func multiplyAddsAreThePublishedOnes() throws {
    func count(_ name: String) throws -> Double {
      Double(try Zoo.make(name, classes: 1000, input: ImageSize("224x224x3")).multiplyAdds) / 1e9
    }
    for (name, giga) in [
      ("resnet18", 1.814), ("mobilenet_v2", 0.301), ("mobilenet_v1", 0.569), ("squeezenet1_1", 0.349),
    ] {
      #expect(abs(try count(name) - giga) < 0.0015, "\(name)")
    }
  }

  @Test func widthIsForThoseThatHaveOne() throws {
    #expect { try Zoo.make("resnet8", classes: 10, input: ImageSize("28x28x1"), width: 0.5) } throws: { error in
      "\(error)".contains("resnet8: has no width to choose; these have one: mobilenet_v1, mobilenet_v2")
    }
    let narrow = try Zoo.make("mobilenet_v1", classes: 10, input: ImageSize("32x32x3"), width: 0.25)
    #expect(narrow.tensors["conv1.weight"]?.shape == [8, 3, 3, 3])
    for width in [0, -1, 100, .nan] {
      #expect(throws: CNNError.self) {
        try Zoo.make("mobilenet_v1", classes: 10, input: ImageSize("32x32x3"), width: width)
      }
    }
  }

  /// The strides of small images: what train.py of the comparison has.
  @Test func smallImagesKeepTheirSizeLonger() throws {
    func sizes(_ name: String, _ input: String) throws -> [Int] {
      let graph = try Zoo.make(name, classes: 10, input: ImageSize(input), width: 0.35)
      var heights: [Int] = []
      for layer in graph.operators {
        if case .conv = layer.kind, let height = graph.tensors[layer.output]?.shape[2], heights.last != height {
          heights.append(height)
        }
      }
      return heights
    }
    #expect(try sizes("mobilenet_v2", "28x28x1") == [28, 14, 7, 4])
    #expect(try sizes("mobilenet_v2", "96x96x1") == [48, 24, 12, 6, 3])
  }

  @Test func everyNetworkCanBeWritten() throws {
    for name in Zoo.names where !["vgg16", "alexnet", "resnet18", "resnet34", "resnet50"].contains(name) {
      let graph = try Zoo.make(name, classes: 3, input: ImageSize("48x48x3"))
      #expect(try BundleReader(try BundleWriter(codec: .stored).bytes(of: graph)).graph() == graph, "\(name)")
    }
  }
}
