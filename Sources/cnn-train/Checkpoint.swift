import CNNModel
import CNNSupport
import Foundation

/// Where a run stands. Wall-clock times are in here and in metrics.jsonl, never in a model.
struct RunState: Codable {
  var settings: Settings
  /// Of the training images: a run goes on with the same data only.
  var dataFingerprint: UInt32
  /// Instruction sets differ by rounding.
  var isa: String
  /// Epochs that are done.
  var epoch = 0
  /// As it was at the beginning of the present epoch: the order of the images comes from it.
  var random: Random
  /// Of the present epoch.
  var training = Totals()
  var trainingSeconds = 0.0
  /// Of the epochs that are done.
  var metrics: [EpochMetrics] = []
}

extension RunState {
  mutating func endEpoch(validation: Totals?, learningRate: Float, seconds: Double, random: Random) {
    epoch += 1
    metrics.append(
      EpochMetrics(
        epoch: epoch, training: training, validation: validation, learningRate: learningRate, seconds: seconds,
        imagesPerSecond: trainingSeconds > 0 ? Double(training.images) / trainingSeconds : 0))
    training = Totals()
    trainingSeconds = 0
    self.random = random
  }

  /// Settings are compared before; this is what no flag says.
  /// - Throws: `CNNError` if going on would not give the bits of a run that never stopped.
  func refuseOtherSurroundings(_ now: RunState) throws(CNNError) {
    guard now.dataFingerprint == dataFingerprint else {
      throw CNNError(
        "the training images or labels are not those that the run began with", at: now.settings.data,
        advice: "give their folder with --data, or begin anew with --overwrite")
    }
    guard now.isa == isa else {
      throw CNNError(
        "the run began with the instruction set \(isa), this is \(now.isa): the results would differ", at: "--resume",
        advice: "go on where it began, or set CNNRT_ISA=\(isa), or begin anew with --overwrite")
    }
  }
}

/// A bundle of the network that model.cnn would hold if the run ended here, whose TRAINING section is a version (32 bits), the length of the run's state (32
/// bits), the run's state as JSON, and the trainer's state.
struct Checkpoint {
  var graph: Graph
  var state: RunState
  var trainer: [UInt8]

  private static let version: UInt32 = 2

  func bundle() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let json = try encoder.encode(state)
    var graph = graph
    graph.trainingState = Self.bytes(Self.version) + Self.bytes(UInt32(json.count)) + json + trainer
    return try BundleWriter(codec: .stored).bytes(of: graph)
  }

  init(graph: Graph, state: RunState, trainer: [UInt8]) {
    (self.graph, self.state, self.trainer) = (graph, state, trainer)
  }

  /// - Throws: `CNNError` if it is no bundle, damaged, or not a checkpoint of this version.
  init(path: String) throws {
    let graph = try Graph(bundleAt: path)
    guard let bytes = graph.trainingState, bytes.count >= 8 else {
      throw CNNError("a bundle, but not a checkpoint", at: path, advice: "begin anew with --overwrite")
    }
    let version = Self.number(bytes[0..<4])
    guard version == Self.version else {
      throw CNNError(
        "a checkpoint of version \(version); this program knows \(Self.version)", at: path,
        advice: "go on with the program that wrote it, or begin anew with --overwrite")
    }
    let end = 8 + Int(Self.number(bytes[4..<8]))
    guard end <= bytes.count, let state = try? JSONDecoder().decode(RunState.self, from: Data(bytes[8..<end])) else {
      throw CNNError("the state of the run is damaged", at: path, advice: "begin anew with --overwrite")
    }
    self.init(graph: graph, state: state, trainer: Array(bytes[end...]))
    self.graph.trainingState = nil
  }

  private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian, Array.init) }
  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}
