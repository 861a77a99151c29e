import CNNData
import CNNModel
import CNNRT
import CNNTraining
import CNNSupport

/// Trains one network from the beginning, or from a checkpoint, to the end.
struct TrainingRun {
  private let folder: RunFolder
  private let dataset: Dataset
  private let split: Split
  private let trainer: Trainer
  private let schedule: Schedule
  private let normalization: Normalization
  private let augmentation: Augmentation
  /// The network that model.cnn would hold if the run ended here; the present one is in the trainer.
  private var graph: Graph
  private var state: RunState
  private let quiet: Bool

  /// - Throws: `CNNError` if the data or the network cannot be used, or are not those of the checkpoint.
  init(_ settings: Settings, folder: RunFolder, checkpoint: Checkpoint?, quiet: Bool) throws {
    self.folder = folder
    self.quiet = quiet
    dataset = try settings.loadImages(progress: !quiet)
    var random = Random(imagesOfRun: settings.seed)
    let validation = settings.validation?.images(of: dataset.count) ?? Split.usualValidation(of: dataset.count)
    split = try Split(count: dataset.count, validation: validation, using: &random)
    normalization = try Normalization(of: dataset, images: split.training)
    augmentation = try Augmentation(settings.augment)
    schedule = try settings.schedule(stepsPerEpoch: Self.steps(split.training.count, settings.batch))
    guard let isa = Library.isa else {
      throw CNNError("names an instruction set that is unknown or that this processor lacks", at: "CNNRT_ISA")
    }
    let beginning = RunState(settings: settings, dataFingerprint: dataset.fingerprint, isa: isa, random: random)
    if let checkpoint { try checkpoint.state.refuseOtherSurroundings(beginning) }
    state = checkpoint?.state ?? beginning
    state.settings = settings
    graph = try checkpoint?.graph ?? untrainedNetwork(settings, dataset, split, normalization)
    let (labels, training) = (dataset.labels, split.training)
    let weights = try settings.classWeights?.weights(
      classes: dataset.classNames.count, labels: training.lazy.map { labels[$0] })
    trainer = try Trainer(
      Model(bytes: BundleWriter(codec: .stored).bytes(of: graph)), settings.trainerOptions(classWeights: weights ?? []))
    if let checkpoint { try trainer.loadState(checkpoint.trainer) }
  }

  /// - Returns: the signal that interrupted the run, or nil when it is done and model.cnn is written.
  mutating func train() throws -> Int32? {
    Interruption.listen()
    try save()
    while state.epoch < settings.epochs && !hasStopped {
      if let signal = try trainEpoch() { return signal }
    }
    try folder.save(finishedNetwork(graph, modelMetrics, selfTestInput: try selfTestInput()))
    if let report = try report() {
      try folder.save(report)
      if !quiet { print(report.text(model: folder.file("model.cnn"))) }
    }
    return nil
  }

  private var settings: Settings { state.settings }

  /// Files that are not among the images.
  var skipped: [SkippedFile] { dataset.skipped }

  /// To the end of the epoch and its checkpoint, or until a signal comes.
  private mutating func trainEpoch() throws -> Int32? {
    let start = Progress.monotonicSeconds()
    let before = state
    var random = state.random
    let order = random.permutation(split.training.count).map { split.training[$0] }
    let progress = progress(images: order.count - before.training.images)
    let loader = try BatchLoader(
      dataset, normalization, augmentation: augmentation, batch: settings.batch, order: order, seed: settings.seed,
      epoch: state.epoch, firstBatch: Self.steps(state.training.images, settings.batch))
    while let batch = try loader.next() {
      try step(batch)
      state.trainingSeconds = before.trainingSeconds + Progress.monotonicSeconds() - start
      progress?.update(state.training.images - before.training.images, state.training.figures)
      if Interruption.signal != 0 {
        try save()
        return Interruption.signal
      }
    }
    let validation = try split.validation.isEmpty ? nil : validate()
    let seconds = before.trainingSeconds + Progress.monotonicSeconds() - start
    progress?.finish(state.training.figures + (validation?.figures.map { ("validation " + $0.name, $0.value) } ?? []))
    state.endEpoch(
      validation: validation, learningRate: rate(step: stepsPerEpoch - 1), seconds: seconds, random: random)
    if keepsBest && state.metrics.best?.epoch == state.epoch { graph = try presentGraph() }
    try save()
    return nil
  }

