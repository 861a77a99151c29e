import CNNModel
import Foundation
import Testing

/// A C program of Tests/Programs, compiled against the public headers and the library, run as a process of its own.
struct Program {
  let path: URL

  init(_ name: String) throws {
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let include = here.appending(path: "../../Include").path
    path = try Self.folder().appending(path: name)
    let result = try Self.run(
      URL(fileURLWithPath: "/usr/bin/env"),
      [
        "clang", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-I", include,
        here.appending(path: "../Programs/\(name).c").path, "-o", path.path, "-L", Library.directory.path, "-lcnnrt",
        "-lz",
        "-Wl,-rpath,\(Library.directory.path)",
      ])
    try #require(result.status == 0, "\(result.text)")
  }

  /// A new folder for a test's files.
  static func folder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cnnrt-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  func remove() { try? FileManager.default.removeItem(at: path.deletingLastPathComponent()) }

  /// Runs it on a bundle; what it printed. It must end with status 0, not by a signal.
  func run(_ graph: Graph, _ arguments: String..., codec: SectionCodec = .stored) throws -> String {
    let bundle = path.appendingPathExtension("cnn")
    try BundleWriter(codec: codec).write(graph, to: bundle.path)
    let result = try Self.run(path, [bundle.path] + arguments)
    #expect(result.status == 0, "\(path.lastPathComponent): \(result.text)")
    return result.text
  }

  private static func run(_ program: URL, _ arguments: [String]) throws -> (text: String, status: Int32) {
    let process = Process(), pipe = Pipe()
    process.executableURL = program
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    // A signal's number is not an exit status; neither is 0.
    return (text, process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus)
  }
}

struct ProgramTests {
  @Test(arguments: [false, true]) func runsAllocateNothing(quantized: Bool) throws {
    let program = try Program("allocations")
    defer { program.remove() }
    var graphs = RandomGraphs(seed: 3, quantized: quantized)
    let words = try program.run(graphs.withRecipe()).split(separator: " ").map(String.init)
    #expect(words.count == 4 && Int(words[1])! > 3, "it counts: \(words)")
    #expect(words.last == "0\n", "\(words)")
  }

  @Test(arguments: [false, true]) func anyFloatingPointEnvironment(quantized: Bool) throws {
    let program = try Program("environment")
    defer { program.remove() }
    var graphs = RandomGraphs(seed: 4, quantized: quantized)
    #expect(try program.run(graphs.withRecipe()) == "same\n")
  }

  @Test func childrenOfFork() throws {
    let program = try Program("fork")
    defer { program.remove() }
    var graphs = RandomGraphs(seed: 5, quantized: true)
    #expect(try program.run(graphs.large()) == "same\n")
  }

  @Test(arguments: [false, true]) func damagedBundles(quantized: Bool) throws {
    let program = try Program("damage")
    defer { program.remove() }
    var graphs = RandomGraphs(seed: 6, quantized: quantized)
    for round in 0..<4 {
      let graph = try graphs.decorated()
      let text = try program.run(graph, "\(round)", "5000")
      let numbers = text.split { !$0.isNumber }.compactMap { Int($0) }
      // Some changes do no harm, some do: both paths were taken.
      try #require(numbers.count == 5, "\(text)")
      #expect(numbers[0] > 100 && numbers[1] > 100 && numbers[2] > 100, "\(text)")
    }
    _ = try program.run(graphs.decorated(), "9", "0", codec: .deflate)
  }
}
