import CNNModel
import CNNRT
import CNNSupport
import Testing

/// The runtime's reader against this package's writer and reader: two programs written from one text.
struct RuntimeReadsBundlesTests {
  @Test(arguments: [SectionCodec.stored, .deflate]) func whatIsWrittenIsWhatTheRuntimeSees(codec: SectionCodec) throws {
    var graphs = RandomGraphs(seed: 31)
    for round in 0..<60 {
      let graph = try graphs.graph(quantized: round % 2 == 0)
      let bytes = try BundleWriter(codec: codec).bytes(of: graph)
      let model = try Model(bytes: bytes)
      try model.verify()
      #expect(model.information.isQuantized == graph.isQuantized && model.information.isMixed == graph.isMixed)
      #expect(model.information.hasSelfTest == (graph.selfTest != nil))
      #expect(model.information.fileBytes == bytes.count)
      #expect(model.labels == graph.labels)
      #expect(model.metadata.map(\.key) == graph.metadata.entries.map(\.key))
      #expect(model.metadata.map(\.value) == graph.metadata.entries.map(\.value))
      #expect(model.layers.map(\.name) == graph.operators.map(\.name))
      #expect(model.layers.map(\.op) == graph.operators.map(\.kind.name))
      for (layer, record) in zip(graph.operators, model.layers) {
        #expect(record.output.shape == graph.tensors[layer.output]?.shape)
        if graph.weight(of: layer) != nil { #expect(Int(record.multiplyAdds) == graph.multiplyAdds(of: layer)) }
      }
      for (name, tensor) in zip(graph.inputs + graph.outputs, model.inputs + model.outputs) {
        let expected = try #require(graph.tensors[name])
        #expect(
          tensor.name == name && tensor.shape == expected.shape && tensor.type?.rawValue == expected.type.rawValue)
        #expect(tensor.scale == expected.quantization?.scales[0] ?? 0)
        #expect(tensor.zeroPoint == expected.quantization?.zeroPoint ?? 0)
      }
      #expect(model.recipe?.mean == graph.recipe?.mean && model.recipe?.deviation == graph.recipe?.deviation)
      #expect(model.recipe?.channelOrder.rawValue == graph.recipe?.channelOrder.rawValue)
      if case .letterbox(let fill) = graph.recipe?.resize { #expect(model.recipe?.fill == fill) }
      if case .crop(let shorter) = graph.recipe?.resize { #expect(model.recipe?.resizeShorter == shorter) }
    }
  }

  /// Every operator, alone and in chains.
  @Test(arguments: RandomToolbox.operators) func everyOperatorIsTaken(first: String) throws {
    var graphs = RandomGraphs(seed: 32)
    for round in 0..<12 {
      let graph = try RandomToolbox.chain(first, quantized: round % 2 == 0, length: round % 4, using: &graphs)
      let model = try Model(bytes: try BundleWriter(codec: .stored).bytes(of: graph))
      try model.verify()
      #expect(model.layers.map(\.op) == graph.operators.map(\.kind.name))
      for (layer, record) in zip(graph.operators, model.layers) {
        #expect(record.output.shape == graph.tensors[layer.output]?.shape, "\(layer.name)")
        #expect(Int(record.multiplyAdds) == graph.multiplyAdds(of: layer), "\(layer.name)")
      }
    }
  }

  /// The tools check more than the runtime needs to run safely: what they take, it takes.
  @Test func whatTheToolsTakeTheRuntimeTakes() throws {
    let bundle = try EditableBundle(CorruptBundleTests.graph())
    for (what, edit) in CorruptBundleTests.wrongTables {
      #expect(throws: CNNRTError.self, "\(what)") { try Model(bytes: bundle.bytes(edit)).verify() }
    }
    var random = Random(seed: 12)
    var taken = 0
    for _ in 0..<10_000 {
      let bytes = CorruptBundleTests.changed(bundle, &random).bytes()
      do {
        try Model(bytes: bytes).verify()
      } catch { #expect(CorruptBundleTests.complaint(bytes) != "", "\(error)") }
      taken += CorruptBundleTests.complaint(bytes) == "" ? 1 : 0
    }
    #expect(taken > 0)
  }

  @Test func errorsOfTheLibraryAreTyped() {
    do {
      _ = try Model(path: "/nowhere/model.cnn")
      Issue.record("opened a file that is not there")
    } catch {
      #expect(error.status == .io && error.systemError == 2 && error.description.contains("/nowhere/model.cnn"))
    }
    do {
      _ = try Model(bytes: Array("no bundle".utf8))
      Issue.record("opened what is no bundle")
    } catch { #expect(error.status == .format && error.systemError == 0) }
    #expect(Library.availableISAs.count >= 1 && Library.version.split(separator: ".").count == 3)
  }
}
