import ArgumentParser

@main
struct CNNBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cnn-bench",
    abstract: "Measures a bundle on this machine: latency, time of each layer, memory, load time.",
    discussion: "Times are those of the monotonic clock. Keep the machine idle: p99 shows what disturbed it.")

  @Argument(help: "The bundle.", completion: .file(extensions: ["cnn"]))
  var bundle: String

  @Option(help: "Threads that compute, 1 to 64.")
  var threads = 1

  @Option(help: "How long to measure; loading, warm-up and layers take as long again.")
  var seconds = 2.0

  @Option(help: "Instruction set: baseline, avx2, avx512, avx512vnni, neon, neon-dotprod. (default: the best)")
  var isa: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    guard 1...64 ~= threads else { throw ValidationError("--threads must be 1 to 64") }
    guard 0.01...3600 ~= seconds else { throw ValidationError("--seconds must be 0.01 to 3600") }
  }

  func run() throws {
    let benchmark = try Benchmark(path: bundle, isa: isa, threads: threads, seconds: seconds)
    print(json ? benchmark.json(bundle: bundle).text : benchmark.text(bundle: bundle))
  }
}
