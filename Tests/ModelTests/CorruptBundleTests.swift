import CBundle
import CNNModel
import CNNSupport
import Testing

struct CorruptBundleTests {
  /// x [1,3,4,4] uint8 → conv → y uint8 → gemm over flatten → float32, with every kind of section.
  static func graph() throws -> Graph {
    var graph = Graph()
    graph.inputs = ["x"]
    graph.outputs = ["scores"]
    let scales: [Float] = [0.5, 0.25]
    graph.tensors = [
      "x": Tensor(.uint8, shape: [1, 3, 4, 4], quantization: .init(scale: 0.1, zeroPoint: 3)),
      "w": Tensor(.int8((0..<24).map { Int8($0) }), shape: [2, 3, 2, 2], quantization: .init(scales: scales)),
      "b": Tensor(.int32([5, -6]), shape: [2]),
      "y": Tensor(.uint8, shape: [1, 2, 3, 3], quantization: .init(scale: 0.2, zeroPoint: 0)),
      "v": Tensor(.uint8, shape: [1, 18], quantization: .init(scale: 0.2, zeroPoint: 0)),
      "w2": Tensor(.int8((0..<36).map { Int8($0) }), shape: [2, 18], quantization: .init(scales: scales)),
      "scores": Tensor(shape: [1, 2]),
    ]
    graph.operators = [
      Operator("conv", .conv(Window(2)), inputs: ["x", "w", "b"], outputs: ["y"], activation: .relu),
      Operator("flatten", .flatten, inputs: ["y"], outputs: ["v"]),
      Operator("fc", .gemm, inputs: ["v", "w2"], outputs: ["scores"]),
    ]
    graph.labels = ["cat", "dog"]
    graph.metadata = ["model": "test"]
    graph.recipe = Recipe(width: 4, height: 4, channelOrder: .rgb, mean: [0, 0, 0], deviation: [1, 1, 1])
    graph.selfTest = SelfTest(
      inputs: [.uint8(.init(repeating: 9, count: 48))], outputs: [.float32([1, 2])], tolerance: 0)
    graph.trainingState = [1, 2, 3]
    return graph
  }

  /// What the reader says; "" if it takes the bundle.
  static func complaint(_ bytes: [UInt8]) -> String {
    do {
      _ = try BundleReader(bytes, at: "model.cnn").graph()
      return ""
    } catch { return error.description }
  }

