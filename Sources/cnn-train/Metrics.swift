import CNNSupport
import CNNTraining
import Foundation

/// Means over images that come in batches.
struct Totals: Codable, Equatable {
  var images = 0
  var loss = 0.0
  var correct = 0
  var correctTop5 = 0
  /// Sum over the images of their step's.
  var gradientNorm = 0.0

  mutating func add(images count: Int, _ outcome: Trainer.Outcome) {
    images += count
    loss += outcome.loss * Double(count)
    correct += outcome.correct
    correctTop5 += outcome.correctTop5
    gradientNorm += outcome.gradientNorm * Double(count)
  }

  var meanLoss: Double { loss / Double(images) }
  /// In percent.
  var accuracy: Double { 100 * Double(correct) / Double(images) }
  var top5Accuracy: Double { 100 * Double(correctTop5) / Double(images) }
  /// nil where gradients are not clipped.
  var meanGradientNorm: Double? { gradientNorm == 0 ? nil : gradientNorm / Double(images) }

  var figures: [(name: String, value: String)] {
    [("loss", decimals(meanLoss, 4)), ("accuracy", decimals(accuracy, 2) + " %")]
  }
}

/// What metrics.jsonl says of an epoch.
struct EpochMetrics: Codable {
  var epoch: Int
  /// While learning, so of networks that still changed, on images as they were augmented.
  var training: Totals
  /// After the epoch; nil where no images were set aside.
  var validation: Totals?
  /// Of the epoch's last step.
  var learningRate: Float
  /// Learning and validation.
  var seconds: Double
  /// While learning.
  var imagesPerSecond: Double

  var json: JSON {
    [
      "epoch": .integer(epoch),
      "train_loss": .number(training.meanLoss), "train_accuracy": .number(training.accuracy),
      "train_top5_accuracy": .number(training.top5Accuracy),
      "validation_loss": validation.map { .number($0.meanLoss) } ?? .null,
      "validation_accuracy": validation.map { .number($0.accuracy) } ?? .null,
      "validation_top5_accuracy": validation.map { .number($0.top5Accuracy) } ?? .null,
      "learning_rate": .float(learningRate),
      "gradient_norm": training.meanGradientNorm.map { .number($0) } ?? .null,
      "seconds": .number(seconds), "images_per_second": .number(imagesPerSecond),
    ]
  }
}

extension [EpochMetrics] {
  /// The epoch of the best validation accuracy; of equals that of the lowest loss, then the first. nil without
  /// validation.
  var best: EpochMetrics? {
    var best: EpochMetrics?
    for metrics in self {
      guard let new = metrics.validation else { continue }
      if let old = best?.validation, (new.correct, -new.loss) <= (old.correct, -old.loss) { continue }
      best = metrics
    }
    return best
  }

  var lines: String { map { $0.json.line + "\n" }.joined() }

  var lossChart: LineChart { chart("Loss", y: "cross-entropy", \.meanLoss) }
  var accuracyChart: LineChart { chart("Accuracy", y: "percent", \.accuracy) }

  private func chart(_ title: String, y: String, _ value: (Totals) -> Double) -> LineChart {
    let training = map { (x: Double($0.epoch), y: value($0.training)) }
    let validation = compactMap { metrics in metrics.validation.map { (x: Double(metrics.epoch), y: value($0)) } }
    let series = [LineChart.Series("training", training), LineChart.Series("validation", validation)]
    return LineChart(title, x: "epoch", y: y, series.filter { !$0.points.isEmpty })
  }
}

func decimals(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)f", value) }
