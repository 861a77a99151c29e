import CKernels
import CTrainingKernels
import CVector
import Run

// A step of training: the shares of the batch walk through the plan's steps together, from one serial step to the next.
extension Trainer {
  public enum Mode { case evaluate, gradients, learn }

  public struct Result {
    public var loss = 0.0
    public var correct = 0, correctTop5 = 0
    /// Before clipping; 0 where gradients are not clipped.
    public var gradientNorm = 0.0
  }

  /// Works on a batch. `learningRate` counts in mode learn, `usesAverages` in mode evaluate.
  public mutating func run(
    _ mode: Mode, _ batch: Batch, learningRate: Float = 0, usesAverages: Bool = false
  ) -> Result {
    self.batch = batch
    if usesAverages { exchangeAverages() }
    forEachShare(.prepare(mode))
    if mode == .evaluate {
      for i in 0..<plan.layerCount where plan.layers[i].kind == .batchNormalization {
        useRunningStatistics(plan.layers[i])
      }
    }
    var first = 0
    let end = mode == .evaluate ? plan.backwardStart : plan.stepCount
    while first < end {
      var last = first
      while last < end && (mode == .evaluate || !plan.steps[last].isSerial) { last += 1 }
      forEachShare(.steps(first, last, mode))
      if last < end { performSerial(plan.steps[last], mode) }
      first = last + 1
    }
    if usesAverages { exchangeAverages() }
    if mode != .evaluate { forEachShare(.reduce) }
    let result = result(mode)
    if mode == .learn {
      forEachShare(.update(learningRate, clipping: clipping(gradientNorm: result.gradientNorm)))
      updates += 1
    }
    return result
  }

  private func result(_ mode: Mode) -> Result {
    var result = Result(), squares = 0.0
    for share in 0..<plan.shares {
      result.loss += scores[share].loss
      result.correct += Int(scores[share].correct)
      result.correctTop5 += Int(scores[share].correctTop5)
      squares += scores[share].squares
    }
    result.loss /= lossDivisor(learning: mode != .evaluate)
    result.gradientNorm = cv_square_root(squares)
    return result
  }

  private func performSerial(_ step: Step, _ mode: Mode) {
    let layer = plan.layers[step.layer]
    if step.verb == .finishStatistics {
      finishStatistics(layer, updatesRunning: mode == .learn)
    } else {
      finishNorm(layer)
    }
  }
}

// MARK: - Shares

extension Trainer {
  /// What all shares do at the same time.
  enum Task {
    case prepare(Mode)
    /// From one step to before another.
    case steps(Int, Int, Mode)
    /// The shares' gradients to one.
    case reduce
    case update(Float, clipping: Float)
  }

  private func forEachShare(_ task: Task) {
    guard let helpers else { return perform(task, 0) }
    withUnsafePointer(to: Job(trainer: self, task: task)) {
      helpers.run(
        { job, share, _ in
          let job = job!.assumingMemoryBound(to: Job.self)
          job.pointee.trainer.perform(job.pointee.task, Int(share))
        }, $0, parts: plan.shares)
    }
  }

  private struct Job {
    let trainer: Trainer
    let task: Task
  }

  private func perform(_ task: Task, _ share: Int) {
    switch task {
    case .prepare(let mode): prepare(mode, share)
    case .steps(let first, let end, let mode):
      let images = cut(batch.count, share)
      if !images.isEmpty { walk(first, end, mode, images, share) }
    case .reduce:
      let elements = cut(blocksOf: plan.parameters.elements, share)
      reduce(elements.lowerBound, elements.upperBound)
      if options.maxGradientNorm > 0 { scores[share].squares = squares(elements) }
    case .update(let learningRate, let clipping):
      let elements = cut(blocksOf: plan.parameters.elements, share)
      update(elements.lowerBound, elements.upperBound, learningRate: learningRate, clipping: clipping)
      average(elements, statistics: cut(blocksOf: plan.parameters.statisticElements, share))
    }
  }

  /// A share's part of `count` things: the same for the same numbers.
  func cut(_ count: Int, _ share: Int) -> Range<Int> {
    count * share / plan.shares..<count * (share + 1) / plan.shares
  }

  /// Whether they are the last that a share works on.
  func isLast(_ images: Images) -> Bool { images.first + images.count == cut(batch.count, images.share).upperBound }

  /// Of elements that come in blocks of 16.
  private func cut(blocksOf elements: Int, _ share: Int) -> Range<Int> {
    let blocks = cut(elements / 16, share)
    return blocks.lowerBound * 16..<blocks.upperBound * 16
  }

  private func prepare(_ mode: Mode, _ share: Int) {
    scores[share] = Score()
    guard mode != .evaluate else { return }
    (partials + share * plan.parameters.elements).initialize(repeating: 0, count: plan.parameters.elements)
    for i in 0..<plan.layerCount { begin(plan.layers[i], share: share) }
  }

  /// Image by image through as many steps as possible, while it is in the cache.
  private func walk(_ first: Int, _ end: Int, _ mode: Mode, _ images: Range<Int>, _ share: Int) {
    var step = first
    while step < end {
      var last = step
      while last < end && !plan.steps[last].isWhole { last += 1 }
      if step == last {
        perform(plan.steps[step], mode, Images(first: images.lowerBound, count: images.count, share: share))
        step += 1
        continue
      }
      for image in images {
        for i in step..<last { perform(plan.steps[i], mode, Images(first: image, share: share)) }
      }
      step = last
    }
  }

  @inline(never) private func perform(_ step: Step, _ mode: Mode, _ images: Images) {
    switch step.verb {
    case .input: importImages(images)
    case .loss: loss(learning: mode != .evaluate, images.first, images.count, images.share)
    case .statistics: if mode != .evaluate { statistics(plan.layers[step.layer], images) }
    case .forward: forward(plan.layers[step.layer], mode, images)
    case .mask: mask(step, plan.layers[step.layer], images)
    case .parameterGradient: parameterGradient(plan.layers[step.layer], images)
    case .inputGradient: inputGradient(plan.layers[step.layer], step, images)
    case .copyGradient: copyGradient(step, images)
    case .addGradient: addGradient(step, images)
    case .finishStatistics, .finishParameterGradient: break
    }
  }
}
