import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform
import CTrainingKernels
import Plan
import Run

/// The options of a trainer, checked and with the defaults filled in.
public struct TrainingOptions {
  public enum Optimizer { case sgd, adam, adamW }

  public var batch = 1, shares = 1
  public var optimizer = Optimizer.sgd
  public var momentum: Float = 0
  public var beta1 = 0.9, beta2 = 0.999
  public var epsilon: Float = 1e-8
  public var weightDecay: Float = 0
  public var batchNormMomentum = 0.1
  public var labelSmoothing = 0.0
  /// One for each class, or none. The caller's until a trainer is made, which copies them.
  public var classWeights: UnsafePointer<Float>?
  public var classWeightCount = 0
  /// 0: gradients are not clipped.
  public var maxGradientNorm = 0.0
  /// 0: no averages are kept.
  public var averageDecay = 0.0
  /// Of what is random in a step; with `Trainer.updates`, the number of the step, it decides that.
  public var seed: UInt64 = 0

  public init() {}

  var isAdam: Bool { optimizer != .sgd }
}

/// A network that learns. It lies at the beginning of the one region of memory that holds all it needs, and holds
/// pointers into that.
public struct Trainer {
  var options: TrainingOptions
  let kernels: cnn_kernels
  let training: cnn_training_kernels
  var plan: TrainingPlan
  /// All trainable parameters in kernel order, one after another, and as long: the gradients of the last step, the
  /// optimiser's moments (the first is SGD's velocity) and each share's sums of gradients.
  var values: UnsafeMutablePointer<Float>
  var gradients: UnsafeMutablePointer<Float>
  var moment1: UnsafeMutablePointer<Float>?, moment2: UnsafeMutablePointer<Float>?
  var partials: UnsafeMutablePointer<Float>
  /// Running means and variances.
  var statistics: UnsafeMutablePointer<Float>
  /// Where the options ask for them.
  var averages: Averages?
  /// The logits of the last batch, [images, classes].
  var outputs: UnsafeMutablePointer<Float>
  /// Updates made.
  var updates: Int64 = 0
  var scores: UnsafeMutablePointer<Score>
  public internal(set) var batch = Batch()
  /// The threads that work on the other shares.
  var helpers: Helpers?

  /// What is worked on: images and what they show, as labels or as probabilities of the classes.
  public struct Batch {
    var images: UnsafePointer<Float>?
    var labels: UnsafePointer<Int32>?
    var targets: UnsafePointer<Float>?
    /// 1 … the batch of the options; 0 before the first.
    public private(set) var count = 0

    init() {}
    /// One of `labels`, checked, and `targets` may be nil.
    public init(
      images: UnsafePointer<Float>, labels: UnsafePointer<Int32>?, targets: UnsafePointer<Float>?, count: Int
    ) {
      (self.images, self.labels, self.targets, self.count) = (images, labels, targets, count)
    }
  }

  /// A share's part of the result, in a cache line of its own.
  struct Score {
    var loss = 0.0
    var correct: Int64 = 0, correctTop5: Int64 = 0
    /// Of the gradients that it adds up.
    var squares = 0.0
    var padding = InlineArray<4, Int64>(repeating: 0)
  }

  /// Bytes that `make` needs.
  public static func memorySize(_ network: UnsafePointer<Network>, _ options: TrainingOptions) throws(Failure) -> Int {
    var counter = Arena(nil)
    _ = counter.take(Trainer.self, 1)
    _ = TrainingPlan(network, batch: options.batch, shares: options.shares, lists: &counter)
    // Planning needs its lists; they end up in the trainer's own memory.
    let bytes = counter.used
    let scratch = try allocateMemory(bytes, limit: .max)
    defer { cp_free(scratch) }
    var lists = Arena(scratch)
    guard var plan = TrainingPlan(network, batch: options.batch, shares: options.shares, lists: &lists) else {
      throw .tooLarge
    }
    try plan.make(&counter)
    try options.check(classes: plan.classes)
    _ = Arrays(plan, options, &counter)
    guard counter.used < Int.max / 4 else { throw .tooLarge }
    return counter.used
  }

  /// Makes a trainer in `memory` (aligned to 64), of `memorySize` bytes.
  public static func make(
    _ network: UnsafePointer<Network>, _ options: TrainingOptions,
    in memory: UnsafeMutableRawPointer
  ) throws(Failure) -> UnsafeMutablePointer<Trainer> {
    var arena = Arena(memory)
    guard let trainer = arena.take(Trainer.self, 1),
      var plan = TrainingPlan(network, batch: options.batch, shares: options.shares, lists: &arena)
    else {
      throw .tooLarge
    }
    try plan.make(&arena)
    try options.check(classes: plan.classes)
    guard let arrays = Arrays(plan, options, &arena) else { throw .tooLarge }
    var options = options
    options.classWeights = arrays.classWeights
    trainer.initialize(
      to: Trainer(
        options: options, kernels: network.pointee.kernels, training: network.pointee.isa.trainingKernels, plan: plan,
        values: arrays.values,
        gradients: arrays.gradients, moment1: arrays.moment1, moment2: arrays.moment2, partials: arrays.partials,
        statistics: arrays.statistics, averages: arrays.averages, outputs: arrays.outputs, scores: arrays.scores))
    trainer.pointee.copyParameters(network.pointee.model)
    for i in 0..<plan.layerCount { trainer.pointee.bind(plan.layers[i]) }
    trainer.pointee.beginAverages()
    if options.shares > 1 { trainer.pointee.helpers = try Helpers(options.shares - 1) }
    return trainer
  }