  // Tensors in the order of first use: x 0, w 1, b 2, w.sums 3, y 4, v 5, w2 6, w2.sums 7, scores 8.
  // Operators: conv 0, flatten 1, fc 2.
  static let wrongContents: [(what: String, edit: @Sendable (inout EditableBundle) -> Void)] = [
    ("section GRAPH: is too short for what it says", { $0.contents[$0.index(.graph)].removeLast(70) }),
    ("section GRAPH: has 1 bytes more", { $0.contents[$0.index(.graph)].append(0) }),
    ("section GRAPH: is too short", { $0.edit(.graph, cnnb_graph.self, 0) { $0.tensor_count = .max } }),
    ("section GRAPH: a string lies outside", { $0.editTensor(0) { $0.name = 100_000 } }),
    (
      "tensor w: two tensors have this name",
      { bundle in
        var name: UInt32 = 0
        bundle.editTensor(1) { name = $0.name }
        bundle.editTensor(2) { $0.name = name }
      }
    ),
    ("tensor x: has the unknown type 99", { $0.editTensor(0) { $0.type = 99 } }),
    ("x has rank 7", { $0.editTensor(0) { $0.rank = 7 } }),
    ("x has the shape [0, 3, 4, 4]", { $0.editTensor(0) { $0.dims.0 = 0 } }),
    (
      "the batch size in a bundle is 1",
      { bundle in
        for index in [0, 4, 5, 8] { bundle.editTensor(index) { $0.dims.0 = 2 } }
      }
    ),
    ("layer conv: Conv with weight", { $0.editTensor(0) { $0.dims.1 = 4 } }),
    ("layer conv: its output is [1, 2, 3, 4]", { $0.editTensor(4) { $0.dims.3 = 4 } }),
    ("tensor x: is an activation with data or a layout", { $0.editTensor(0) { $0.layout = 1 } }),
    ("tensor x: has unknown flags", { $0.editTensor(0) { $0.flags = 4 } }),
    ("tensor w: has the layout 0 where 2 is needed", { $0.editTensor(1) { $0.layout = 0 } }),
    ("tensor w: needs 256 bytes", { $0.editTensor(1) { $0.data_bytes = 64 } }),
    ("tensor w: needs", { $0.editTensor(1) { $0.data_offset = 1 << 40 } }),
    ("tensor w: needs", { $0.editTensor(1) { $0.data_offset = .max - 63 } }),
    ("tensor b: needs 64 bytes", { $0.editTensor(2) { $0.data_offset += 1 } }),
    ("its quantization is out of range", { $0.editTensor(0) { $0.quantization = 77 } }),
    ("tensor x: is an activation of uint8 without quantization", { $0.editTensor(0) { $0.quantization = CNNB_NONE } }),
    ("layer conv: the operator kind 200 is unknown", { $0.editOperator(0) { $0.kind = 200 } }),
    ("layer conv: the activation 9 is unknown", { $0.editOperator(0) { $0.activation = 9 } }),
    ("layer conv: its operands are out of range", { $0.editOperator(0) { $0.first_operand = .max } }),
    ("layer conv: its operands are out of range", { $0.editOperator(0) { $0.input_count = 500 } }),
    ("layer flatten: Flatten has attributes", { $0.editOperator(1) { $0.integers.0 = 1 } }),
    ("layer conv: a weight of shape [2, 3, 2, 2] does not fit", { $0.editOperator(0) { $0.window.stride_x = 0 } }),
    ("layer conv: the window has a size out of range", { $0.editOperator(0) { $0.window.pad_left = .max } }),
    ("layer conv: a weight of shape [2, 3, 2, 2] does not fit", { $0.editOperator(0) { $0.window.group = 0 } }),
    ("layer conv: a weight of shape [2, 3, 2, 2] does not fit", { $0.editOperator(0) { $0.window.group = 3 } }),
    ("tensor w: needs 512 bytes", { $0.editOperator(0) { $0.window.group = 2 } }),
    ("layer conv: its activation has values", { $0.editOperator(0) { $0.activation_values.1 = 6 } }),
    (
      "layer conv: clips to 1.0 … 0.0",
      { $0.editOperator(0) { ($0.activation, $0.activation_values) = (2, (1, 0)) } }
    ),
    ("layer conv: Conv has attributes", { $0.editOperator(0) { $0.window.ceil_mode = 1 } }),
    ("layer flatten: Flatten cannot have an activation", { $0.editOperator(1) { $0.activation = 1 } }),
    (
      "layer fc: reads v before it is written",
      { bundle in
        var flatten = cnnb_operator()
        bundle.editOperator(1) { flatten = $0 }
        var fc = cnnb_operator()
        bundle.editOperator(2) {
          fc = $0; $0 = flatten
        }
        bundle.editOperator(1) { $0 = fc }
      }
    ),
    (
      "section QUANTIZATION: is too short",
      { $0.edit(.quantization, cnnb_quantization_header.self, 0) { $0.scale_count = 9 } }
    ),
    (
      "its scales are out of range",
      { $0.edit(.quantization, cnnb_quantization.self, 0, after: 16) { $0.first_scale = 99 } }
    ),
    (
      "tensor x: has the zero point 256",
      { $0.edit(.quantization, cnnb_quantization.self, 0, after: 16) { $0.zero_point = 256 } }
    ),
    (
      "has a scale that is not positive",
      { bundle in
        let place = bundle.contents[bundle.index(.quantization)].count / 4 - 1
        bundle.edit(.quantization, Float.self, place) { $0 = .nan }
      }
    ),
    (
      "tensor w.sums: is not the sum of the weights w",
      { $0.edit(.weights, Int32.self, 0, after: 256 + 64) { $0 += 1 } }
    ),
    ("tensor b: has padding that is not 0", { $0.edit(.weights, Int32.self, 15, after: 256) { $0 = 1 } }),
    ("tensor w: has padding that is not 0", { $0.edit(.weights, Int8.self, 255) { $0 = 1 } }),
    ("tensor w: needs", { $0.contents[$0.index(.weights)] = [] }),
    ("section RECIPE: has 2 channels in the order 1", { $0.edit(.recipe, cnnb_recipe.self, 0) { $0.channels = 2 } }),
    ("section RECIPE: has the unknown way of resizing 3", { $0.edit(.recipe, cnnb_recipe.self, 0) { $0.resize = 3 } }),
    ("section RECIPE: a deviation is 0", { $0.edit(.recipe, cnnb_recipe.self, 0) { $0.deviation.1 = 0 } }),
    ("section RECIPE: a mean is not finite", { $0.edit(.recipe, cnnb_recipe.self, 0) { $0.mean.2 = .infinity } }),
    ("section RECIPE: its size is 0×4", { $0.edit(.recipe, cnnb_recipe.self, 0) { $0.width = 0 } }),
    ("section RECIPE: has fields that it does not use", { $0.edit(.recipe, cnnb_recipe.self, 0) { $0.fill.0 = 1 } }),
    ("recipe: makes [1, 3, 4, 5]", { $0.edit(.recipe, cnnb_recipe.self, 0) { $0.width = 5 } }),
    ("section GRAPH: has reserved fields", { $0.edit(.graph, cnnb_graph.self, 0) { $0.reserved.9 = 1 } }),
    ("section LABELS: has reserved fields", { $0.edit(.labels, cnnb_strings.self, 0) { $0.reserved.1 = 1 } }),
    ("b has the shape [2]", { $0.editTensor(2) { $0.dims.3 = 2 } }),
    (
      "section LABELS: its strings do not end",
      { bundle in
        let index = bundle.index(.labels)
        bundle.contents[index][bundle.contents[index].count - 1] = 65
      }
    ),
    (
      "section LABELS: a string is not UTF-8",
      { bundle in
        let index = bundle.index(.labels)
        bundle.contents[index][bundle.contents[index].count - 2] = 0xFF
      }
    ),
    ("section LABELS: a string lies outside", { $0.edit(.labels, UInt32.self, 4) { $0 = 1000 } }),
    ("section METADATA: is too short", { $0.edit(.metadata, cnnb_strings.self, 0) { $0.count = 3 } }),
    (
      "section SELF_TEST: has not one tensor per input",
      { $0.edit(.selfTest, cnnb_self_test.self, 0) { $0.input_count = 2 } }
    ),
    ("section SELF_TEST: is too short", { $0.contents[$0.index(.selfTest)].removeLast() }),
    ("self-test: the tolerance is nan", { $0.edit(.selfTest, cnnb_self_test.self, 0) { $0.tolerance = .nan } }),
    ("header: the flags in the header are not those of the graph", { $0.header.flags = 0 }),
    ("header: has unknown flags", { $0.header.flags |= 0x100 }),
    ("header: has format version 2.0", { $0.header.version_major = 2 }),
    (
      "the bundle has no section GRAPH",
      { bundle in
        let index = bundle.index(.graph)
        bundle.table.remove(at: index)
        bundle.contents.remove(at: index)
      }
    ),
  ]

