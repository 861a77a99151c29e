import CBundle
import CNNModel
import CNNSupport
import Testing

struct BundleTests {
  @Test(arguments: [false, true]) func graphsSurviveTheRoundTrip(quantized: Bool) throws {
    var graphs = RandomGraphs(seed: quantized ? 1 : 2)
    for round in 0..<150 {
      let graph = try graphs.graph(quantized: quantized)
      let writer = BundleWriter { kind in (UInt32(round) >> (kind.rawValue % 4)) & 1 == 0 ? .stored : .deflate }
      let bytes = try writer.bytes(of: graph)
      #expect(try BundleReader(bytes).graph() == graph)
      #expect(try writer.bytes(of: graph) == bytes)
    }
  }

  @Test(arguments: RandomToolbox.operators) func everyOperatorSurvivesTheRoundTrip(first: String) throws {
    var graphs = RandomGraphs(seed: 17)
    for round in 0..<24 {
      let graph = try RandomToolbox.chain(first, quantized: round % 2 == 0, length: round % 4, using: &graphs)
      try graph.validate()
      let bytes = try BundleWriter(codec: .stored).bytes(of: graph)
      let read = try BundleReader(bytes).graph()
      #expect(read == graph)
      #expect(try BundleWriter(codec: .stored).bytes(of: read) == bytes)
    }
  }

  /// The file by the header's structs alone, without the reader: what the runtime relies on.
  @Test func fileFollowsTheHeader() throws {
    var graphs = RandomGraphs(seed: 3)
    for _ in 0..<20 {
      let graph = try graphs.graph(quantized: true)
      let bytes = try BundleWriter(codec: .stored).bytes(of: graph)
      try bytes.withUnsafeBytes { file in
        let header = file.loadUnaligned(as: cnnb_header.self)
        #expect(Array(file.prefix(8)) == [0x89, 0x43, 0x4E, 0x4E, 0x0D, 0x0A, 0x1A, 0x0A])
        #expect(header.file_bytes == bytes.count && header.flags & CNNB_FLAG_QUANTIZED != 0)
        var sections: [UInt32: cnnb_section] = [:]
        for index in 0..<Int(header.section_count) {
          let section = file.loadUnaligned(fromByteOffset: Int(header.table_offset) + 64 * index, as: cnnb_section.self)
          #expect(section.offset % 64 == 0 && section.stored_bytes == section.raw_bytes)
          sections[section.kind] = section
        }
        let start = Int(try #require(sections[UInt32(CNNB_SECTION_GRAPH)]).offset)
        let weights = Int(try #require(sections[UInt32(CNNB_SECTION_WEIGHTS)]).offset)
        let head = file.loadUnaligned(fromByteOffset: start, as: cnnb_graph.self)
        let tensors = (0..<Int(head.tensor_count)).map {
          file.loadUnaligned(fromByteOffset: start + 64 * ($0 + 1), as: cnnb_tensor.self)
        }
        for tensor in tensors where tensor.flags == CNNB_TENSOR_CONSTANT { #expect(tensor.data_offset % 64 == 0) }
        let operators = (0..<Int(head.operator_count)).map {
          file.loadUnaligned(fromByteOffset: start + 64 * (tensors.count + 1) + 128 * $0, as: cnnb_operator.self)
        }
        let operands =
          start + 64 * (tensors.count + 1) + 128 * operators.count + 4 * Int(head.input_count + head.output_count)
        for (record, layer) in zip(operators, graph.operators) where record.kind <= UInt32(CNNB_OP_GEMM) {
          // x, weight, bias, sums → y
          #expect(record.input_count == 4 && record.output_count == 1)
          let sums = file.loadUnaligned(fromByteOffset: operands + 4 * Int(record.first_operand) + 12, as: UInt32.self)
          let stored = tensors[Int(sums)]
          let weight = try #require(graph.tensors[layer.inputs[1]])
          let values = try #require(weight.data?.int8s)
          let size = values.count / weight.shape[0]
          for channel in 0..<Int(stored.data_bytes) / 4 {
            let sum = file.loadUnaligned(
              fromByteOffset: weights + Int(stored.data_offset) + 4 * channel, as: Int32.self)
            let inside = channel < weight.shape[0]
            #expect(sum == (inside ? values[channel * size..<(channel + 1) * size].reduce(0) { $0 + Int32($1) } : 0))
          }
        }
      }
    }
  }

  @Test func structsHaveTheStatedSizes() {
    #expect(MemoryLayout<cnnb_header>.stride == 64 && MemoryLayout<cnnb_section>.stride == 64)
    #expect(MemoryLayout<cnnb_graph>.stride == 64 && MemoryLayout<cnnb_tensor>.stride == 64)
    #expect(MemoryLayout<cnnb_operator>.stride == 128 && MemoryLayout<cnnb_recipe>.stride == 64)
    #expect(MemoryLayout<cnnb_quantization>.stride == 16 && MemoryLayout<cnnb_self_test>.stride == 32)
  }

  @Test func deflateShrinksAndStoredIsMappable() throws {
    var graphs = RandomGraphs(seed: 4)
    var graph = try graphs.graph(quantized: false)
    graph.trainingState = [UInt8](repeating: 7, count: 100_000)
    let deflated = try BundleReader(try BundleWriter(codec: .deflate).bytes(of: graph))
    let stored = try BundleReader(try BundleWriter(codec: .stored).bytes(of: graph))
    #expect(deflated.fileBytes < stored.fileBytes - 90_000)
    #expect(stored.sections.allSatisfy { $0.codec == .stored && $0.offset % 64 == 0 && $0.storedBytes == $0.rawBytes })
    #expect(deflated.sections.first { $0.kind == .training }?.codec == .deflate)
    #expect(deflated.sections.map(\.rawBytes) == stored.sections.map(\.rawBytes))
  }

  /// A constant that a dilated and a plain convolution share is stored in both orders.
  @Test func sharedConstantIsStoredPerOrder() throws {
    var graph = Graph()
    graph.inputs = ["x"]
    graph.tensors["x"] = Tensor(shape: [1, 2, 5, 5])
    graph.tensors["w"] = Tensor(.float32((0..<8).map(Float.init)), shape: [2, 2, 1, 2])
    graph.operators = [
      Operator("plain", .conv(Window(kernelHeight: 1, kernelWidth: 2)), inputs: ["x", "w"], outputs: ["a"]),
      Operator(
        "dilated", .conv(Window(kernelHeight: 1, kernelWidth: 2, dilationX: 2)), inputs: ["a", "w"], outputs: ["b"]),
    ]
    graph.outputs = ["b"]
    try graph.inferShapes()
    let read = try BundleReader(try BundleWriter().bytes(of: graph)).graph()
    #expect(read.operators.map(\.inputs) == [["x", "w"], ["a", "w_2"]])
    #expect(read.tensors["w"] == graph.tensors["w"] && read.tensors["w_2"] == graph.tensors["w"])
  }
}
