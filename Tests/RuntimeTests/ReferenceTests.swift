import CCNNRT
import CNNModel
import CNNSupport
import Testing

/// Whole networks through the C ABI, on each instruction set, against the naive kernels of the test library.
struct ReferenceTests {
  /// int8 to the bit; float by rounding only.
  static func expectEqual(_ got: [[UInt8]], _ expected: [[UInt8]], _ graph: Graph, _ what: String) {
    for (index, name) in graph.outputs.enumerated() {
      if graph.tensors[name]!.type == .uint8 || graph.isQuantized {
        #expect(got[index] == expected[index], "\(what): \(name)")
      } else {
        let a = TensorData(type: .float32, bytes: got[index]).floats!
        let b = TensorData(type: .float32, bytes: expected[index]).floats!
        let largest = b.reduce(1e-3) { max($0, abs($1)) }
        let error = zip(a, b).map { abs($0 - $1) }.max() ?? 0
        #expect(error <= 2e-5 * largest, "\(what): \(name) off by \(error) of \(largest)")
      }
    }
  }

  static func compare(_ graph: Graph, _ random: inout RandomGraphs, _ what: String) throws {
    let bytes = try BundleWriter(codec: .stored).bytes(of: graph)
    let batch = 1 + random.random.below(3)
    let inputs = random.values(graph, batch: batch)
    let reference = try OpenSession(OpenModel(bytes, isa: "reference", library: .reference)) { $0.batch = Int32(batch) }
    let expected = try reference.run(graph, inputs)
    for isa in Library.isas {
      let session = try OpenSession(OpenModel(bytes, isa: isa)) { $0.batch = Int32(batch) }
      expectEqual(try session.run(graph, inputs), expected, graph, "\(what) on \(isa), batch \(batch)")
      // The arena is shared by tensors: a second run must not see the first.
      expectEqual(try session.run(graph, inputs), expected, graph, "\(what) on \(isa) again")
    }
  }

  @Test(arguments: RandomGraphs.kinds, [false, true])
  func singleOperators(kind: String, quantized: Bool) throws {
    var graphs = RandomGraphs(seed: UInt64(RandomGraphs.kinds.firstIndex(of: kind)!), quantized: quantized)
    for round in 0..<(kind == "conv" ? 300 : 80) {
      guard let graph = try graphs.single(kind) else { return }
      try Self.compare(graph, &graphs, "\(kind) \(round)")
    }
  }

  @Test(arguments: [false, true]) func branchedGraphs(quantized: Bool) throws {
    var graphs = RandomGraphs(seed: 5, quantized: quantized)
    for round in 0..<200 {
      let graph = try graphs.branched()
      try Self.compare(graph, &graphs, "graph \(round)")
    }
  }
}
