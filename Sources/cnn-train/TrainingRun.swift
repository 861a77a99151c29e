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
  private var batch: Batch
  /// With the parameters of the beginning, or of the checkpoint; the present ones are in the trainer.
  private let graph: Graph
  private var state: RunState
  private let quiet: Bool

  /// - Throws: `CNNError` if the data or the network cannot be used, or are not those of the checkpoint.
  init(_ settings: Settings, folder: RunFolder, checkpoint: Checkpoint?, quiet: Bool) throws {
    self.folder = folder
    self.quiet = quiet
    dataset = try dataSource(settings.data).loadTraining()
    var random = Random(imagesOfRun: settings.seed)
    let validation = settings.validation ?? Split.usualValidation(of: dataset.count)
    split = try Split(count: dataset.count, validation: validation, using: &random)
    let normalization = try Normalization(of: dataset, images: split.training)
    batch = Batch(normalization)
    guard let isa = Library.isa else {
      throw CNNError("names an instruction set that is unknown or that this processor lacks", at: "CNNRT_ISA")
    }
    let beginning = RunState(settings: settings, dataFingerprint: dataset.fingerprint, isa: isa, random: random)
    if let checkpoint { try checkpoint.state.refuseOtherSurroundings(beginning) }
    state = checkpoint?.state ?? beginning
    state.settings = settings
    graph = try checkpoint?.graph ?? untrainedNetwork(settings, dataset, normalization)
    trainer = try Trainer(Model(bytes: BundleWriter(codec: .stored).bytes(of: graph)), settings.trainerOptions)
    if let checkpoint { try trainer.loadState(checkpoint.trainer) }
  }

  /// - Returns: the signal that interrupted the run, or nil when it is done and model.cnn is written.
  mutating func train() throws -> Int32? {
    Interruption.listen()
    try save()
    while state.epoch < settings.epochs {
      if let signal = try trainEpoch() { return signal }
    }
    try folder.save(finishedNetwork(trainedGraph(), state, selfTestInput: selfTestInput()))
    if !quiet { print(summary) }
    return nil
  }

  private var settings: Settings { state.settings }

  /// To the end of the epoch and its checkpoint, or until a signal comes.
  private mutating func trainEpoch() throws -> Int32? {
    let start = Progress.monotonicSeconds()
    let before = state
    var random = state.random
    let order = random.permutation(split.training.count).map { split.training[$0] }
    let progress = progress(images: order.count - before.training.images)
    while state.training.images < order.count {
      try step(order.dropFirst(state.training.images).prefix(settings.batch))
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
    try save()
    return nil
  }

  private mutating func step(_ images: some Collection<Int>) throws {
    let step = state.training.images / settings.batch
    try batch.fill(from: dataset, images: images)
    let result = try trainer.step(images: batch.images.span, labels: batch.labels.span, learningRate: rate(step: step))
    guard result.loss.isFinite else { throw diverged("step \(step + 1)") }
    state.training.add(images: batch.count, meanLoss: result.loss, correct: result.correct)
  }

  private mutating func validate() throws -> Totals {
    var totals = Totals()
    while totals.images < split.validation.count {
      try batch.fill(from: dataset, images: split.validation.dropFirst(totals.images).prefix(settings.batch))
      let result = try trainer.evaluate(images: batch.images.span, labels: batch.labels.span)
      guard result.loss.isFinite else { throw diverged("validation") }
      totals.add(images: batch.count, meanLoss: result.loss, correct: result.correct)
    }
    return totals
  }

  private func diverged(_ place: String) -> CNNError {
    CNNError(
      "the loss is no longer a number: training has diverged", at: "epoch \(state.epoch + 1), \(place)",
      advice: "begin anew with a lower --learning-rate; the last checkpoint is kept")
  }

  private var stepsPerEpoch: Int { (split.training.count + settings.batch - 1) / settings.batch }

  /// Of a step of the present epoch.
  private func rate(step: Int) -> Float {
    settings.schedule.rate(
      settings.learningRate, step: state.epoch * stepsPerEpoch + step, of: settings.epochs * stepsPerEpoch)
  }

  private func progress(images: Int) -> Progress? {
    quiet ? nil : Progress("epoch \(state.epoch + 1)/\(settings.epochs)", total: images)
  }

  // MARK: Results

  private func save() throws {
    try folder.save(Checkpoint(graph: trainedGraph(), state: state, trainer: trainer.saveState()))
  }

  private func trainedGraph() throws -> Graph {
    var graph = graph
    for (index, parameter) in trainer.parameters.enumerated() {
      graph.tensors[parameter.name]!.data = .float32(try trainer.values(of: index))
    }
    return graph
  }

  /// The first image that is learnt from.
  private mutating func selfTestInput() throws -> [Float] {
    try batch.fill(from: dataset, images: split.training.prefix(1))
    return batch.images
  }

  private var summary: String {
    let last = state.metrics.last!
    let epochs = settings.epochs == 1 ? "1 epoch" : "\(settings.epochs) epochs"
    let accuracy = (last.validation ?? last.training).accuracy
    let of = last.validation == nil ? "training" : "validation"
    return "\(folder.file("model.cnn")): \(of) accuracy \(decimals(accuracy, 2)) % after \(epochs)"
  }
}
