import CCNNRT
import CNNRT

/// Trains the network of a float bundle. It copies the parameters, learns from batches, and gives the parameters back
/// by name. A trainer belongs to one thread at a time. The same initial parameters, order of images, options and thread
/// count give the same bits on one instruction set.
public final class Trainer {
  /// How a step makes new parameters of the gradients g.
  public enum Optimizer: Equatable, Sendable {
    /// v = momentum · v + g; w −= rate · v
    case sgd(momentum: Float = 0)
    /// Kingma and Ba (2015).
    case adam(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8)
    /// Adam with decoupled weight decay: w −= rate · weightDecay · w (Loshchilov and Hutter 2017).
    case adamW(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8)

    /// PyTorch's: 0.01 for AdamW, none for the others.
    public var usualWeightDecay: Float {
      if case .adamW = self { 0.01 } else { 0 }
    }
  }

  /// How a trainer learns.
  public struct Options: Sendable {
    /// Images per step at most.
    public var batch: Int
    /// 1: the calling thread alone.
    public var threads: Int
    /// How a step makes new parameters of the gradients.
    public var optimizer: Optimizer
    /// L2 for SGD and Adam: g += weightDecay · w; decoupled for AdamW. For every parameter, as in PyTorch.
    public var weightDecay: Float
    /// running = (1 − m) · running + m · batch
    public var batchNormMomentum: Float
    /// The share of a target that is spread over all classes, 0 … 1.
    public var labelSmoothing: Float
    /// How much each class counts; none: all alike. The loss is divided by the sum of the labels' weights.
    public var classWeights: [Float]
    /// Gradients are scaled so that their L2 norm over all parameters is at most this; 0: they are not.
    public var maxGradientNorm: Float
    /// average = d · average + (1 − d) · w after each step, of parameters and running statistics; 0: none are kept.
    public var averageDecay: Float
    /// Of what is random in a step: dropout.
    public var seed: UInt64

    /// Adam and the plain loss, unless told otherwise. A weight decay of nil is the optimizer's usual one.
    public init(
      batch: Int, threads: Int = 1, optimizer: Optimizer = .adam(), weightDecay: Float? = nil,
      batchNormMomentum: Float = 0.1, labelSmoothing: Float = 0, classWeights: [Float] = [],
      maxGradientNorm: Float = 0, averageDecay: Float = 0, seed: UInt64 = 0
    ) {
      self.batch = batch
      self.threads = threads
      self.optimizer = optimizer
      self.weightDecay = weightDecay ?? optimizer.usualWeightDecay
      self.batchNormMomentum = batchNormMomentum
      self.labelSmoothing = labelSmoothing
      self.classWeights = classWeights
      self.maxGradientNorm = maxGradientNorm
      self.averageDecay = averageDecay
      self.seed = seed
    }