  @Test func wholeBytesThatAreWrongAreNamed() throws {
    #expect(Self.complaint(try EditableBundle(Self.graph()).bytes()) == "")
    for (what, edit) in Self.wrongContents {
      var bundle = try EditableBundle(Self.graph())
      edit(&bundle)
      let complaint = Self.complaint(bundle.bytes())
      #expect(complaint.hasPrefix("model.cnn, ") || complaint.hasPrefix("model.cnn: "), "\(what)")
      #expect(complaint.contains(what))
    }
  }

  static let wrongTables: [(what: String, edit: @Sendable (inout [cnnb_section], inout cnnb_header) -> Void)] = [
    ("section GRAPH: is there twice", { table, _ in table[1].kind = table[0].kind }),
    ("section GRAPH: has the unknown codec 7", { table, _ in table[0].codec = 7 }),
    ("section GRAPH: lies outside the file", { table, _ in table[0].offset += 1 }),
    ("section GRAPH: lies outside the file", { table, _ in table[0].stored_bytes = .max }),
    ("section GRAPH: lies outside the file", { table, _ in table[0].offset = 1 << 63 }),
    ("section GRAPH: overlaps", { table, _ in table[0].offset = 0 }),
    ("section QUANTIZATION: overlaps", { table, _ in table[1].offset = table[0].offset }),
    ("section GRAPH: has the size", { table, _ in table[0].raw_bytes += 1 }),
    ("section GRAPH: is damaged", { table, _ in table[0].codec = 1 }),
    (
      "section GRAPH: is damaged",
      { table, _ in
        table[0].codec = 1
        table[0].raw_bytes = 1 << 40
      }
    ),
    ("section GRAPH: is damaged: its checksum is wrong", { table, _ in table[0].crc32 ^= 1 }),
    ("section GRAPH: has unknown flags", { table, _ in table[0].flags |= 4 }),
    ("section GRAPH: has unknown flags or reserved", { table, _ in table[0].reserved.3 = 1 }),
    (
      "section 99: is of a kind that this tool does not know",
      { table, _ in
        table[0].kind = 99
        table[0].flags = CNNB_SECTION_REQUIRED
      }
    ),
    ("section table: lies outside the file", { _, header in header.table_offset = .max }),
    ("section table: lies outside the file", { _, header in header.table_offset += 64 }),
    ("header: has unknown flags or reserved fields", { _, header in header.reserved.4 = 1 }),
    ("bytes but says", { _, header in header.file_bytes += 1 }),
  ]

