import Foundation
import Testing

/// Runs the tools that were built beside the tests.
struct Tool {
  let name: String

  struct Result {
    var exitCode: Int32
    var output: String
    var error: String
    /// Ended by a signal: never allowed, whatever the input.
    var crashed: Bool
  }

  /// The folder of the tools: that of the test program.
  static let folder: URL = {
    var folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    if !FileManager.default.fileExists(atPath: folder.appending(path: "cnn-infer").path) {
      folder = projectRoot.appending(path: ".build/release")
    }
    return folder
  }()

  static let projectRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// - Parameters:
  ///   - directory: the working directory; a temporary folder unless given
  ///   - environment: added to this process's own
  ///   - input: what the tool reads from standard input
  ///   - shell: a command of sh that starts the tool, "$0", with its arguments, "$@"
  func run(
    _ arguments: [String], in directory: URL? = nil, environment: [String: String] = [:], input: Data = Data(),
    shell: String? = nil
  ) throws -> Result {
    try withTemporaryFolder { scratch in
      let process = Process()
      let tool = Self.folder.appending(path: name)
      process.executableURL = shell == nil ? tool : URL(fileURLWithPath: "/bin/sh")
      process.arguments = (shell.map { ["-c", $0, tool.path] } ?? []) + arguments
      process.currentDirectoryURL = directory ?? scratch
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      let given = scratch.appending(path: "stdin")
      try input.write(to: given)
      process.standardInput = try FileHandle(forReadingFrom: given)
      // Files, not pipes: a tool that prints a lot must not wait for us.
      let output = scratch.appending(path: "stdout")
      let error = scratch.appending(path: "stderr")
      process.standardOutput = try emptyFile(output)
      process.standardError = try emptyFile(error)
      try process.run()
      process.waitUntilExit()
      return Result(
        exitCode: process.terminationStatus, output: try text(output), error: try text(error),
        crashed: process.terminationReason == .uncaughtSignal)
    }
  }

  private func emptyFile(_ url: URL) throws -> FileHandle {
    try Data().write(to: url)
    return try FileHandle(forWritingTo: url)
  }

  private func text(_ url: URL) throws -> String { String(decoding: try Data(contentsOf: url), as: UTF8.self) }
}

/// Calls `body` with a folder of its own, which is removed afterwards.
func withTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: "cnn-tests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder)
}