    /// Calls `body` with the options as the library takes them.
    func withC<Result>(
      _ body: (UnsafePointer<cnnrt_trainer_options>) throws(CNNRTError) -> Result
    ) throws(CNNRTError) -> Result {
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
        (options.beta1, options.beta2, options.epsilon) = (beta1, beta2, epsilon)
      case .adamW(let beta1, let beta2, let epsilon):
        options.optimizer = UInt32(CNNRT_OPTIMIZER_ADAMW)
        (options.beta1, options.beta2, options.epsilon) = (beta1, beta2, epsilon)
      }
      options.weight_decay = weightDecay
      options.batch_norm_momentum = batchNormMomentum
      options.label_smoothing = labelSmoothing
      options.max_gradient_norm = maxGradientNorm
      options.ema_decay = averageDecay
      options.seed = seed
      return try classWeights.withUnsafeBufferPointer { weights throws(CNNRTError) in
        options.class_weights = weights.baseAddress
        options.class_weight_count = UInt32(clamping: weights.count)
        return try body(&options)
      }
    }
  }

  /// What a batch gave.
  public struct Outcome: Equatable, Sendable {
    /// Mean cross-entropy over the images, natural logarithm. Of a step with smoothing and class weights, of an
    /// evaluation without.
    public var loss: Double
    /// Images whose largest output is the label's.
    public var correct: Int
    /// Images whose label's output is among the five largest.
    public var correctTop5: Int
    /// L2 norm of the gradients before they were clipped; 0 where they are not.
    public var gradientNorm: Double
  }

  /// A constant of the network that learning changes.
  public struct Parameter: Equatable, Sendable {
    /// Of the constant in the bundle.
    public var name: String
    /// In ONNX's order: OIHW for convolutions.
    public var shape: [Int]
    /// Elements.
    public var count: Int
    /// False for running means and variances.
    public var isTrainable: Bool
  }

  /// In the order of their indices.
  public let parameters: [Parameter]
  private let handle: OpaquePointer
  /// Values of one image, and of its outputs.
  private let imageCount: Int, classes: Int
  /// Images of the last batch.
  private var lastCount = 0

  /// Exactly how many bytes a trainer allocates.
  public static func memoryBytes(_ model: Model, _ options: Options) throws(CNNRTError) -> Int {
    var bytes = 0
    try options.withC { options throws(CNNRTError) in
      try check { cnnrt_trainer_memory_size(model.handle, options, &bytes, $0) }
    }
    return bytes
  }

  /// The model is not needed afterwards.
  public init(_ model: Model, _ options: Options) throws(CNNRTError) {
    var handle: OpaquePointer?
    try options.withC { options throws(CNNRTError) in
      try check { cnnrt_trainer_create(model.handle, options, &handle, $0) }
    }
    self.handle = handle!
    imageCount = model.inputs[0].count
    classes = model.outputs[0].count
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
  ///   - learningRate: the size of the step.
  @discardableResult
  public func step(
    images: Span<Float>, labels: Span<Int32>, learningRate: Float
  ) throws(CNNRTError) -> Outcome {
    try run(images, labels, targets: nil) { cnnrt_trainer_step_batch(handle, $0, learningRate, $1, $2) }
  }

  /// One step with a probability for each class in place of a label, as images have that are mixed of two.
  /// - Parameters:
  ///   - images: row-major [labels.count, C, H, W], already normalised.
  ///   - targets: row-major [labels.count, classes].
  ///   - labels: what counts as correct.
  ///   - learningRate: the size of the step.
  @discardableResult
  public func step(
    images: Span<Float>, targets: Span<Float>, labels: Span<Int32>, learningRate: Float
  ) throws(CNNRTError) -> Outcome {
    guard targets.count == labels.count * classes else {
      throw .wrongArgument("targets", "\(targets.count) values are not \(labels.count) images' \(classes) classes")
    }
    return try targets.withUnsafeBufferPointer { targets throws(CNNRTError) in
      try run(images, labels, targets: targets.baseAddress) {
        cnnrt_trainer_step_batch(handle, $0, learningRate, $1, $2)
      }
    }
  }

  /// Forward and backward as in a step, without the update: leaves the gradients to be read.
  @discardableResult
  public func gradients(images: Span<Float>, labels: Span<Int32>) throws(CNNRTError) -> Outcome {
    try run(images, labels, targets: nil) { cnnrt_trainer_gradients_batch(handle, $0, $1, $2) }
  }

  /// Forward as in inference, with running statistics.
  /// - Parameters:
  ///   - images: row-major [labels.count, C, H, W], already normalised.
  ///   - labels: class numbers, `options.batch` of them at most.
  ///   - averages: with the averages in place of parameters and statistics; the options must ask for them.
  public func evaluate(
    images: Span<Float>, labels: Span<Int32>, averages: Bool = false
  ) throws(CNNRTError) -> Outcome {
    try run(images, labels, targets: nil, flags: averages ? CNNRT_BATCH_AVERAGES : 0) {
      cnnrt_trainer_evaluate_batch(handle, $0, $1, $2)
    }
  }

  /// The last batch's outputs before softmax, row-major [images, classes].
  public func outputs() throws(CNNRTError) -> [Float] {
    var values = [Float](repeating: 0, count: lastCount * classes)
    let count = UInt64(values.count)
    try check { error in
      values.withUnsafeMutableBufferPointer { cnnrt_trainer_get_outputs(handle, $0.baseAddress, count, error) }
    }
    return values
  }

  private typealias Call = (
    UnsafePointer<cnnrt_train_batch>, UnsafeMutablePointer<cnnrt_train_result>, UnsafeMutablePointer<cnnrt_error>
  ) -> cnnrt_status

  private func run(
    _ images: Span<Float>, _ labels: Span<Int32>, targets: UnsafePointer<Float>?, flags: Int = 0, _ call: Call
  ) throws(CNNRTError) -> Outcome {
    guard images.count == labels.count * imageCount else {
      throw .wrongArgument("images", "\(images.count) values are not \(labels.count) images of \(imageCount)")
    }
    var result = cnnrt_train_result()
    result.size = MemoryLayout<cnnrt_train_result>.size
    try images.withUnsafeBufferPointer { images throws(CNNRTError) in
      try labels.withUnsafeBufferPointer { labels throws(CNNRTError) in
        var batch = cnnrt_train_batch()
        batch.size = MemoryLayout<cnnrt_train_batch>.size
        batch.images = images.baseAddress
        batch.labels = labels.baseAddress
        batch.targets = targets
        batch.count = Int32(clamping: labels.count)
        batch.flags = UInt32(flags)
        try check { call(&batch, &result, $0) }
      }
    }
    lastCount = labels.count
    return Outcome(
      loss: result.loss, correct: Int(result.correct), correctTop5: Int(result.correct_top5),
      gradientNorm: result.gradient_norm)
  }

  // MARK: Parameters and state

  /// A parameter's values, row-major (OIHW for convolutions).
  public func values(of index: Int) throws(CNNRTError) -> [Float] {
    try read(index) { cnnrt_trainer_get_parameter(handle, $0, $1, $2, $3) }
  }

  /// A parameter's average, row-major; the options must ask for averages.
  public func average(of index: Int) throws(CNNRTError) -> [Float] {
    try read(index) { cnnrt_trainer_get_average(handle, $0, $1, $2, $3) }
  }

  /// The gradient of the last step's mean loss, without weight decay and clipping; row-major.
  public func gradient(of index: Int) throws(CNNRTError) -> [Float] {
    try read(index) { cnnrt_trainer_get_gradient(handle, $0, $1, $2, $3) }
  }

  /// Replaces a parameter's values, and its average.
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

  /// The whole state: parameters, running statistics, their averages, optimiser moments, step count, seed. Loaded into a trainer of the same
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