  private mutating func step(_ batch: Batch) throws {
    let step = state.training.images / settings.batch, rate = rate(step: step)
    let outcome =
      try batch.targets.isEmpty
      ? trainer.step(images: batch.images.span, labels: batch.labels.span, learningRate: rate)
      : trainer.step(
        images: batch.images.span, targets: batch.targets.span, labels: batch.labels.span, learningRate: rate)
    guard outcome.loss.isFinite else { throw diverged("step \(step + 1)") }
    state.training.add(images: batch.count, outcome)
  }

  /// `body` gets each batch's labels once it is evaluated.
  private func validate(averages: Bool, _ body: ([Int32]) throws -> Void = { _ in }) throws -> Totals {
    var totals = Totals()
    let loader = try BatchLoader(dataset, normalization, batch: settings.batch, order: split.validation)
    while let batch = try loader.next() {
      let outcome = try trainer.evaluate(images: batch.images.span, labels: batch.labels.span, averages: averages)
      guard outcome.loss.isFinite else { throw diverged("validation") }
      totals.add(images: batch.count, outcome)
      try body(batch.labels)
    }
    return totals
  }

  private func validate() throws -> Totals { try validate(averages: settings.ema > 0) }

  private func diverged(_ place: String) -> CNNError {
    CNNError(
      "the loss is no longer a number: training has diverged", at: "epoch \(state.epoch + 1), \(place)",
      advice: "begin anew with a lower --learning-rate; the last checkpoint is kept")
  }

  private static func steps(_ images: Int, _ batch: Int) -> Int { (images + batch - 1) / batch }

  private var stepsPerEpoch: Int { Self.steps(split.training.count, settings.batch) }

  /// Of a step of the present epoch.
  private func rate(step: Int) -> Float { schedule[state.epoch * stepsPerEpoch + step] }

  private func progress(images: Int) -> Progress? {
    quiet ? nil : Progress("epoch \(state.epoch + 1)/\(settings.epochs)", total: images)
  }

  // MARK: Which network

  private var keepsBest: Bool { settings.earlyStopping != nil }

  private var hasStopped: Bool {
    guard let patience = settings.earlyStopping, let best = state.metrics.best else { return false }
    return state.epoch - best.epoch >= patience
  }

  /// Of the epoch that model.cnn is from.
  private var modelMetrics: EpochMetrics? { keepsBest ? state.metrics.best : state.metrics.last }

  /// With the averages, where they are kept.
  private func presentGraph() throws -> Graph {
    var graph = graph
    for (index, parameter) in trainer.parameters.enumerated() {
      let values = try settings.ema > 0 ? trainer.average(of: index) : trainer.values(of: index)
      graph.tensors[parameter.name]!.data = .float32(values)
    }
    return graph
  }

  // MARK: Results

  private mutating func save() throws {
    if !keepsBest { graph = try presentGraph() }
    try folder.save(Checkpoint(graph: graph, state: state, trainer: trainer.saveState()))
  }

  /// The first image that is learnt from.
  private func selfTestInput() throws -> [Float] {
    var batch = Batch(normalization)
    try batch.fill(from: dataset, images: split.training.prefix(1))
    return batch.images
  }

  /// Of the network that model.cnn holds, which the trainer becomes; nil where no epoch was done.
  private func report() throws -> RunReport? {
    guard let metrics = modelMetrics else { return nil }
    var report = RunReport(
      settings: settings, metrics: metrics, epochs: state.epoch, skippedFiles: dataset.skipped.count)
    guard !split.validation.isEmpty else { return report }
    for (index, parameter) in trainer.parameters.enumerated() {
      try trainer.setValues(of: index, to: graph.tensors[parameter.name]!.data!.floats!)
    }
    var confusion = ConfusionMatrix(dataset.classNames)
    report.validation = try validate(averages: false) { labels in
      let outputs = try trainer.outputs(), classes = outputs.count / labels.count
      for (image, label) in labels.enumerated() {
        let scores = outputs[image * classes..<(image + 1) * classes]
        let best = scores.indices.reduce(scores.startIndex) { scores[$1] > scores[$0] ? $1 : $0 }
        confusion.add(label: Int(label), taken: best - scores.startIndex)
      }
    }
    report.confusion = confusion
    return report
  }
}
