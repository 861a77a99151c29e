import Bundle
import CBundle
import CKernels
import CPlatform
import CTrainingKernels
import Run

/// The options of a trainer, checked and with the defaults filled in.
public struct TrainingOptions {
  public var batch = 1, shares = 1
  public var usesAdam = false
  public var momentum: Float = 0
  public var beta1 = 0.9, beta2 = 0.999
  public var epsilon: Float = 1e-8
  public var weightDecay: Float = 0
  public var batchNormMomentum = 0.1

  public init() {}
}

/// A network that learns. It lies at the beginning of the one region of memory that holds all it needs, and holds
/// pointers into that.
public struct Trainer {
  let options: TrainingOptions
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
  /// Updates made.
  var updates: Int64 = 0
  var scores: UnsafeMutablePointer<Score>
  var batch = Batch()
  /// The threads that work on the other shares.
  var helpers: Helpers?

  /// What is worked on.
  struct Batch {
    var images: UnsafePointer<Float>?
    var labels: UnsafePointer<Int32>?
    var count = 0
  }

  /// A share's part of the result, in a cache line of its own.
  struct Score {
    var loss = 0.0
    var correct: Int64 = 0
    var padding = InlineArray<6, Int64>(repeating: 0)
  }

  /// Bytes that `make` needs.
  public static func memorySize(_ model: Model, _ options: TrainingOptions) throws(Failure) -> Int {
    var counter = Arena(nil)
    _ = counter.take(Trainer.self, 1)
    _ = TrainingPlan(model, batch: options.batch, shares: options.shares, lists: &counter)
    // Planning needs its lists; they end up in the trainer's own memory.
    let bytes = counter.used
    let scratch = try allocateMemory(bytes, limit: .max)
    defer { cp_free(scratch) }
    var lists = Arena(scratch)
    guard var plan = TrainingPlan(model, batch: options.batch, shares: options.shares, lists: &lists) else {
      throw .tooLarge
    }
    try plan.make(model, &counter)
    _ = Arrays(plan, options, &counter)
    guard counter.used < Int.max / 4 else { throw .tooLarge }
    return counter.used
  }

  /// Makes a trainer in `memory` (aligned to 64), of `memorySize` bytes.
  public static func make(
    _ model: Model, _ options: TrainingOptions, kernels: cnn_kernels, training: cnn_training_kernels,
    in memory: UnsafeMutableRawPointer
  ) throws(Failure) -> UnsafeMutablePointer<Trainer> {
    var arena = Arena(memory)
    guard let trainer = arena.take(Trainer.self, 1),
      var plan = TrainingPlan(model, batch: options.batch, shares: options.shares, lists: &arena)
    else {
      throw .tooLarge
    }
    try plan.make(model, &arena)
    guard let arrays = Arrays(plan, options, &arena) else { throw .tooLarge }
    trainer.initialize(
      to: Trainer(
        options: options, kernels: kernels, training: training, plan: plan, values: arrays.values,
        gradients: arrays.gradients, moment1: arrays.moment1, moment2: arrays.moment2, partials: arrays.partials,
        statistics: arrays.statistics, scores: arrays.scores))
    trainer.pointee.copyParameters(model)
    if options.shares > 1 { trainer.pointee.helpers = try Helpers(options.shares - 1) }
    return trainer
  }

  public func end() { helpers?.release() }

  /// The arrays of all parameters; nil where the arena only counts.
  private struct Arrays {
    let values: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>
    let partials: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>
    let moment1: UnsafeMutablePointer<Float>?, moment2: UnsafeMutablePointer<Float>?
    let scores: UnsafeMutablePointer<Score>

    init?(_ plan: TrainingPlan, _ options: TrainingOptions, _ arena: inout Arena) {
      let count = plan.parameters.elements
      let values = Self.zeros(count, &arena), gradients = Self.zeros(count, &arena)
      // A single share sums up in place.
      let partials = options.shares == 1 ? gradients : Self.zeros(product(count, options.shares) ?? -1, &arena)
      let statistics = Self.zeros(plan.parameters.statisticElements, &arena)
      moment1 = options.usesAdam || options.momentum != 0 ? Self.zeros(count, &arena) : nil
      moment2 = options.usesAdam ? Self.zeros(count, &arena) : nil
      let scores = arena.take(Score.self, options.shares)
      guard let values, let gradients, let partials, let statistics, let scores else { return nil }
      self.values = values
      self.gradients = gradients
      self.partials = partials
      self.statistics = statistics
      self.scores = scores
    }

    private static func zeros(_ count: Int, _ arena: inout Arena) -> UnsafeMutablePointer<Float>? {
      let array = arena.take(Float.self, count)
      array?.initialize(repeating: 0, count: count)
      return array
    }
  }

  private func copyParameters(_ model: Model) {
    for i in 0..<plan.parameters.count {
      let p = plan.parameters.list[i], t = model.tensor(p.tensor)
      let source = model.data(p.tensor).assumingMemoryBound(to: Float.self)
      if t.layout == UInt32(CNNB_LAYOUT_PLAIN) {
        p.order.copyFromPlain(source, array(p))
      } else {
        array(p).update(from: source, count: p.order.paddedCount)
      }
    }
  }
}

// MARK: - Parameters

extension Trainer {
  public var classes: Int { plan.buffers[plan.logits].shape.channels }
  public var largestBatch: Int { options.batch }
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
    parameter(index).order.copyToPlain(values(index), out)
  }
  public func setValues(_ index: Int, _ plain: UnsafePointer<Float>) {
    parameter(index).order.copyFromPlain(plain, values(index))
  }
  /// Of a trainable parameter.
  public func getGradient(_ index: Int, _ out: UnsafeMutablePointer<Float>) {
    parameter(index).order.copyToPlain(gradients + parameter(index).start, out)
  }
}
