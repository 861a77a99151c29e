import CNNSupport

/// What a finished run says of its network.
struct RunReport {
  var settings: Settings
  /// Of the epoch that model.cnn is from.
  var metrics: EpochMetrics
  /// That were done.
  var epochs: Int
  /// That could not be decoded.
  var skippedFiles: Int
  /// Of the validation images; nil without.
  var validation: Totals?
  var confusion: ConfusionMatrix?

  var json: JSON {
    [
      "model": .string(settings.model), "epochs": .integer(epochs), "epoch": .integer(metrics.epoch),
      "stopped_early": .bool(epochs < settings.epochs), "skipped_files": .integer(skippedFiles),
      "training": json(metrics.training), "validation": validation.map(json) ?? .null,
      "classes": confusion?.classesJSON ?? .null, "confusion": confusion?.countsJSON ?? .null,
    ]
  }

  private func json(_ totals: Totals) -> JSON {
    [
      "images": .integer(totals.images), "loss": .number(totals.meanLoss), "top1_accuracy": .number(totals.accuracy),
      "top5_accuracy": .number(totals.top5Accuracy),
    ]
  }

  /// - Parameter model: the file.
  func text(model: String) -> String {
    let done = epochs == 1 ? "1 epoch" : "\(epochs) epochs"
    let when =
      settings.earlyStopping == nil ? "after \(done)" : "after epoch \(metrics.epoch), the best of \(done)"
    guard let validation, let confusion else {
      return "\(model): training accuracy \(decimals(metrics.training.accuracy, 2)) % \(when)"
    }
    return """
      \(confusion.text)

      \(validation.images) validation images: top-1 \(decimals(validation.accuracy, 2)) %, \
      top-5 \(decimals(validation.top5Accuracy, 2)) %, loss \(decimals(validation.meanLoss, 4))
      \(model): validation accuracy \(decimals(validation.accuracy, 2)) % \(when)
      """
  }
}
