import ArgumentParser
import CNNData
import CNNModel
import CNNSupport
import CNNTraining
import Foundation

extension Optimizer: ExpressibleByArgument {}

/// Settings as flags. What is not given has a default, or the value of the run that is resumed.
struct SettingOptions: ParsableArguments {
  @OptionGroup(title: "Network and data")
  var input: InputOptions

  @OptionGroup(title: "Learning")
  var learning: LearningOptions

  @OptionGroup(title: "Learning rate")
  var rate: RateOptions

  @OptionGroup(title: "Against overfitting")
  var regularization: RegularizationOptions

  struct InputOptions: ParsableArguments {
    @Option(help: "Architecture: \(Zoo.names.joined(separator: ", ")).")
    var model: String?

    @Option(help: "Multiplies the channels, for networks that are published with such a factor. (default: 1)")
    var width: Double?

    @Option(help: ArgumentHelp(dataSourceHelp))
    var data: String?

    @Option(
      help: """
        Training images set aside to judge by, chosen by --seed: a number, or a share as 0.1 or 10%; 0: none. \
        (default: one in twelve)
        """)
    var validation: ValidationAmount?

    @Option(help: "Of a folder of image files: the size that they get, as 96x128, height first. (default: their own)")
    var size: PixelSize?

    @Option(
      help: """
        How they get it: stretch, or crop:256, the shorter side becomes 256 and the middle is cut out. (default: \
        stretch)
        """)
    var resize: ResizeChoice?

    @Option(help: "1: make them grey, 3: RGB. (default: grey if all are)")
    var channels: Int?

    @Flag(help: "End where a file cannot be decoded. Otherwise such files are listed and left out.")
    var strict = false
  }

  struct LearningOptions: ParsableArguments {
    @Option(help: "Times that every image is seen. (default: 10)")
    var epochs: Int?

    @Option(help: "Images per step. (default: 64)")
    var batch: Int?

    @Option(
      help: "Decides the first parameters, the validation images, the order of the others and all chance. (default: 1)")
    var seed: UInt64?

    @Option(help: "Threads that compute, 1 to 64. (default: one per processor)")
    var threads: Int?

    @Option(help: "\(Optimizer.allCases.map(\.rawValue).joined(separator: ", ")). (default: adam)")
    var optimizer: Optimizer?

    @Option(help: "Momentum of sgd, 0 to below 1. (default: 0.9)")
    var momentum: Float?

    @Option(help: "Gradients are scaled down to this L2 norm over all parameters; 0: never. (default: 0)")
    var clipNorm: Float?
  }

  struct RateOptions: ParsableArguments {
    @Option(help: "The learning rate; with one-cycle its peak. (default: 0.001 for adam and adamw, 0.01 for sgd)")
    var learningRate: Float?

    @Option(
      help: """
        constant; cosine: falls to 0 with every step; step: falls every --step-epochs; one-cycle: rises from 1/25 for \
        three tenths of the run, then falls to almost 0. (default: cosine)
        """)
    var schedule: Schedule.Shape?

    @Option(help: "The rate rises linearly for so many epochs (2, 0.5) or steps (200steps) before. (default: 0)")
    var warmup: Warmup?

    @Option(help: "Epochs between the falls of --schedule step. (default: a third of the epochs)")
    var stepEpochs: Int?

    @Option(help: "What each fall of --schedule step multiplies the rate with. (default: 0.1)")
    var stepFactor: Float?
  }

  struct RegularizationOptions: ParsableArguments {
    @Option(
      help: """
        L2 penalty, this times a parameter is added to its gradient; with adamw decoupled from it. (default: 0; 0.01 \
        for adamw)
        """)
    var weightDecay: Float?

    @Option(help: "The share of each label that is spread over all classes, 0 to below 1. (default: 0)")
    var labelSmoothing: Float?

    @Option(help: "balanced: all classes count alike; or a number for each, with commas between. (default: none)")
    var classWeights: ClassWeights?

    @Option(
      help: """
        Keep averages of the parameters, average = D · average + (1 − D) · parameter after each step, as 0.999. \
        Validation and model.cnn have the averages then. (default: 0, none)
        """)
    var ema: Float?

    @Option(
      help: """
        End after so many epochs in a row without a better validation accuracy. model.cnn holds the network of the \
        best epoch then, not of the last. (default: none)
        """)
    var earlyStopping: Int?

    @Option(
      help: """
        Change images at random: flip, shift:PIXELS, crop:PIXELS, cutout:SIZE, mixup:ALPHA, with commas between. \
        (default: none)
        """)
    var augment: String?
  }
}

// MARK: - From flags to settings

