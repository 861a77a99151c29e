import Foundation
import Testing

/// Runs `kernel-check`, which compares the kernels of one instruction set with the naive reference on random shapes.
struct KernelTests {
  static let program = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "kernel-check")

  /// Both standard output and error, and the exit status.
  static func check(_ isa: String, seed: Int, cases: Int, emulator: [String] = []) throws -> (
    text: String, status: Int32
  ) {
    let command = emulator + [program.path, isa, String(seed), String(cases)]
    let process = Process(), pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (text, process.terminationStatus)
  }

  /// The digest of each operator's exact results; every operator's line must be there.
  static func digests(_ isa: String, seed: Int, cases: Int, emulator: [String] = []) throws -> [String] {
    let result = try check(isa, seed: seed, cases: cases, emulator: emulator)
    #expect(result.status == 0, "\(result.text)")
    let lines = result.text.split(separator: "\n").filter { $0.contains(" \(isa): \(cases) cases ") }
    #expect(lines.count == 45, "one line for each kernel of the table: \(result.text)")
    return lines.filter { $0.contains(" equal, digest ") }.map { String($0.replacing(" \(isa):", with: "")) }
  }

  #if arch(arm64)
    static let isas = ["neon", "neon-dotprod", "portable512"]
  #else
    static let isas = ["baseline", "avx2", "avx512", "avx512vnni", "portable512"]
  #endif

  /// Each against the reference, and to the bit against each other.
  @Test func equalsReference() throws {
    var all: [[String]] = []
    for isa in Self.isas {
      if try Self.check(isa, seed: 0, cases: 0).text.contains("this processor lacks") { continue }
      all.append(try Self.digests(isa, seed: 1, cases: 800))
    }
    #expect(all.count >= 2)
    #expect(all.allSatisfy { $0 == all[0] })
  }

  @Test func refusesUnknownInstructionSet() throws {
    #expect(try Self.check("mmx", seed: 1, cases: 1).status == 2)
  }

  #if arch(x86_64)
    /// Processors that lack what newer ones have: an instruction too many would end the program.
    @Test(
      .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-x86_64")),
      arguments: [("Nehalem", "baseline"), ("Haswell", "avx2")])
    func equalsReferenceOnOlderProcessor(processor: String, isa: String) throws {
      _ = try Self.digests(isa, seed: 2, cases: 40, emulator: ["qemu-x86_64", "-cpu", processor])
    }
  #endif
}
