import ArgumentParser
import CNNModel
import CNNSupport
import Foundation

@main
struct CNNTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cnn-train",
    abstract: "Trains a network on labelled images.",
    usage: """
      cnn-train --model seed --data fashion-mnist --out RUN [options]
      cnn-train --resume --out RUN
      """,
    discussion: """
      Writes into the folder RUN:
        model.cnn       after the last epoch; with --early-stopping the best one
        metrics.jsonl   a line per epoch: loss, accuracy in %, rate, time
        loss.svg, accuracy.svg
        report.json     accuracy and figures per class, on the validation images
        confusion.svg   which of their classes are taken for which
        checkpoint      what --resume needs; also written when interrupted

      The same data, settings (--seed and --threads among them), version and instruction set give the same model to \
      the bit, also where the run was killed and resumed. Test images are never read.
      """)

  @OptionGroup var settings: SettingOptions

  @Option(help: "Folder for the results; made if need be.", completion: .directory)
  var out: String

  @Flag(help: "Go on with the run in --out. Its settings are kept; other settings than its own are refused.")
  var resume = false

  @Flag(help: "Discard the run in --out and begin anew.")
  var overwrite = false

  @Flag(help: "Print nothing but errors.")
  var quiet = false

  func validate() throws {
    if resume && overwrite { throw ValidationError("--resume keeps the run in --out, --overwrite discards it: which?") }
    if !resume { _ = try settings.resolved(saved: nil) }
  }

  func run() throws {
    let folder = try RunFolder(out)
    let checkpoint = resume ? try folder.loadCheckpoint() : nil
    if !resume { try folder.clear(overwrite: overwrite) }
    let settings = try settings.resolved(saved: checkpoint?.state.settings)
    if resume && checkpoint == nil && !quiet { printError("\(out): no checkpoint yet; beginning anew") }
    var run = try TrainingRun(settings, folder: folder, checkpoint: checkpoint, quiet: quiet)
    if !run.skipped.isEmpty && !quiet {
      printError("\(run.skipped.count) files cannot be decoded and are left out:\n\(run.skipped.list())")
    }
    if let signal = try run.train() {
      printError("interrupted; go on with: cnn-train --resume --out \(out)")
      throw ExitCode(128 + signal)
    }
  }
}

private func printError(_ message: String) { FileHandle.standardError.write(Data("\(message)\n".utf8)) }
