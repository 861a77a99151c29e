import CNNONNX
import CNNSupport
import Foundation
import Testing

struct ReadingTests {
  private func error(_ bytes: [UInt8], folder: String? = nil) throws -> String {
    try #require(throws: CNNError.self) { _ = try ONNXGraph(bytes: bytes, folder: folder) }.description
  }

  // MARK: Models

  @Test func aModelIsRead() throws {
    let graph = try ONNXGraph(
      bytes: Wire.model(
        [
          .node("Relu", ["x"], ["a"]), .node("Add", ["a", "w"], ["b"], name: "sum"),
          .node("LRN", ["b"], ["y"], attributes: [.attribute("size", int: 3), .attribute("alpha", float: 0.5)]),
        ],
        constants: [.tensor("w", .float, [4]).bytes(9, [UInt8](repeating: 0, count: 16))],
        opsets: [.opset(18, "ai.onnx"), .opset(1, "com.microsoft")], inputs: [.value("x"), .value("w", .float, ["4"])]))
    #expect(graph.name == "net")
    #expect(graph.metadata["producer"] == "tests 1.0")
    #expect(graph.metadata["author"] == "me")
    // An initialiser that is listed as an input is none.
    #expect(graph.inputs == [.init(name: "x", type: .float, shape: [.symbol("n"), .size(4)])])
    #expect(graph.constants == ["w": ONNXTensor(shape: [4], floats: [0, 0, 0, 0])])
    #expect(graph.nodes.map(\.name) == ["Relu:a", "sum", "LRN:y"])
    #expect(graph.nodes.map(\.opset) == [18, 18, 18])
    #expect(graph.nodes[2].attributes == ["size": .int(3), "alpha": .float(0.5)])
  }

  @Test func nodesAreSorted() throws {
    let graph = try ONNXGraph(
      bytes: Wire.model([.node("Relu", ["b"], ["y"]), .node("Neg", ["x"], ["a"]), .node("Exp", ["a"], ["b"])]))
    #expect(graph.nodes.map(\.op) == ["Neg", "Exp", "Relu"])
  }

  @Test func subgraphsAreNamed() throws {
    let branch = Wire().text(1, "then_branch").message(6, Wire()).int(20, 5)
    let graph = try ONNXGraph(bytes: Wire.model([.node("If", ["x"], ["y"], attributes: [branch])]))
    #expect(graph.nodes[0].attributes == ["then_branch": .other("a subgraph")])
  }