  public func end() { helpers?.release() }

  /// The arrays of all parameters; nil where the arena only counts.
  private struct Arrays {
    let values: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>
    let partials: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>
    let moment1: UnsafeMutablePointer<Float>?, moment2: UnsafeMutablePointer<Float>?
    let averages: Averages?
    let outputs: UnsafeMutablePointer<Float>
    let classWeights: UnsafePointer<Float>?
    let scores: UnsafeMutablePointer<Score>

    init?(_ plan: TrainingPlan, _ options: TrainingOptions, _ arena: inout Arena) {
      let count = plan.parameters.elements
      let values = Self.zeros(count, &arena), gradients = Self.zeros(count, &arena)
      // A single share sums up in place.
      let partials = options.shares == 1 ? gradients : Self.zeros(product(count, options.shares) ?? -1, &arena)
      let statistics = Self.zeros(plan.parameters.statisticElements, &arena)
      moment1 = options.isAdam || options.momentum != 0 ? Self.zeros(count, &arena) : nil
      moment2 = options.isAdam ? Self.zeros(count, &arena) : nil
      averages = options.averageDecay > 0 ? Averages(plan.parameters, &arena) : nil
      let outputs = Self.zeros(product(options.batch, plan.classes) ?? -1, &arena)
      classWeights = Self.copy(options.classWeights, options.classWeightCount, &arena)
      let scores = arena.take(Score.self, options.shares)
      guard let values, let gradients, let partials, let statistics, let outputs, let scores else { return nil }
      self.values = values
      self.gradients = gradients
      self.partials = partials
      self.statistics = statistics
      self.outputs = outputs
      self.scores = scores
    }

    private static func zeros(_ count: Int, _ arena: inout Arena) -> UnsafeMutablePointer<Float>? {
      let array = arena.take(Float.self, count)
      array?.initialize(repeating: 0, count: count)
      return array
    }

    private static func copy(
      _ source: UnsafePointer<Float>?, _ count: Int, _ arena: inout Arena
    ) -> UnsafePointer<Float>? {
      guard let source, count > 0 else { return nil }
      let array = arena.take(Float.self, count)
      array?.initialize(from: source, count: count)
      return UnsafePointer(array)
    }
  }

  private func copyParameters(_ model: Model) {
    for i in 0..<plan.parameters.count {
      let p = plan.parameters.list[i], t = model.tensor(p.tensor)
      let source = model.data(p.tensor).assumingMemoryBound(to: Float.self)
      if t.layout == UInt32(CNNB_LAYOUT_PLAIN) && p.packed == nil {
        p.copyFromPlain(source, array(p))
      } else {
        array(p).update(from: source, count: Int(t.data_bytes) / 4)
      }
    }
  }
}

// MARK: - Parameters

extension Trainer {
  public var classes: Int { plan.classes }
  public var largestBatch: Int { options.batch }
  public var keepsAverages: Bool { averages != nil }
  public var parameterCount: Int { plan.parameters.count }
  public func parameter(_ index: Int) -> Parameter { plan.parameters.list[index] }

  /// A parameter's values, in kernel order.
  func array(_ p: Parameter) -> UnsafeMutablePointer<Float> { (p.trainable ? values : statistics) + p.start }
  func values(_ index: Int) -> UnsafeMutablePointer<Float> { array(plan.parameters.list[index]) }
  /// A share's sums of a parameter's gradient; nil for no parameter.
  func partial(_ index: Int) -> UnsafeMutablePointer<Float>? {
    index < 0 ? nil : partials + plan.parameters.list[index].start
  }
  /// Bytes from a share's sums to the next share's.
  var partialBytes: Int { 4 * plan.parameters.elements }

  public func getValues(_ index: Int, _ out: UnsafeMutablePointer<Float>) {
    parameter(index).copyToPlain(values(index), out)
  }
  public func setValues(_ index: Int, _ plain: UnsafePointer<Float>) {
    parameter(index).copyFromPlain(plain, values(index))
    if let average = average(index) { parameter(index).copyFromPlain(plain, average) }
  }
  /// Of a trainable parameter.
  public func getGradient(_ index: Int, _ out: UnsafeMutablePointer<Float>) {
    parameter(index).copyToPlain(gradients + parameter(index).start, out)
  }
  /// False, and nothing is written, where no averages are kept.
  public func getAverage(_ index: Int, _ out: UnsafeMutablePointer<Float>) -> Bool {
    guard let average = average(index) else { return false }
    parameter(index).copyToPlain(average, out)
    return true
  }
  /// Of the last batch, [batch.count, classes].
  public func getOutputs(_ out: UnsafeMutablePointer<Float>) { out.update(from: outputs, count: batch.count * classes) }
}

extension TrainingPlan {
  var classes: Int { buffers[logits].shape.channels * buffers[logits].shape.pixels }
}

extension TrainingOptions {
  fileprivate func check(classes: Int) throws(Failure) {
    guard classWeightCount == 0 || classWeightCount == classes else {
      throw Failure(
        CNNRT_ERROR_INVALID_ARGUMENT, "class_weight_count is % and the network has % classes.", classWeightCount,
        classes
      ).at("options")
    }
    for c in 0..<classWeightCount where !(classWeights![c] >= 0 && classWeights![c] < .infinity) {
      throw Failure(CNNRT_ERROR_INVALID_ARGUMENT, "the weight of class % must be finite and at least 0.", c)
        .at("options")
    }
  }
}
