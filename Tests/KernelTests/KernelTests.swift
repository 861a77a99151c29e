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
    for kernel in try kernels() {
      #expect(lines.contains { $0.hasPrefix("\(kernel) ") }, "\(kernel) is not checked: \(result.text)")
    }
    return lines.filter { $0.contains(" equal, digest ") }.map { String($0.replacing(" \(isa):", with: "")) }
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..")
  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  /// The names in the table of kernels.
  static func kernels() throws -> [String] {
    let header = try text("Sources/Runtime/C/CKernels/include/CKernels.h")
    let names = header.split(separator: "\n").filter { $0.hasPrefix("  cnn_kernel ") }
      .flatMap { $0.dropFirst(13).prefix { $0 != ";" }.split(separator: ", ").map(String.init) }
    #expect(names.count > 30 && names.contains("conv_f32") && names.contains("export_plain"))
    return names
  }

  /// Every kernel and every operator of the bundle is in the committed table, with all instruction sets.
  @Test func conformanceTableIsWhole() throws {
    let rows = try Self.text("Documentation/CONFORMANCE.md").split(separator: "\n")
      .filter { $0.contains(" | float32 | ") || $0.contains(" | int8 | ") }
      .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    #expect(rows.allSatisfy { $0.count == 9 })
    for row in rows {
      for cell in row.dropFirst(3) {
        let cases = cell.split(separator: ", ").last.flatMap { Int($0) } ?? 0
        #expect(cases > 0, "\(row[0]), \(row[1]): \(cell)")
      }
      if row[1] == "int8" { #expect(row.dropFirst(3).allSatisfy { $0.hasPrefix("exact, ") }, "\(row)") }
    }
    let checked = Set(rows.flatMap { $0[2].split(separator: ", ").map { String($0.prefix { $0 != " " }) } })
    for kernel in try Self.kernels() { #expect(checked.contains(kernel), "\(kernel) is in no row") }
    let operators = Set(rows.map { $0[0].uppercased() })
    let header = try Self.text("Include/cnnrt_bundle.h")
    let kinds = header.matches(of: /CNNB_OP_([A-Z_]+) *= *[0-9]+/).map { String($0.1).replacing("_", with: "") }
    #expect(kinds.count >= 43)
    for kind in kinds { #expect(operators.contains(kind), "\(kind) has no row") }
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
      all.append(try Self.digests(isa, seed: 1, cases: 400))
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
