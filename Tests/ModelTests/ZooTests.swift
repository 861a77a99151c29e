import CNNModel
import CNNSupport
import Testing

struct ZooTests {
  struct Published: CustomTestStringConvertible {
    var name: String
    var input: String
    var classes = 1000
    var width = 1.0
    var parameters: Int
    var multiplyAdds: Int

    var testDescription: String { "\(name) \(input)\(width == 1 ? "" : " × \(width)")" }
  }

  /// Learned parameters, and multiply-adds of the convolutions and fully connected layers.
  static let published: [Published] = [
    // Caffe's; the sums of Han et al. 2015: 431 k weights, 4586 k operations.
    Published(name: "lenet5", input: "28x28x1", classes: 10, parameters: 431_080, multiplyAdds: 2_293_000),
    // Caffe's bvlc_alexnet; Sze et al. 2017: 61 M weights, 724 M multiply-adds.
    Published(name: "alexnet_lrn", input: "227x227x3", parameters: 60_965_224, multiplyAdds: 724_406_816),
    // torchvision 0.29, counted with hooks on its models; its documentation has the same, rounded to millions.
    Published(name: "alexnet", input: "224x224x3", parameters: 61_100_840, multiplyAdds: 714_188_480),
    Published(name: "vgg11", input: "224x224x3", parameters: 132_863_336, multiplyAdds: 7_609_090_048),
    Published(name: "vgg13", input: "224x224x3", parameters: 133_047_848, multiplyAdds: 11_308_466_176),
    Published(name: "vgg16", input: "224x224x3", parameters: 138_357_544, multiplyAdds: 15_470_264_320),
    Published(name: "vgg19", input: "224x224x3", parameters: 143_667_240, multiplyAdds: 19_632_062_464),
    Published(name: "vgg11_bn", input: "224x224x3", parameters: 132_868_840, multiplyAdds: 7_609_090_048),
    Published(name: "vgg13_bn", input: "224x224x3", parameters: 133_053_736, multiplyAdds: 11_308_466_176),
    Published(name: "vgg16_bn", input: "224x224x3", parameters: 138_365_992, multiplyAdds: 15_470_264_320),
    Published(name: "vgg19_bn", input: "224x224x3", parameters: 143_678_248, multiplyAdds: 19_632_062_464),
    Published(name: "squeezenet1_1", input: "224x224x3", parameters: 1_235_496, multiplyAdds: 349_151_936),
    Published(name: "resnet18", input: "224x224x3", parameters: 11_689_512, multiplyAdds: 1_814_073_344),
    Published(name: "resnet34", input: "224x224x3", parameters: 21_797_672, multiplyAdds: 3_663_761_408),
    Published(name: "resnet50", input: "224x224x3", parameters: 25_557_032, multiplyAdds: 4_089_184_256),
    Published(name: "densenet121", input: "224x224x3", parameters: 7_978_856, multiplyAdds: 2_834_161_664),
    Published(name: "mobilenet_v2", input: "224x224x3", parameters: 3_504_872, multiplyAdds: 300_774_272),
    // torchvision's efficientnet_b0 without squeeze and excite, which is what EfficientNet-Lite0 is. The 407 M in the
    // authors' table are more than its products.
    Published(name: "efficientnet_lite0", input: "224x224x3", parameters: 4_652_008, multiplyAdds: 385_187_552),
    // The paper's 4.2 M and 569 M; Keras has the parameters exactly.
    Published(name: "mobilenet_v1", input: "224x224x3", parameters: 4_231_976, multiplyAdds: 568_740_352),
    // MLPerf Tiny's, and the same for grey images.
    Published(name: "resnet8", input: "32x32x3", classes: 10, parameters: 78_186, multiplyAdds: 12_501_632),
    Published(name: "resnet8", input: "28x28x1", classes: 10, parameters: 77_898, multiplyAdds: 9_345_920),
    // He et al. 2015: 0.27, 0.46, 0.85 M; He et al. 2018: 40.6, 68.9, 125 M multiply-adds.
    Published(name: "resnet20", input: "32x32x3", classes: 10, parameters: 269_722, multiplyAdds: 40_551_040),
    Published(name: "resnet32", input: "32x32x3", classes: 10, parameters: 464_154, multiplyAdds: 68_862_592),
    Published(name: "resnet56", input: "32x32x3", classes: 10, parameters: 853_018, multiplyAdds: 125_485_696),
    // The form for CIFAR: 9.2 M, 153 M; and 14.7 M, 313 M (Li et al. 2017).
    Published(name: "vgg11_bn", input: "32x32x3", classes: 10, parameters: 9_231_114, multiplyAdds: 152_769_536),
    Published(name: "vgg16_bn", input: "32x32x3", classes: 10, parameters: 14_728_266, multiplyAdds: 313_201_664),
    // Counted with hooks on the PyTorch model of Tools/compare-accuracy, as is resnet8.
    Published(
      name: "mobilenet_v2", input: "28x28x1", classes: 10, width: 0.35, parameters: 408_650, multiplyAdds: 9_871_248),
  ]

