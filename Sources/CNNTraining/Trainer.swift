import CCNNRT
import CNNRT

/// Trains the network of a float bundle. It copies the parameters, learns from batches, and gives the parameters back
/// by name. A trainer belongs to one thread at a time. The same initial parameters, order of images, options and thread
/// count give the same bits on one instruction set.
public final class Trainer {
  public enum Optimizer: Equatable, Sendable {
    /// v = momentum · v + g; w −= rate · v
    case sgd(momentum: Float = 0)
    /// Kingma and Ba (2015).
    case adam(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8)
  }

  public struct Options: Sendable {
    /// Images per step at most.
    public var batch: Int
    /// 1: the calling thread alone.
    public var threads: Int
    public var optimizer: Optimizer
    /// L2: g += weightDecay · w, for every parameter.
    public var weightDecay: Float
    /// running = (1 − m) · running + m · batch
    public var batchNormMomentum: Float

    public init(
      batch: Int, threads: Int = 1, optimizer: Optimizer = .adam(), weightDecay: Float = 0,
      batchNormMomentum: Float = 0.1
    ) {
      self.batch = batch
      self.threads = threads
      self.optimizer = optimizer
      self.weightDecay = weightDecay
      self.batchNormMomentum = batchNormMomentum
    }

    var c: cnnrt_trainer_options {
      var options = cnnrt_trainer_options()
      options.size = MemoryLayout<cnnrt_trainer_options>.size
      options.batch = Int32(clamping: batch)
      options.threads = Int32(clamping: threads)
      switch optimizer {
      case .sgd(let momentum):
        options.optimizer = UInt32(CNNRT_OPTIMIZER_SGD)
        options.momentum = momentum
      case .adam(let beta1, let beta2, let epsilon):
        options.optimizer = UInt32(CNNRT_OPTIMIZER_ADAM)
        options.beta1 = beta1
        options.beta2 = beta2
        options.epsilon = epsilon
      }
      options.weight_decay = weightDecay
      options.batch_norm_momentum = batchNormMomentum
      return options
    }
  }

  /// What a batch gave.
  public struct Outcome: Equatable, Sendable {
    /// Mean cross-entropy over the images, natural logarithm.
    public var loss: Double
    /// Images whose largest output is the label's.
    public var correct: Int
  }

  public struct Parameter: Equatable, Sendable {
    /// Of the constant in the bundle.
    public var name: String
    public var shape: [Int]
    /// Elements.
    public var count: Int
    /// False for running means and variances.
    public var isTrainable: Bool
  }

  public let parameters: [Parameter]
  private let handle: OpaquePointer
  /// Values of one image.
  private let imageCount: Int

  /// Exactly how many bytes a trainer allocates.
  public static func memoryBytes(_ model: Model, _ options: Options) throws(CNNRTError) -> Int {
    var bytes = 0
    var options = options.c
    try check { cnnrt_trainer_memory_size(model.handle, &options, &bytes, $0) }
    return bytes
  }

  /// The model is not needed afterwards.
  public init(_ model: Model, _ options: Options) throws(CNNRTError) {
    var handle: OpaquePointer?
    var c = options.c
    try check { cnnrt_trainer_create(model.handle, &c, &handle, $0) }
    self.handle = handle!
    imageCount = model.inputs[0].count
    parameters = Trainer.parameters(of: handle!)
  }

  deinit { cnnrt_trainer_destroy(handle) }

  private static func parameters(of handle: OpaquePointer) -> [Parameter] {
    (0..<cnnrt_trainer_parameter_count(handle)).map { index in
      var info = cnnrt_parameter_info()
      info.size = MemoryLayout<cnnrt_parameter_info>.size
      _ = cnnrt_trainer_get_parameter_info(handle, index, &info)
      return Parameter(
        name: String(cString: info.name), shape: dimensions(info.shape, rank: info.rank), count: Int(info.count),
        isTrainable: info.trainable != 0)
    }
  }

  // MARK: Learning

