import CNNModel
import CNNSupport
import Foundation

/// The folder that a run writes into. Each file is there whole or not at all; the checkpoint is the truth, and the
/// others follow from it.
final class RunFolder {
  let path: String
  /// Held open: its lock keeps a second run out.
  private let lock: Int32

  private static let names = [
    "checkpoint", "model.cnn", "metrics.jsonl", "loss.svg", "accuracy.svg", "report.json", "confusion.svg",
  ]

  /// Makes the folder if it is not there, and claims it.
  /// - Throws: `CNNError` if it cannot be made or written, or another run is at work in it.
  init(_ path: String) throws(CNNError) {
    self.path = path
    do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
      throw CNNError("cannot make the folder: \(error.localizedDescription)", at: path)
    }
    lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else { throw .system("cannot open the folder", at: path) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      throw CNNError(
        "another cnn-train is at work in this folder", at: path, advice: "wait for it, or use another --out")
    }
    guard access(path, W_OK) == 0 else { throw .system("cannot write into the folder", at: path) }
    removeLeftovers()
  }

  deinit { close(lock) }

  /// What a killed run had begun to write: `AtomicFile` writes .NAME.… and renames.
  private func removeLeftovers() {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    for file in files where Self.names.contains(where: { file.hasPrefix(".\($0).") }) { unlink("\(path)/\(file)") }
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  private func has(_ name: String) -> Bool { access(file(name), F_OK) == 0 }

  /// Makes room for a new run.
  /// - Throws: `CNNError` if there is a run already, unless it may be overwritten.
  func clear(overwrite: Bool) throws(CNNError) {
    let there = Self.names.filter(has)
    guard overwrite || there.isEmpty else {
      throw CNNError(
        has("model.cnn") ? "holds a finished run" : "holds a run that is not finished", at: path,
        advice: "go on with --resume, discard it with --overwrite, or use another --out")
    }
    for name in there where unlink(file(name)) != 0 { throw .system("cannot remove the file", at: file(name)) }
  }

  /// nil if there is none yet.
  func loadCheckpoint() throws -> Checkpoint? {
    has("checkpoint") ? try Checkpoint(path: file("checkpoint")) : nil
  }

  func save(_ checkpoint: Checkpoint) throws {
    try AtomicFile.write(checkpoint.bundle(), to: file("checkpoint"))
    try save(checkpoint.state.metrics)
  }

  func save(_ model: Graph) throws(CNNError) {
    try BundleWriter(codec: .stored).write(model, to: file("model.cnn"))
  }

  func save(_ report: RunReport) throws(CNNError) {
    try AtomicFile.write(report.json.text + "\n", to: file("report.json"))
    guard let confusion = report.confusion else { return }
    try AtomicFile.write(ConfusionChart("Confusion, validation images", confusion).svg, to: file("confusion.svg"))
  }

  private func save(_ metrics: [EpochMetrics]) throws(CNNError) {
    guard !metrics.isEmpty else { return }
    try AtomicFile.write(metrics.lines, to: file("metrics.jsonl"))
    try AtomicFile.write(metrics.lossChart.svg, to: file("loss.svg"))
    try AtomicFile.write(metrics.accuracyChart.svg, to: file("accuracy.svg"))
  }
}
