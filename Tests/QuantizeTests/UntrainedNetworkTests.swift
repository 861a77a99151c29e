import CNNModel
import CNNQuantize
import CNNSupport
import Testing

@Suite struct UntrainedNetworkTests {
  private func network(_ name: String, seed: UInt64 = 1) throws -> UntrainedNetwork {
    try UntrainedNetwork(name, classes: 20, input: ImageSize("40x40x3"), seed: seed)
  }

  private func deviation(_ values: [Float]) -> Float {
    let mean = values.reduce(0, +) / Float(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)).squareRoot()
  }

  /// On images that it has not seen, every layer's values spread as a trained network's do, and int8 is close to float.
  @Test(arguments: ["resnet8", "mobilenet_v2", "squeezenet1_1", "resnet18"]) func signalsLive(name: String) throws {
    let network = try network(name)
    let float = network.float()
    var random = Random(seed: 77)
    let image = (0..<4800).map { _ in random.uniform(-1.7, 1.7) }
    let layers = float.operators.filter { $0.kind.hasWeight }.map(\.output)
    for (layer, values) in zip(layers, try float.values(of: layers, for: image)) {
      #expect((0.05...50).contains(deviation(values)), "\(layer): \(deviation(values))")
    }
    let int8 = try network.int8()
    try int8.validate()
    #expect(int8.isQuantized && !int8.isMixed)
    let logits = float.operators.last!.inputs[0]
    let (real, approximate) = (
      try float.values(of: [logits], for: image)[0], try int8.values(of: [logits], for: image)[0]
    )
    let ratio = decibels(real, approximate)
    // Random weights forgive rounding less than trained ones, and mobilenet_v2 has 53 layers.
    #expect(ratio > (name == "mobilenet_v2" ? 6 : 12), "\(ratio)")
  }

  @Test func theSeedDecides() throws {
    func bytes(_ seed: UInt64) throws -> [UInt8] {
      try BundleWriter(codec: .stored).bytes(of: try network("resnet8", seed: seed).int8())
    }
    #expect(try bytes(3) == bytes(3))
    #expect(try bytes(3) != bytes(4))
  }
}
