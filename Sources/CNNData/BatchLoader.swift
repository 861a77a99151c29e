import CNNSupport
import Foundation

/// Makes the batches of an epoch on a thread of its own, so that who learns from them does not wait for decoding and
/// augmentation: while one batch is used, the next two are made.
///
///     let loader = try BatchLoader(dataset, normalization, augmentation: augmentation, batch: 64, order: order,
///       seed: seed, epoch: epoch)
///     while let batch = try loader.next() {
///       try trainer.step(images: batch.images.span, labels: batch.labels.span, learningRate: rate)
///     }
///
/// The batches depend on the arguments alone. A loader is used by one thread at a time.
public final class BatchLoader {
  private let exchange: BatchExchange
  /// In the whole epoch.
  public let batchCount: Int

  /// Begins to make batches at once.
  /// - Parameters:
  ///   - batch: images per batch; the last has what is left.
  ///   - order: the numbers of the epoch's images.
  ///   - seed, epoch: what augmentation depends on, besides an image's position in `order`.
  ///   - firstBatch: how many batches of the epoch are left out, because they were seen before an interruption.
  /// - Throws: `CNNError` if the augmentation is not for images of this size.
  public init(
    _ dataset: Dataset, _ normalization: Normalization, augmentation: Augmentation = Augmentation(), batch: Int,
    order: [Int], seed: UInt64 = 0, epoch: Int = 0, firstBatch: Int = 0
  ) throws(CNNError) {
    precondition(batch > 0 && firstBatch >= 0)
    try augmentation.check(height: dataset.height, width: dataset.width)
    let chance =
      augmentation == Augmentation() ? nil : AugmentationChance(augmentation, seed: seed, epoch: epoch)
    let exchange = BatchExchange(normalization)
    self.exchange = exchange
    batchCount = (order.count + batch - 1) / batch
    let thread = Thread {
      exchange.produce(stride(from: min(firstBatch * batch, order.count), to: order.count, by: batch)) {
        filled, first in
        try filled.fill(
          from: dataset, images: order[first..<min(first + batch, order.count)], firstPosition: first, chance,
          beforeEach: exchange.throwIfCancelled)
      }
    }
    thread.name = "batch-loader"
    thread.start()
  }

  deinit { cancel() }

  /// The next batch, or nil after the last. Its memory is used again later, if the caller keeps no copy.
  /// - Throws: what making it has thrown: `CNNError` with the path of a file that cannot be read.
  public func next() throws -> Batch? { try exchange.next() }

  /// Ends the thread, after the image that it is at. `next` gives nil from then on.
  public func cancel() { exchange.cancel() }
}

/// Where the two threads meet: batches go round between them, so that memory is bounded and used again.
private final class BatchExchange: @unchecked Sendable {
  private struct Cancelled: Error {}

  /// Guards all that follows.
  private let condition = NSCondition()
  /// Oldest first: the one that was given back last may still be referred to.
  private var free: [Batch]
  private var ready: [Batch] = []
  /// With the consumer.
  private var lent: Batch?
  private var failure: (any Error)?
  private var isCancelled = false
  private var isDone = false

  init(_ normalization: Normalization) {
    // One is used, two wait, one is made.
    free = (0..<4).map { _ in Batch(normalization) }
  }

  // MARK: The loader's thread

  func produce(_ starts: some Sequence<Int>, _ fill: (inout Batch, Int) throws -> Void) {
    do {
      for start in starts {
        var batch = try takeFree()
        try fill(&batch, start)
        condition.withLock {
          ready.append(batch)
          condition.broadcast()
        }
      }
    } catch {
      condition.withLock { failure = error is Cancelled ? nil : error }
    }
    condition.withLock {
      isDone = true
      condition.broadcast()
    }
  }

  private func takeFree() throws -> Batch {
    condition.lock()
    defer { condition.unlock() }
    while !isCancelled && (free.isEmpty || ready.count >= 2) { condition.wait() }
    if isCancelled { throw Cancelled() }
    return free.removeFirst()
  }

  func throwIfCancelled() throws {
    if condition.withLock({ isCancelled }) { throw Cancelled() }
  }

  // MARK: The consumer's thread

  func next() throws -> Batch? {
    condition.lock()
    defer { condition.unlock() }
    if let lent { free.append(lent) }
    lent = nil
    condition.broadcast()
    while !isCancelled && ready.isEmpty && !isDone { condition.wait() }
    if isCancelled { return nil }
    guard ready.isEmpty else {
      lent = ready.removeFirst()
      return lent
    }
    if let failure { throw failure }
    return nil
  }

  func cancel() {
    condition.lock()
    defer { condition.unlock() }
    isCancelled = true
    condition.broadcast()
    while !isDone { condition.wait() }
  }
}
