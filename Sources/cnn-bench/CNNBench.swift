import ArgumentParser
import CNNModel
import CNNQuantize
import CNNSupport
import Foundation

extension ImageSize: ExpressibleByArgument {
  public init?(argument: String) { try? self.init(argument) }
}

@main
struct CNNBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cnn-bench",
    abstract: "Measures a network on this machine: latency, time of each layer, memory, load time.",
    usage: """
      cnn-bench model.cnn [options]
      cnn-bench --zoo resnet18 --input 224x224x3 --int8 [--classes 1000] [--width 0.5] [options]
      """,
    discussion: """
      With --zoo there is no bundle yet: the network is made with random weights, normalised and calibrated on random \
      images, to size a board before anything is trained. The same seed gives the same network.

      Times are those of the monotonic clock. Keep the machine idle: p99 shows what disturbed it.
      """)

  @Argument(help: "The bundle.", completion: .file(extensions: ["cnn"]))
  var bundle: String?

  @Option(help: "Instead of a bundle, a network: \(Zoo.names.joined(separator: ", ")).")
  var zoo: String?

  @Option(help: "With --zoo: height, width and channels of the image, as 224x224x3.")
  var input: ImageSize?

  @Flag(help: "With --zoo: int8 weights and uint8 activations, instead of float32.")
  var int8 = false

  @Option(help: "With --zoo: classes.")
  var classes = 1000

  @Option(help: "With --zoo: multiplies the channels of the networks that have a width.")
  var width = 1.0

  @Option(help: "With --zoo: of the weights and images.")
  var seed: UInt64 = 0

  @Option(help: "With --zoo: write the bundle, too.", completion: .file(extensions: ["cnn"]))
  var save: String?

  @Option(help: "Threads that compute, 1 to 64.")
  var threads = 1

  @Option(help: "Images per run, 1 to 1024.")
  var batch = 1

  @Option(help: "How long to measure; loading, warm-up and layers take as long again.")
  var seconds = 2.0

  @Option(help: "Instruction set: baseline, avx2, avx512, avx512vnni, neon, neon-dotprod. (default: the best)")
  var isa: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    guard 1...64 ~= threads else { throw ValidationError("--threads must be 1 to 64") }
    guard 1...1024 ~= batch else { throw ValidationError("--batch must be 1 to 1024") }
    guard 0.01...3600 ~= seconds else { throw ValidationError("--seconds must be 0.01 to 3600") }
    guard (bundle == nil) != (zoo == nil) else { throw ValidationError("give a bundle, or a network with --zoo") }
    guard zoo == nil || input != nil else {
      throw ValidationError("--zoo needs the size of the image: --input 224x224x3")
    }
    guard zoo != nil || input == nil && save == nil && !int8 else {
      throw ValidationError("--input, --int8 and --save are for --zoo")
    }
    guard 1...1_000_000 ~= classes else { throw ValidationError("--classes must be 1 to 1000000") }
  }

  func run() throws {
    guard let zoo, let input else { return try measure(bundle!, named: bundle!) }
    let network = try UntrainedNetwork(
      zoo, classes: classes, input: input, width: width, seed: seed, threads: threads)
    let folder = FileManager.default.temporaryDirectory.appending(path: "cnn-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "model.cnn").path
    let graph = int8 ? try network.int8() : network.float()
    try BundleWriter(codec: .stored).write(graph, to: path)
    if let save { try BundleWriter().write(graph, to: save) }
    let name = zoo + (width == 1 ? "" : " × \(width)") + ", \(input), \(classes) classes, random weights"
    try measure(path, named: name, parameters: network.network.parameterCount)
  }

  private func measure(_ path: String, named name: String, parameters: Int? = nil) throws {
    let benchmark = try Benchmark(path: path, isa: isa, threads: threads, batch: batch, seconds: seconds)
    print(
      json
        ? benchmark.json(bundle: name, parameters: parameters).text
        : benchmark.text(bundle: name, parameters: parameters))
  }
}
