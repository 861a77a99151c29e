import CNNModel
import CNNRT
import Foundation
import Testing

/// cnnrt.hpp and cnnrt_train.hpp: the programs of Tests/Programs, compiled by whatever compilers are there, strictly.
struct CPlusPlusTests {
  struct Setting: CustomTestStringConvertible {
    var compiler: String
    var standard: String
    var flags: [String] = []
    var testDescription: String { ([compiler, standard] + flags).joined(separator: " ") }
  }

  /// Each compiler with each standard, and each of these with exceptions and without.
  static let settings = [
    Setting(compiler: "g++", standard: "c++17"), Setting(compiler: "g++", standard: "c++20", flags: silent),
    Setting(compiler: "clang++", standard: "c++17", flags: silent), Setting(compiler: "clang++", standard: "c++20"),
  ].filter { isInstalled($0.compiler) }
  static let silent = ["-fno-exceptions", "-fno-rtti"]

  @Test func aCompilerIsThere() { #expect(!Self.settings.isEmpty) }

  @Test(arguments: settings) func sessions(_ setting: Setting) throws {
    let program = try Executable(["wrapper", "returning"], setting)
    defer { program.remove() }
    try program.run(Self.bundles())
  }

  @Test(arguments: settings) func trainers(_ setting: Setting) throws {
    let program = try Executable(["trainer"], setting, library: "cnnrt-train")
    defer { program.remove() }
    try program.run([TrainerTests.graph(), Self.quantized()])
  }

  /// Memory, moves and threads under the compiler's own checks …
  @Test func sanitized() throws {
    let setting = Setting(
      compiler: "g++", standard: "c++17", flags: ["-fsanitize=address,undefined", "-fno-sanitize-recover"])
    try #require(Self.isInstalled(setting.compiler))
    let program = try Executable(["wrapper", "returning"], setting)
    defer { program.remove() }
    try program.run(Self.bundles())
  }

  /// … and valgrind's, which see into the library as well.
  @Test(.enabled(if: isInstalled("valgrind")), arguments: ["wrapper", "trainer"]) func valgrind(name: String) throws {
    let isTrainer = name == "trainer"
    let program = try Executable(
      isTrainer ? [name] : [name, "returning"], Setting(compiler: "g++", standard: "c++17"),
      library: isTrainer ? "cnnrt-train" : "cnnrt")
    defer { program.remove() }
    try program.run(
      isTrainer ? [TrainerTests.graph(), Self.quantized()] : Self.bundles(),
      under: ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full"])
  }

  // MARK: Bundles

  /// A classifier with all that a bundle can carry, several inputs and outputs, and a quantized one.
  static func bundles() throws -> [Graph] {
    var classifier = try SessionTests.seed()
    classifier.metadata = ["key": "value", "other": ""]
    let image = (0..<784).map { Float($0 % 13) / 13 }
    let session = try Session(SessionTests.open(classifier))
    try session.setInput(image.span)
    try session.run()
    classifier.selfTest = SelfTest(
      inputs: [.float32(image)], outputs: [.float32(try session.output())], tolerance: 1e-5)
    return [classifier, try SessionTests.two(), quantized()]
  }

  /// y = relu(x), stored as uint8.
  static func quantized() -> Graph {
    var graph = Graph()
    for name in ["x", "y"] {
      graph.tensors[name] = Tensor(.uint8, shape: [1, 2, 3, 4], quantization: .init(scale: 0.5, zeroPoint: 10))
    }
    graph.inputs = ["x"]
    graph.operators = [Operator("y", .relu, inputs: ["x"], outputs: ["y"])]
    graph.outputs = ["y"]
    return graph
  }

  static func isInstalled(_ program: String) -> Bool {
    (try? execute(["which", program]).status) == 0
  }
}

/// A C++ program and its folder.
private struct Executable {
  let folder: URL
  let path: URL

  init(_ sources: [String], _ setting: CPlusPlusTests.Setting, library: String = "cnnrt") throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "..")
    let libraries = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
      .deletingLastPathComponent().path
    folder = FileManager.default.temporaryDirectory.appending(path: "cnnrt-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.appending(path: sources[0])
    let result = try execute(
      [setting.compiler, "-std=\(setting.standard)", "-g", "-pthread", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        + setting.flags + ["-I", tests.appending(path: "../Include").path]
        + sources.map { tests.appending(path: "Programs/\($0).cpp").path }
        + ["-o", path.path, "-L", libraries, "-l\(library)", "-Wl,-rpath,\(libraries)"])
    try #require(result.status == 0, "\(result.text)")
  }

  /// Runs it on bundles; it must be satisfied.
  func run(_ graphs: [Graph], under checker: [String] = []) throws {
    let paths = try graphs.enumerated().map { index, graph in
      let bundle = folder.appending(path: "\(index).cnn").path
      try BundleWriter().write(graph, to: bundle)
      return bundle
    }
    let result = try execute(checker + [path.path] + paths)
    #expect(result.status == 0 && result.text == "all right\n", "\(result.text)")
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }
}

/// Runs a command found in PATH; what it printed and its status, negative for a signal.
private func execute(_ command: [String]) throws -> (text: String, status: Int32) {
  let process = Process(), pipe = Pipe()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = command
  process.standardOutput = pipe
  process.standardError = pipe
  try process.run()
  let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  return (text, process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus)
}