  @Test(arguments: published) func networksAreAsLargeAsPublished(_ published: Published) throws {
    let graph = try Zoo.make(
      published.name, classes: published.classes, input: ImageSize(published.input), width: published.width)
    #expect(graph.parameterCount == published.parameters)
    #expect(graph.multiplyAdds == published.multiplyAdds)
    #expect(graph.tensors[graph.outputs[0]]?.shape == [1, published.classes])
    #expect(graph.operators.last?.kind == .softmax)
    if graph.parameterCount < 5_000_000 { try graph.validate() }
  }

  /// Millions of multiply-adds and of parameters by width: table 6 of Howard et al. 2017, and the table of TensorFlow's
  /// model repository for MobileNetV2, which leaves out the normalisations' parameters.
  @Test(
    arguments: [
      ("mobilenet_v1", 0.75, 325, 2.6), ("mobilenet_v1", 0.5, 149, 1.3), ("mobilenet_v1", 0.25, 41, 0.5),
      ("mobilenet_v2", 1.4, 582, 6.06), ("mobilenet_v2", 1.3, 509, 5.34), ("mobilenet_v2", 0.75, 209, 2.61),
      ("mobilenet_v2", 0.5, 97, 1.95), ("mobilenet_v2", 0.35, 59, 1.66),
    ] as [(String, Double, Double, Double)])
  func widthsAreThePublishedOnes(name: String, width: Double, multiplyAdds: Double, parameters: Double) throws {
    let graph = try Zoo.make(name, classes: 1000, input: ImageSize("224x224x3"), width: width)
    let normalizations = graph.operators.filter { $0.kind.name == "BatchNormalization" }
    let ofNormalizations = normalizations.reduce(0) { $0 + 2 * graph.tensors[$1.inputs[1]]!.count }
    #expect(abs(Double(graph.multiplyAdds) / 1e6 - multiplyAdds) < 1, "\(graph.multiplyAdds)")
    #expect(abs(Double(graph.parameterCount - ofNormalizations) / 1e6 - parameters) < 0.05, "\(graph.parameterCount)")
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

  /// Each network has a form for the images of MNIST and CIFAR.
  @Test(arguments: Zoo.names, ["28x28x1", "32x32x3"]) func smallImagesSuffice(name: String, input: String) throws {
    let graph = try Zoo.make(name, classes: 10, input: ImageSize(input))
    #expect(graph.tensors[graph.outputs[0]]?.shape == [1, 10])
  }

  @Test func everyNetworkCanBeWritten() throws {
    for name in Zoo.names where !["alexnet", "vgg", "resnet18", "resnet34", "resnet50"].contains(where: name.hasPrefix)
    {
      let graph = try Zoo.make(name, classes: 3, input: ImageSize("48x48x3"))
      #expect(try BundleReader(try BundleWriter(codec: .stored).bytes(of: graph)).graph() == graph, "\(name)")
    }
  }
}
