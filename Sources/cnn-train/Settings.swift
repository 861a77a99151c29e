import ArgumentParser
import CNNModel
import CNNRT
import CNNTraining
import CNNSupport
import Foundation

enum Optimizer: String, Codable, CaseIterable, ExpressibleByArgument { case adam, sgd }

/// All that decides a run's bits, but for the data, the instruction set and the version.
struct Settings: Codable, Equatable {
  var model: String
  var data: String
  var epochs: Int
  var batch: Int
  var seed: UInt64
  var threads: Int
  var optimizer: Optimizer
  var learningRate: Float
  var schedule: Schedule
  var momentum: Float
  var weightDecay: Float
  /// Training images set aside; nil: one in twelve.
  var validation: Int?
}

/// Settings as flags. What is not given has a default, or the value of the run that is resumed.
struct SettingOptions: ParsableArguments {
  @Option(help: "Architecture: \(Zoo.names.joined(separator: ", ")).")
  var model: String?

  @Option(help: "Images: fashion-mnist (Debian's package dataset-fashion-mnist), or a folder of IDX files.")
  var data: String?

  @Option(help: "Times that every image is seen. (default: 10)")
  var epochs: Int?

  @Option(help: "Images per step. (default: 64)")
  var batch: Int?

  @Option(help: "Decides the first parameters, the validation images and the order of the others. (default: 1)")
  var seed: UInt64?

  @Option(help: "Threads that compute, 1 to 64. (default: one per processor)")
  var threads: Int?

  @Option(help: "\(Optimizer.allCases.map(\.rawValue).joined(separator: " or ")). (default: adam)")
  var optimizer: Optimizer?

  @Option(help: "Learning rate at the start. (default: 0.001 for adam, 0.01 for sgd)")
  var learningRate: Float?

  @Option(help: "constant, or cosine: falls to 0 with every step. (default: cosine)")
  var schedule: Schedule?

  @Option(help: "Momentum of sgd, 0 to below 1. (default: 0.9)")
  var momentum: Float?

  @Option(help: "L2 penalty: this times a parameter is added to its gradient. (default: 0)")
  var weightDecay: Float?

  @Option(help: "Training images set aside to judge by, chosen by --seed; 0: none. (default: one in twelve)")
  var validation: Int?

  func validate() throws {
    func check(_ good: Bool, _ message: String) throws { if !good { throw ValidationError(message) } }
    try check((epochs ?? 1) >= 1, "--epochs must be at least 1")
    try check(1...65536 ~= batch ?? 1, "--batch must be 1 to 65536")
    try check(1...64 ~= threads ?? 1, "--threads must be 1 to 64")
    try check((learningRate ?? 1) > 0 && (learningRate ?? 1).isFinite, "--learning-rate must be positive")
    try check(0..<1 ~= momentum ?? 0, "--momentum must be 0 to below 1")
    try check((weightDecay ?? 0) >= 0 && (weightDecay ?? 0).isFinite, "--weight-decay must not be negative")
    try check((validation ?? 0) >= 0, "--validation must not be negative")
    try check(momentum == nil || optimizer != .adam, "--momentum is for --optimizer sgd; adam has its own")
  }

  /// The settings of a run: `saved` is what the run that is resumed had.
  /// - Throws: `CNNError` that names the flags that differ from `saved`; a usage error if --model or --data is missing.
  func resolved(saved: Settings?) throws -> Settings {
    guard let model = model ?? saved?.model else {
      throw ValidationError("--model is missing, and there is no checkpoint that says it")
    }
    guard let data = data ?? saved?.data else {
      throw ValidationError("--data is missing, and there is no checkpoint that says it")
    }
    let optimizer = optimizer ?? saved?.optimizer ?? .adam
    let settings = Settings(
      model: model, data: data, epochs: epochs ?? saved?.epochs ?? 10, batch: batch ?? saved?.batch ?? 64,
      seed: seed ?? saved?.seed ?? 1,
      threads: threads ?? saved?.threads ?? min(64, ProcessInfo.processInfo.activeProcessorCount),
      optimizer: optimizer, learningRate: learningRate ?? saved?.learningRate ?? (optimizer == .adam ? 1e-3 : 1e-2),
      schedule: schedule ?? saved?.schedule ?? .cosine,
      momentum: momentum ?? saved?.momentum ?? (optimizer == .adam ? 0 : 0.9),
      weightDecay: weightDecay ?? saved?.weightDecay ?? 0, validation: validation ?? saved?.validation)
    if let saved { try settings.refuseDifferences(from: saved) }
    return settings
  }
}

extension Settings {
  var trainerOptions: Trainer.Options {
    Trainer.Options(
      batch: batch, threads: threads, optimizer: optimizer == .adam ? .adam() : .sgd(momentum: momentum),
      weightDecay: weightDecay)
  }

  /// As text, by the names of the flags. The folder of the data may change: its contents are compared instead.
  var entries: [(name: String, value: String)] {
    [
      ("model", model), ("epochs", "\(epochs)"), ("batch", "\(batch)"), ("seed", "\(seed)"), ("threads", "\(threads)"),
      ("optimizer", optimizer.rawValue), ("learning-rate", "\(learningRate)"), ("schedule", schedule.rawValue),
      ("momentum", "\(momentum)"), ("weight-decay", "\(weightDecay)"),
      ("validation", validation.map { "\($0)" } ?? "one in twelve"),
    ]
  }

  fileprivate func refuseDifferences(from saved: Settings) throws(CNNError) {
    let differences = zip(entries, saved.entries).filter { $0.value != $1.value }
      .map { new, old in "--\(new.name) was \(old.value), is \(new.value)" }
    guard differences.isEmpty else {
      throw CNNError(
        "other settings than those of the run: " + differences.joined(separator: ", "), at: "--resume",
        advice: "leave them out, or begin anew with --overwrite")
    }
  }
}