extension SettingOptions {
  func validate() throws {
    let (l, r, g) = (learning, rate, regularization)
    try check(0.01...16 ~= input.width ?? 1, "--width must be 0.01 to 16")
    try check([1, 3].contains(input.channels ?? 1), "--channels must be 1 or 3")
    try check((l.epochs ?? 1) >= 1, "--epochs must be at least 1")
    try check(1...65536 ~= l.batch ?? 1, "--batch must be 1 to 65536")
    try check(1...64 ~= l.threads ?? 1, "--threads must be 1 to 64")
    try check(0..<1 ~= l.momentum ?? 0, "--momentum must be 0 to below 1")
    try check(isAmount(l.clipNorm), "--clip-norm must not be negative")
    try check((r.learningRate ?? 1) > 0 && (r.learningRate ?? 1).isFinite, "--learning-rate must be positive")
    try check((r.stepEpochs ?? 1) >= 1, "--step-epochs must be at least 1")
    try check((r.stepFactor ?? 1) > 0 && (r.stepFactor ?? 1) <= 1, "--step-factor must be above 0, at most 1")
    try check(isAmount(g.weightDecay), "--weight-decay must not be negative")
    try check(0..<1 ~= g.labelSmoothing ?? 0, "--label-smoothing must be 0 to below 1")
    try check(0..<1 ~= g.ema ?? 0, "--ema must be 0 to below 1")
    try check((g.earlyStopping ?? 1) >= 1, "--early-stopping must be at least 1")
    if let text = g.augment {
      do { _ = try Augmentation(text) } catch { throw ValidationError("--augment: \(error.what); \(error.advice)") }
    }
  }

  private func isAmount(_ number: Float?) -> Bool { (number ?? 0) >= 0 && (number ?? 0).isFinite }

  private func check(_ good: Bool, _ message: String) throws { if !good { throw ValidationError(message) } }

  /// The settings of a run: `saved` is what the run that is resumed had.
  /// - Throws: `CNNError` that names the flags that differ from `saved`; a usage error if --model or --data is missing or
  ///   flags exclude each other.
  func resolved(saved: Settings?) throws -> Settings {
    guard let model = input.model ?? saved?.model else {
      throw ValidationError("--model is missing, and there is no checkpoint that says it")
    }
    guard let data = input.data ?? saved?.data else {
      throw ValidationError("--data is missing, and there is no checkpoint that says it")
    }
    let (l, r, g) = (learning, rate, regularization)
    let optimizer = l.optimizer ?? saved?.optimizer ?? .adam
    let epochs = l.epochs ?? saved?.epochs ?? 10
    let settings = Settings(
      model: model, width: input.width ?? saved?.width ?? 1, data: data, size: input.size ?? saved?.size,
      resize: input.resize ?? saved?.resize, channels: input.channels ?? saved?.channels,
      strict: input.strict || saved?.strict == true, validation: input.validation ?? saved?.validation, epochs: epochs,
      batch: l.batch ?? saved?.batch ?? 64,
      seed: l.seed ?? saved?.seed ?? 1,
      threads: l.threads ?? saved?.threads ?? min(64, ProcessInfo.processInfo.activeProcessorCount),
      optimizer: optimizer,
      learningRate: r.learningRate ?? saved?.learningRate ?? (optimizer == .sgd ? 1e-2 : 1e-3),
      schedule: r.schedule ?? saved?.schedule ?? .cosine, warmup: r.warmup ?? saved?.warmup ?? .steps(0),
      stepEpochs: r.stepEpochs ?? saved?.stepEpochs ?? (epochs + 2) / 3,
      stepFactor: r.stepFactor ?? saved?.stepFactor ?? 0.1,
      momentum: l.momentum ?? saved?.momentum ?? (optimizer == .sgd ? 0.9 : 0),
      weightDecay: g.weightDecay ?? saved?.weightDecay ?? optimizer.forTrainer(momentum: 0).usualWeightDecay,
      labelSmoothing: g.labelSmoothing ?? saved?.labelSmoothing ?? 0,
      classWeights: g.classWeights ?? saved?.classWeights, clipNorm: l.clipNorm ?? saved?.clipNorm ?? 0,
      ema: g.ema ?? saved?.ema ?? 0, earlyStopping: g.earlyStopping ?? saved?.earlyStopping,
      augment: try g.augment.map { try Augmentation($0).description } ?? saved?.augment ?? "none")
    if let saved { try settings.refuseDifferences(from: saved) }
    try refuseContradictions(settings)
    return settings
  }

  /// Flags that would be without effect.
  private func refuseContradictions(_ settings: Settings) throws {
    if case .crop(let shorter) = settings.resize {
      guard let size = settings.size else { throw ValidationError("--resize crop needs the --size to cut out") }
      try check(
        shorter >= max(size.height, size.width), "--resize crop:\(shorter) is less than the --size \(size) to cut out")
    }
    try check(
      learning.momentum == nil || settings.optimizer == .sgd,
      "--momentum is for --optimizer sgd; \(settings.optimizer.rawValue) has its own")
    try check(
      settings.schedule == .step || (rate.stepEpochs == nil && rate.stepFactor == nil),
      "--step-epochs and --step-factor are for --schedule step")
    try check(
      settings.schedule != .oneCycle || settings.warmup.isNone, "--schedule one-cycle warms up itself: no --warmup")
    if case .epochs(let warmup) = settings.warmup {
      try check(warmup < Double(settings.epochs), "--warmup must be shorter than the \(settings.epochs) --epochs")
    }
    try check(
      settings.earlyStopping == nil || settings.validation?.isNone != true,
      "--early-stopping needs validation images, and --validation says none")
  }
}