  @Test func wrongTablesAreNamed() throws {
    let bundle = try EditableBundle(Self.graph())
    for (what, edit) in Self.wrongTables {
      #expect(Self.complaint(bundle.bytes(edit)).contains(what))
    }
  }

  @Test func unknownOptionalSectionsAreSkipped() throws {
    var bundle = try EditableBundle(Self.graph())
    let training = bundle.index(.training)
    bundle.table[training].kind = 99
    bundle.table[training].codec = 0
    let reader = try BundleReader(bundle.bytes())
    #expect(reader.sections.contains { $0.kind == nil && $0.name == "section of unknown kind 99" })
    var expected = try Self.graph()
    expected.trainingState = nil
    #expect(try reader.graph() == expected)
  }

  @Test func everyTruncationAndEveryFlippedByteIsNoticed() throws {
    let graph = try Self.graph()
    for codec in [SectionCodec.stored, .deflate] {
      let bytes = try BundleWriter(codec: codec).bytes(of: graph)
      for count in 0..<bytes.count { #expect(Self.complaint(Array(bytes.prefix(count))) != "") }
      // Only the padding between sections may change unseen: no checksum covers it.
      let reader = try BundleReader(bytes)
      let covered = reader.sections.map { $0.offset..<$0.offset + $0.storedBytes }
      let table = bytes.count - 64 * reader.sections.count
      for index in bytes.indices
      where index < 64 || index >= table || covered.contains(where: { $0.contains(index) }) {
        var damaged = bytes
        damaged[index] ^= 0x10
        // Deflate has bits that mean nothing; then the contents are whole.
        let isWhole = codec == .deflate && (try? BundleReader(damaged).graph()) == graph
        #expect(Self.complaint(damaged) != "" || isWhole, "byte \(index)")
      }
    }
    #expect(Self.complaint([]).contains("is not a bundle"))
    #expect(Self.complaint(Array("a text file".utf8)).contains("is not a bundle"))
  }

  /// A few random bytes of the sections changed.
  static func changed(_ bundle: EditableBundle, _ random: inout Random) -> EditableBundle {
    var changed = bundle
    for _ in 0...random.below(3) {
      let section = random.below(changed.contents.count)
      let place = random.below(changed.contents[section].count)
      let value = [0, 1, 0x7F, 0x80, 0xFF, UInt8(random.below(256))][random.below(6)]
      changed.contents[section][place] = value
    }
    return changed
  }

  /// Bytes that pass every checksum but mean something else: refused or taken, never a crash.
  @Test func randomContentsNeverCrash() throws {
    var random = Random(seed: 11)
    let bundle = try EditableBundle(Self.graph())
    var taken = 0
    for _ in 0..<20_000 {
      if Self.complaint(Self.changed(bundle, &random).bytes()) == "" { taken += 1 }
    }
    // Most of a weight's or a self-test's bytes may be anything.
    #expect(taken > 0)
  }
}
