import CNNModel
import CNNSupport
import Foundation
import Testing

@Suite struct ExportToolTests {
  private let tool = Tool(name: "cnn-export")

  /// A folder with an untrained model.cnn for images of 12×12 and a data set of such.
  private func withModel(_ network: String = "seed", _ body: (URL) throws -> Void) throws {
    try withTemporaryFolder { folder in
      var graph = try Zoo.make(network, classes: 10, input: ImageSize(height: 12, width: 12, channels: 1), seed: 5)
      graph.recipe = Recipe(width: 12, height: 12, channelOrder: .grey, mean: [0.4], deviation: [0.3])
      try BundleWriter().write(graph, to: folder.appending(path: "model.cnn").path)
      try FileManager.default.createDirectory(at: folder.appending(path: "data"), withIntermediateDirectories: true)
      var random = Random(seed: 9)
      for (kind, count) in [("train", 90), ("t10k", 40)] {
        let pixels = (0..<count * 144).map { _ in UInt8(random.below(256)) }
        try write(folder, "\(kind)-images-idx3-ubyte", [count, 12, 12], pixels)
        try write(folder, "\(kind)-labels-idx1-ubyte", [count], (0..<count).map { _ in UInt8(random.below(10)) })
      }
      try body(folder)
    }
  }

  private func write(_ folder: URL, _ name: String, _ shape: [Int], _ bytes: [UInt8]) throws {
    let sizes = shape.flatMap { size in (0..<4).map { UInt8(size >> (24 - 8 * $0) & 255) } }
    try Data([0, 0, 8, UInt8(shape.count)] + sizes + bytes).write(to: folder.appending(path: "data/\(name)"))
  }

  private func run(_ folder: URL, _ arguments: String...) throws -> Tool.Result {
    let result = try tool.run(arguments, in: folder)
    #expect(!result.crashed)
    return result
  }