  /// One step: forward with batch statistics, backward, update.
  /// - Parameters:
  ///   - images: row-major [labels.count, C, H, W], already normalised.
  ///   - labels: class numbers, `options.batch` of them at most.
  @discardableResult
  public func step(
    images: Span<Float>, labels: Span<Int32>, learningRate: Float
  ) throws(CNNRTError) -> Outcome {
    try run(images, labels) { cnnrt_trainer_step(handle, $0, $1, $2, learningRate, $3, $4) }
  }

  /// Forward and backward as in a step, without the update: leaves the gradients to be read.
  @discardableResult
  public func gradients(images: Span<Float>, labels: Span<Int32>) throws(CNNRTError) -> Outcome {
    try run(images, labels) { cnnrt_trainer_gradients(handle, $0, $1, $2, $3, $4) }
  }

  /// Forward as in inference, with running statistics.
  public func evaluate(images: Span<Float>, labels: Span<Int32>) throws(CNNRTError) -> Outcome {
    try run(images, labels) { cnnrt_trainer_evaluate(handle, $0, $1, $2, $3, $4) }
  }

  private typealias Call = (
    UnsafePointer<Float>?, UnsafePointer<Int32>?, Int32, UnsafeMutablePointer<cnnrt_train_result>,
    UnsafeMutablePointer<cnnrt_error>
  ) -> cnnrt_status

  private func run(_ images: Span<Float>, _ labels: Span<Int32>, _ call: Call) throws(CNNRTError) -> Outcome {
    guard images.count == labels.count * imageCount else {
      throw .wrongArgument("images", "\(images.count) values are not \(labels.count) images of \(imageCount)")
    }
    var result = cnnrt_train_result()
    result.size = MemoryLayout<cnnrt_train_result>.size
    try images.withUnsafeBufferPointer { images throws(CNNRTError) in
      try labels.withUnsafeBufferPointer { labels throws(CNNRTError) in
        try check { call(images.baseAddress, labels.baseAddress, Int32(clamping: labels.count), &result, $0) }
      }
    }
    return Outcome(loss: result.loss, correct: Int(result.correct))
  }

  // MARK: Parameters and state

  /// A parameter's values, row-major (OIHW for convolutions).
  public func values(of index: Int) throws(CNNRTError) -> [Float] {
    try read(index) { cnnrt_trainer_get_parameter(handle, $0, $1, $2, $3) }
  }

  /// The gradient of the last step's mean loss, weight decay not included; row-major.
  public func gradient(of index: Int) throws(CNNRTError) -> [Float] {
    try read(index) { cnnrt_trainer_get_gradient(handle, $0, $1, $2, $3) }
  }

  /// Replaces a parameter's values.
  public func setValues(of index: Int, to values: [Float]) throws(CNNRTError) {
    try check { cnnrt_trainer_set_parameter(handle, UInt32(clamping: index), values, UInt64(values.count), $0) }
  }

  private func read(
    _ index: Int,
    _ call: (UInt32, UnsafeMutablePointer<Float>?, UInt64, UnsafeMutablePointer<cnnrt_error>) -> cnnrt_status
  ) throws(CNNRTError) -> [Float] {
    guard parameters.indices.contains(index) else {
      throw .wrongArgument("index", "there is no parameter \(index); the network has \(parameters.count)")
    }
    var values = [Float](repeating: 0, count: parameters[index].count)
    let count = UInt64(values.count)
    try check { error in values.withUnsafeMutableBufferPointer { call(UInt32(index), $0.baseAddress, count, error) } }
    return values
  }

  /// The whole state: parameters, running statistics, optimiser moments, step count. Loaded into a trainer of the same
  /// network and options, training goes on to the same bits.
  public func saveState() throws(CNNRTError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(cnnrt_trainer_state_size(handle)))
    let count = UInt64(bytes.count)
    try check { error in bytes.withUnsafeMutableBytes { cnnrt_trainer_save_state(handle, $0.baseAddress, count, error) }
    }
    return bytes
  }

  /// Takes a state back; nothing is changed on failure.
  public func loadState(_ bytes: [UInt8]) throws(CNNRTError) {
    try check { cnnrt_trainer_load_state(handle, bytes, UInt64(bytes.count), $0) }
  }
}
