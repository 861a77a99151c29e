import CNNRT
import CNNSupport
import CNNTraining

enum Optimizer: String, Codable, CaseIterable {
  case adam, adamw, sgd

  func forTrainer(momentum: Float) -> Trainer.Optimizer {
    switch self {
    case .adam: .adam()
    case .adamw: .adamW()
    case .sgd: .sgd(momentum: momentum)
    }
  }
}

/// All that decides a run's bits, but for the data, the instruction set and the version.
struct Settings: Codable, Equatable {
  var model: String
  var width: Double
  var data: String
  /// Of image files; nil: their own.
  var size: PixelSize?
  var resize: ResizeChoice?
  var channels: Int?
  var strict: Bool
  /// Training images set aside; nil: one in twelve.
  var validation: ValidationAmount?
  var epochs: Int
  var batch: Int
  var seed: UInt64
  var threads: Int
  var optimizer: Optimizer
  var learningRate: Float
  var schedule: Schedule.Shape
  var warmup: Warmup
  var stepEpochs: Int
  var stepFactor: Float
  var momentum: Float
  var weightDecay: Float
  var labelSmoothing: Float
  /// nil: all count alike.
  var classWeights: ClassWeights?
  /// 0: not clipped.
  var clipNorm: Float
  /// Decay of the averages; 0: none.
  var ema: Float
  /// Epochs without a better one; nil: all epochs are done.
  var earlyStopping: Int?
  /// As `Augmentation` writes it.
  var augment: String
}

extension Settings {
  func trainerOptions(classWeights: [Float]) -> Trainer.Options {
    Trainer.Options(
      batch: batch, threads: threads, optimizer: optimizer.forTrainer(momentum: momentum), weightDecay: weightDecay,
      labelSmoothing: labelSmoothing,
      classWeights: classWeights, maxGradientNorm: clipNorm, averageDecay: ema, seed: seed)
  }

  /// - Throws: `CNNError` if the warm-up leaves no step.
  func schedule(stepsPerEpoch: Int) throws(CNNError) -> Schedule {
    let steps = epochs * stepsPerEpoch, warmup = warmup.steps(perEpoch: stepsPerEpoch)
    guard warmup < steps else {
      throw CNNError(
        "\(warmup) steps are not less than the run's \(steps)", at: "--warmup",
        advice: "shorten the warm-up, or take more --epochs")
    }
    return Schedule(
      shape: schedule, rate: learningRate, steps: steps, warmup: warmup,
      fallSteps: stepEpochs * stepsPerEpoch, fallFactor: stepFactor)
  }

  /// As text, by the names of the flags. The folder of the data may change: its contents are compared instead.
  var entries: [(name: String, value: String)] {
    [
      ("model", model), ("width", "\(width)"), ("size", size?.description ?? "their own"),
      ("resize", resize?.description ?? "stretch"), ("channels", channels.map(String.init) ?? "their own"),
      ("strict", "\(strict)"), ("validation", validation.map(\.description) ?? "one in twelve"),
      ("epochs", "\(epochs)"), ("batch", "\(batch)"), ("seed", "\(seed)"), ("threads", "\(threads)"),
      ("optimizer", optimizer.rawValue), ("learning-rate", "\(learningRate)"), ("schedule", schedule.rawValue),
      ("warmup", warmup.description), ("step-epochs", "\(stepEpochs)"), ("step-factor", "\(stepFactor)"),
      ("momentum", "\(momentum)"), ("weight-decay", "\(weightDecay)"), ("label-smoothing", "\(labelSmoothing)"),
      ("class-weights", classWeights?.description ?? "none"), ("clip-norm", "\(clipNorm)"), ("ema", "\(ema)"),
      ("early-stopping", earlyStopping.map(String.init) ?? "none"), ("augment", augment),
    ]
  }

  func refuseDifferences(from saved: Settings) throws(CNNError) {
    let differences = zip(entries, saved.entries).filter { $0.value != $1.value }
      .map { new, old in "--\(new.name) was \(old.value), is \(new.value)" }
    guard differences.isEmpty else {
      throw CNNError(
        "other settings than those of the run: " + differences.joined(separator: ", "), at: "--resume",
        advice: "leave them out, or begin anew with --overwrite")
    }
  }
}