  @Test func int8BundleAndItsReport() throws {
    try withModel { folder in
      let result = try run(
        folder, "model.cnn", "--int8", "--data", "data", "--out", "int8.cnn", "--json", "report.json", "--calibration",
        "50")
      #expect(result.exitCode == 0, "\(result.error)")
      let bytes = try Data(contentsOf: folder.appending(path: "int8.cnn"))
      let text = try Data(contentsOf: folder.appending(path: "report.json"))
      let report = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
      #expect(report["file_bytes"] as? Int == bytes.count)
      #expect(try #require(report["arena_bytes"] as? Int) > 0)
      for key in ["float_accuracy", "int8_accuracy"] {
        #expect((0...100).contains(try #require(report[key] as? Double)))
      }
      let layers = try #require(report["layers"] as? [[String: Any]])
      let graph = try Graph(bundleAt: folder.appending(path: "int8.cnn").path)
      #expect(graph.isQuantized)
      #expect(layers.map { $0["name"] as? String } == graph.operators.map(\.name))
      #expect(try layers.allSatisfy { try #require($0["sqnr_db"] as? Double) > 20 })
      for word in ["SQNR", "int8.cnn", "conv1"] { #expect(result.output.contains(word)) }
    }
  }

  /// Any bundle as it is; nothing is written where something else was meant.
  @Test func onnxModel() throws {
    try withModel { folder in
      let result = try run(folder, "model.cnn", "--onnx", "model.onnx")
      #expect(result.exitCode == 0 && result.output.contains("ONNX, float"), "\(result.error)")
      let back = try run(folder, "model.onnx", "--out", "back.cnn")
      #expect(back.exitCode == 0, "\(back.error)")
      let (before, after) = (
        try Graph(bundleAt: folder.appending(path: "model.cnn").path),
        try Graph(bundleAt: folder.appending(path: "back.cnn").path)
      )
      #expect(before.recipe == after.recipe && before.inputs.count == after.inputs.count)
      for wrong in [
        ["--float", "--onnx", "a.onnx"], ["--onnx", "a.onnx", "--out", "a.cnn"], ["--onnx", "model.cnn"],
      ] {
        let result = try tool.run(["model.cnn"] + wrong, in: folder)
        #expect(result.exitCode != 0 && !result.error.isEmpty && !result.crashed)
        #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "a.onnx").path))
      }
    }
  }

  /// Residuals, depthwise convolutions, ReLU6, dropout. The tool itself runs the self-test of what it writes.
  @Test(arguments: ["resnet8", "mobilenet_v2"]) func networksOfTheZoo(network: String) throws {
    try withModel(network) { folder in
      for type in ["int8", "float"] {
        let result = try run(
          folder, "model.cnn", "--\(type)", "--data", "data", "--out", "\(type).cnn", "--calibration", "20",
          "--no-test",
          "--quiet")
        #expect(result.exitCode == 0, "\(result.error)")
        let graph = try Graph(bundleAt: folder.appending(path: "\(type).cnn").path)
        #expect(graph.selfTest != nil && graph.isQuantized == (type == "int8") && !graph.isMixed)
        let kinds = Set(graph.operators.map(\.kind.name))
        #expect(kinds == ["Conv", "Add", "GlobalAveragePool", "Flatten", "Gemm", "Softmax"])
      }
    }
  }

  /// The images that training set aside are found again: its own accuracy comes out, to an image that rounding moved.
  @Test func validationImagesAreThoseOfTraining() throws {
    let bench = try TrainToolTests.Bench()
    try bench.train("run", "--epochs", "1", "--validation", "80", "--seed", "11")
    let result = try tool.run([
      bench.path("run/model.cnn"), "--float", "--data", bench.data, "--no-test", "--out", bench.path("float.cnn"),
      "--json", bench.path("report.json"),
    ])
    #expect(result.exitCode == 0, "\(result.error)")
    let report = try #require(try JSONSerialization.jsonObject(with: bench.bytes("report.json")) as? [String: Any])
    let trained = try #require(try bench.metrics("run").last?["validation_accuracy"] ?? nil)
    let found = try #require(report["float_validation_accuracy"] as? Double)
    #expect(abs(found - trained) <= 100 / 80 + 0.01)
    #expect(report["validation_images"] as? Int == 80)
  }

  @Test func floatWithoutData() throws {
    try withModel { folder in
      let result = try run(folder, "model.cnn", "--float", "--stored", "--out", "float.cnn", "--quiet")
      #expect(result.exitCode == 0 && result.output.isEmpty && result.error.isEmpty)
      let graph = try Graph(bundleAt: folder.appending(path: "float.cnn").path)
      #expect(!graph.isQuantized && graph.selfTest != nil)
    }
  }

  @Test func usageErrors() throws {
    try withModel { folder in
      let whole = ["model.cnn", "--int8", "--data", "data", "--out", "x.cnn"]
      let wrong = [["--calibration", "0"], ["--threads", "65"], ["--range", "best"]].map { whole + $0 }
      let incomplete = [
        ["model.cnn", "--int8", "--out", "x.cnn"], ["model.cnn", "--out", "x.cnn"], ["model.cnn", "--float"],
      ]
      for arguments in wrong + incomplete {
        let result = try tool.run(arguments, in: folder)
        #expect(result.exitCode == 64 && !result.crashed, "\(arguments)")
      }
    }
  }

  /// Each names what is wrong, exits 1, and leaves no file.
  @Test func failuresLeaveNothingBehind() throws {
    try withModel { folder in
      let before = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      let model = try Data(contentsOf: folder.appending(path: "model.cnn"))
      func fails(_ word: String, _ arguments: String...) throws {
        let result = try tool.run(arguments, in: folder)
        #expect(result.exitCode == 1 && !result.crashed && result.error.contains(word), "\(result.error)")
      }
      try fails("missing.cnn", "missing.cnn", "--float", "--out", "x.cnn")
      try fails("data/train", "data/train-labels-idx1-ubyte", "--float", "--out", "x.cnn")
      try fails("nowhere", "model.cnn", "--int8", "--data", "nowhere", "--out", "x.cnn")
      try fails("nowhere", "model.cnn", "--float", "--out", "nowhere/x.cnn")
      try fails("model.cnn", "model.cnn", "--float", "--out", "./model.cnn")
      #expect(try Data(contentsOf: folder.appending(path: "model.cnn")) == model)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == before)
    }
  }
}
