import CNNSupport
import Foundation

/// A mean over images that come in batches.
struct Totals: Codable, Equatable {
  var images = 0
  var loss = 0.0
  var correct = 0

  mutating func add(images count: Int, meanLoss: Double, correct: Int) {
    images += count
    loss += meanLoss * Double(count)
    self.correct += correct
  }

  var meanLoss: Double { loss / Double(images) }
  /// In percent.
  var accuracy: Double { 100 * Double(correct) / Double(images) }

  var figures: [(name: String, value: String)] {
    [("loss", decimals(meanLoss, 4)), ("accuracy", decimals(accuracy, 2) + " %")]
  }
}

/// What metrics.jsonl says of an epoch.
struct EpochMetrics: Codable {
  var epoch: Int
  /// While learning, so of networks that still changed.
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
      "validation_loss": validation.map { .number($0.meanLoss) } ?? .null,
      "validation_accuracy": validation.map { .number($0.accuracy) } ?? .null,
      "learning_rate": .float(learningRate),
      "seconds": .number(seconds), "images_per_second": .number(imagesPerSecond),
    ]
  }
}

extension [EpochMetrics] {
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