  @Test func wrongModelsAreErrors() throws {
    let relu = Wire.node("Relu", ["x"], ["y"])
    #expect(try error(Array("no model at all".utf8)).contains("not an ONNX model"))
    #expect(try error([]).contains("not an ONNX model"))
    #expect(try error(Wire.model([relu], opsets: [])).contains("opset_import"))
    #expect(try error(Wire.model([.node("Relu", ["z"], ["y"])])).contains("“z”, which nothing writes"))
    #expect(try error(Wire.model([relu, relu])).contains("its output “y”"))
    #expect(try error(Wire.model([.node("Relu", ["x"], ["x"])])).contains("its output “x”"))
    #expect(try error(Wire.model([relu], inputs: [.value("x"), .value("x")])).contains("input “x”"))
    #expect(try error(Wire.model([relu], outputs: [.value("z")])).contains("output “z”"))
    #expect(
      try error(
        Wire.model([.node("Add", ["x", "b"], ["a"]), .node("Relu", ["a"], ["b"]), .node("Neg", ["b"], ["y"])])
      )
      .contains("a cycle"))
  }

  // MARK: Functions

  /// y = f(f(x)) with f(x) = alpha · x through a function inside, and alpha given or by default.
  @Test func functionsAreInlined() throws {
    let inner = Wire.function(
      "scale", ["a"], ["b"],
      [.node("Elu", ["a"], ["b"], attributes: [.attribute("alpha", reference: "factor", kind: 1)])],
      attributes: ["factor"])
    let outer = Wire.function(
      "twice", ["a"], ["b", "same"],
      [
        .node("scale", ["a"], ["m"], domain: "local", attributes: [.attribute("factor", reference: "alpha", kind: 1)]),
        .node("Neg", ["m"], ["b"]),
        .node("Identity", ["a"], ["same"]),
      ], defaults: [.attribute("alpha", float: 7)])
    let graph = try ONNXGraph(
      bytes: Wire.model(
        [
          .node("twice", ["x"], ["m"], name: "one", domain: "local", attributes: [.attribute("alpha", float: 3)]),
          .node("twice", ["m"], ["y", "again"], domain: "local"),
        ], functions: [outer, inner], outputs: [.value("y"), .value("again")]))
    #expect(graph.nodes.map(\.op) == ["Elu", "Neg", "Identity", "Elu", "Neg", "Identity"])
    #expect(graph.nodes.filter { $0.op == "Elu" }.map { $0.float("alpha") } == [3, 7])
    #expect(graph.nodes[0].inputs == ["x"])
    #expect(graph.nodes[1].outputs == ["m"])
    #expect(graph.nodes[5].outputs == ["again"])
    #expect(Set(graph.nodes.map(\.name)).count == 6)
    #expect(graph.nodes[0].opset == 18)
  }

  @Test func functionsThatDoNotEndAreErrors() throws {
    let call = { (name: String) in Wire.node(name, ["a"], ["b"], domain: "local") }
    let first = Wire.function("f", ["a"], ["b"], [call("g")])
    let second = Wire.function("g", ["a"], ["b"], [call("f")])
    let start = Wire.node("f", ["x"], ["y"], domain: "local")
    #expect(try error(Wire.model([start], functions: [first, second])).contains("calls itself"))
    // Each calls the one below it twice.
    let doubling = (0..<64).map { level in
      Wire.function(
        "f\(level)", ["a"], ["b"], [call("f\(level + 1)"), Wire.node("f\(level + 1)", ["b"], ["c"], domain: "local")])
    }
    let many = Wire.node("f0", ["x"], ["y"], domain: "local")
    #expect(try error(Wire.model([many], functions: doubling)).contains("too often"))
    #expect(
      try error(Wire.model([.node("g", ["x", "x"], ["y"], domain: "local")], functions: [second]))
        .contains("2 inputs"))
  }

  // MARK: Tensors

  private func raw<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  @Test func everyEncodingIsRead() throws {
    let signed: [Int64] = [-3, 0, 100]
    let cases: [(ONNXTypeCode, Wire, ONNXTensor)] = [
      (.float, Wire().float(4, 1.5).float(4, -2), ONNXTensor(shape: [2], floats: [1.5, -2])),
      (.float, Wire().bytes(9, raw([1.5, -2] as [Float])), ONNXTensor(shape: [2], floats: [1.5, -2])),
      (.double, Wire().double(10, 0.1).double(10, 3), ONNXTensor(shape: [2], floats: [0.1, 3])),
      (.double, Wire().bytes(9, raw([0.1, 3])), ONNXTensor(shape: [2], floats: [0.1, 3])),
      // 0x3C00 is 1 in float16, 0xC000 is −2; 0x3F80 is 1 in bfloat16, 0xC000 is −2.
      (.float16, Wire().int(5, 0x3C00).int(5, 0xC000), ONNXTensor(shape: [2], floats: [1, -2])),
      (.float16, Wire().bytes(9, [0x00, 0x3C, 0x00, 0xC0]), ONNXTensor(shape: [2], floats: [1, -2])),
      (.bfloat16, Wire().int(5, 0x3F80).int(5, 0xC000), ONNXTensor(shape: [2], floats: [1, -2])),
      (.bfloat16, Wire().bytes(9, [0x80, 0x3F, 0x00, 0xC0]), ONNXTensor(shape: [2], floats: [1, -2])),
      (.int8, Wire().ints(5, [-3, 0, 100]), ONNXTensor(.int8, shape: [3], integers: signed)),
      (.int8, Wire().bytes(9, raw([-3, 0, 100] as [Int8])), ONNXTensor(.int8, shape: [3], integers: signed)),
      (.int16, Wire().ints(5, [-3, 0, 100]), ONNXTensor(.int16, shape: [3], integers: signed)),
      (.int16, Wire().bytes(9, raw([-3, 0, 100] as [Int16])), ONNXTensor(.int16, shape: [3], integers: signed)),
      (.int32, Wire().ints(5, [-3, 0, 100]), ONNXTensor(.int32, shape: [3], integers: signed)),
      (.int32, Wire().bytes(9, raw([-3, 0, 100] as [Int32])), ONNXTensor(.int32, shape: [3], integers: signed)),
      (.int64, Wire().ints(7, [-3, 0, 100]), ONNXTensor(.int64, shape: [3], integers: signed)),
      (.int64, Wire().bytes(9, raw(signed)), ONNXTensor(.int64, shape: [3], integers: signed)),
      (.uint8, Wire().ints(5, [0, 255]), ONNXTensor(.uint8, shape: [2], integers: [0, 255])),
      (.uint8, Wire().bytes(9, [0, 255]), ONNXTensor(.uint8, shape: [2], integers: [0, 255])),
      (.uint16, Wire().bytes(9, [0, 0, 255, 255]), ONNXTensor(.uint16, shape: [2], integers: [0, 65535])),
      (.uint32, Wire().ints(11, [1, 4_294_967_295]), ONNXTensor(.uint32, shape: [2], integers: [1, 4_294_967_295])),
      (
        .uint32, Wire().bytes(9, raw([1, .max] as [UInt32])),
        ONNXTensor(.uint32, shape: [2], integers: [1, 4_294_967_295])
      ),
      (.uint64, Wire().ints(11, [1, -1]), ONNXTensor(.uint64, shape: [2], integers: [1, -1])),
      (.bool, Wire().ints(5, [0, 1]), ONNXTensor(.bool, shape: [2], integers: [0, 1])),
      (.bool, Wire().bytes(9, [0, 7]), ONNXTensor(.bool, shape: [2], integers: [0, 1])),
      (.float, Wire().float(4, 3), ONNXTensor(shape: [], floats: [3])),
    ]
    for (type, data, expected) in cases {
      let bytes = Wire.tensor("t", type, expected.shape).bytes + data.bytes
      #expect(try ONNXTensor(protobuf: bytes) == expected, "\(type)")
      #expect(try ONNXTensor(protobuf: expected.bytes()) == expected)
    }
    let strings = try ONNXTensor(protobuf: Wire.tensor("t", .string, [2]).text(6, "a").text(6, "ü").bytes)
    #expect(strings.values == .strings(["a", "ü"]))
    #expect(try ONNXTensor(protobuf: strings.bytes()) == strings)
  }

  /// Several to a byte, the first in the lowest bits, in raw_data and in int32_data.
  @Test func smallIntegersAreRead() throws {
    let cases: [(ONNXTypeCode, ONNXType, [UInt8], [Int64])] = [
      (.uint4, .uint4, [0x10, 0xF7, 0x05], [0, 1, 7, 15, 5]), (.int4, .int4, [0x17, 0x8F, 0x05], [7, 1, -1, -8, 5]),
      (.uint2, .uint2, [0b11_10_01_00, 0b10], [0, 1, 2, 3, 2]),
      (.int2, .int2, [0b11_10_01_00, 0b10], [0, 1, -2, -1, -2]),
    ]
    for (code, type, bytes, integers) in cases {
      let expected = ONNXTensor(type, shape: [5], integers: integers)
      let tensor = Wire.tensor("t", code, [5]).bytes
      #expect(try ONNXTensor(protobuf: tensor + Wire().bytes(9, bytes).bytes) == expected)
      #expect(try ONNXTensor(protobuf: tensor + Wire().ints(5, bytes.map { Int($0) }).bytes) == expected)
      #expect(try ONNXTensor(protobuf: expected.bytes()) == expected)
      #expect(throws: CNNError.self) { try ONNXTensor(protobuf: tensor + Wire().bytes(9, bytes.dropLast()).bytes) }
      #expect(throws: CNNError.self) { try ONNXTensor(protobuf: tensor + Wire().bytes(9, bytes + [0]).bytes) }
    }
  }

  /// Of the specifications: the smallest, 1, the largest, what is beyond it.
  @Test func smallFloatsAreRead() throws {
    let nan = Float.nan
    let cases: [(ONNXTypeCode, [UInt8], [Float])] = [
      (.float8e4m3fn, [0x01, 0x08, 0x38, 0xB8, 0x7E, 0x7F, 0x80], [0x1p-9, 0x1p-6, 1, -1, 448, nan, -0.0]),
      (.float8e4m3fnuz, [0x01, 0x40, 0xC0, 0x7F, 0xFF, 0x80], [0x1p-10, 1, -1, 240, -240, nan]),
      (.float8e5m2, [0x01, 0x3C, 0x7B, 0x7C, 0xFC, 0x7D], [0x1p-16, 1, 57344, .infinity, -.infinity, nan]),
      (.float8e5m2fnuz, [0x01, 0x40, 0x7F, 0x80], [0x1p-17, 1, 57344, nan]),
      (.float8e8m0, [0, 127, 130, 254, 255], [0x1p-127, 1, 8, 0x1p127, nan]),
      (.float4e2m1, [0x10, 0x32, 0x54, 0x76, 0xF9], [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -6]),
    ]
    for (code, bytes, expected) in cases {
      let tensor = try ONNXTensor(protobuf: (Wire.tensor("t", code, [expected.count]).bytes(9, bytes)).bytes)
      let values = try #require(tensor.floats)
      #expect(values.map(\.bitPattern) == expected.map(\.bitPattern), "\(code)")
      // They stay apart from floats that can be computed with.
      #expect(tensor.type.name == "\(code)")
      #expect(try ONNXTensor(protobuf: tensor.bytes()).type == .float)
    }
  }

  @Test func wrongTensorsAreErrorsThatNameThem() throws {
    func error(_ tensor: Wire) throws -> String {
      try self.error(Wire.model([.node("Relu", ["x"], ["y"])], constants: [tensor]))
    }
    let data = [UInt8](repeating: 0, count: 8)
    for (tensor, words) in [
      (Wire.tensor("w", .float, [3]).bytes(9, data), "has 3 elements, but the file holds 2"),
      (.tensor("w", .float, [2]), "the file holds 0"),
      (.tensor("w", .float, [-2]).bytes(9, data), "negative size"),
      (.tensor("w", .float, [1 << 40, 1 << 40]).bytes(9, data), "too many elements"),
      (.tensor("w", .float, [0, 1 << 40]), "too large"),
      (.tensor("w", .float, [2]).bytes(9, Array(data.dropLast())), "not a whole number"),
      (.tensor("w", .complex64, [1]).bytes(9, data), "element type 14"),
      (.tensor("w", .string, [1]).bytes(9, data), "strings as raw data"),
    ] {
      let message = try error(tensor)
      #expect(message.contains("initialiser “w”") && message.contains(words), "\(message)")
    }
    #expect(try error(.tensor("", .float, [])).contains("no name"))
    let w = Wire.tensor("w", .float, [2]).bytes(9, data)
    #expect(
      try self.error(Wire.model([.node("Relu", ["x"], ["y"])], constants: [w, w])).contains("two of that name"))
  }

  // MARK: External data

  private func external(_ location: String, offset: Int? = nil, length: Int? = nil, count: Int = 2) -> [UInt8] {
    func entry(_ key: String, _ value: String) -> Wire { Wire().text(1, key).text(2, value) }
    let entries =
      [entry("location", location)] + (offset.map { [entry("offset", "\($0)")] } ?? [])
      + (length.map { [entry("length", "\($0)")] } ?? [])
    let tensor = Wire.tensor("w", .float, [count]).messages(13, entries).int(14, 1)
    return Wire.model([.node("Add", ["x", "w"], ["y"])], constants: [tensor])
  }

  @Test func externalDataIsReadFromTheFolder() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cnn-onnx-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try AtomicFile.write(raw([1, 2, 3, 4] as [Float]), to: "\(folder)/weights.bin")
    try AtomicFile.write(external("weights.bin", offset: 4, length: 8), to: "\(folder)/model.onnx")
    #expect(try ONNXGraph(contentsOf: "\(folder)/model.onnx").constants["w"]?.floats == [2, 3])
    #expect(
      try ONNXGraph(bytes: external("weights.bin", offset: 8), folder: folder + "/").constants["w"]?.floats == [3, 4])
    for (bytes, words) in [
      (external("weights.bin", offset: 12), "too short"), (external("weights.bin", offset: .max), "too short"),
      (external("weights.bin", length: 12), "has 12 bytes"), (external("weights.bin", offset: -4), "not a size"),
      (external("other.bin"), "cannot open"), (external("../weights.bin"), "outside the model's folder"),
      (external("a/../../weights.bin"), "outside the model's folder"),
      (external("/etc/passwd"), "outside the model's folder"),
      (external(""), "outside the model's folder"), (external("."), "too short"),
    ] {
      let message = try error(bytes, folder: folder + "/")
      #expect(message.contains("initialiser “w”") && message.contains(words), "\(message)")
    }
    #expect(try error(external("weights.bin")).contains("another file"))
  }

  // MARK: Damage

  /// A model with a byte or a few changed is read or refused, and so is what comes of it; nothing crashes.
  @Test func damagedModelsDoNotCrash() throws {
    let names = NodeVectors.list(NodeVectors.folder).filter {
      ["slice", "reshape", "resize", "softmax_axis", "pad", "split", "gather", "layer_normalization_2d_axis1_expanded"]
        .contains(where: $0.contains)
    }
    var models = [external("x"), Wire.model([.node("Dropout", ["x"], ["y"])], opsets: [.opset(6)])]
    for name in names { models.append(try readFile("\(NodeVectors.folder)/\(name)/model.onnx")) }
    var random = CNNSupport.Random(seed: 7)
    var refused = 0
    for round in 0..<6000 {
      var bytes = models[round % models.count]
      for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      do {
        var graph = try ONNXGraph(bytes: bytes)
        try graph.upgradeOpset()
        for pass in ONNXPass.all { _ = try pass.rewrite(&graph) }
      } catch {
        refused += 1
      }
    }
    #expect(refused > 300)
  }
}
