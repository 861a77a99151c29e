import CCNNRT
import CNNModel
import CNNSupport

/// A failed call: what the library said.
struct CallError: Error, CustomStringConvertible {
  var status: cnnrt_status
  var place: String
  var message: String
  var description: String { "\(place): \(message) (status \(status.rawValue))" }
}

/// Runs `body` and throws what it describes when its status is not OK.
func check(_ body: (UnsafeMutablePointer<cnnrt_error>) -> cnnrt_status) throws(CallError) {
  var error = cnnrt_error()
  error.size = MemoryLayout<cnnrt_error>.size
  let status = body(&error)
  guard status != CNNRT_OK else { return }
  func text<T>(_ chars: T) -> String {
    withUnsafeBytes(of: chars) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
  throw CallError(status: status, place: text(error.where), message: text(error.message))
}

/// What to train with, with the tests' defaults.
struct Options {
  var batch = 4
  var threads = 1
  var optimizer = CNNRT_OPTIMIZER_SGD
  var momentum: Float = 0
  var weightDecay: Float = 0
  var labelSmoothing: Float = 0
  var classWeights: [Float] = []
  var maxGradientNorm: Float = 0
  var emaDecay: Float = 0
  var seed: UInt64 = 0

  func withC<Result>(
    _ body: (UnsafePointer<cnnrt_trainer_options>) throws(CallError) -> Result
  ) throws(CallError) -> Result {
    var options = cnnrt_trainer_options()
    options.size = MemoryLayout<cnnrt_trainer_options>.size
    options.batch = Int32(batch)
    options.threads = Int32(threads)
    options.optimizer = UInt32(optimizer)
    options.momentum = momentum
    options.weight_decay = weightDecay
    options.label_smoothing = labelSmoothing
    options.max_gradient_norm = maxGradientNorm
    options.ema_decay = emaDecay
    options.seed = seed
    return try classWeights.withUnsafeBufferPointer { weights throws(CallError) in
      options.class_weights = weights.baseAddress
      options.class_weight_count = UInt32(weights.count)
      return try body(&options)
    }
  }
}

/// Images and their labels.
struct Batch {
  var images: [Float]
  var labels: [Int32]
  /// [images, classes], where they are to be learnt from in place of the labels.
  var targets: [Float] = []

  init(images: [Float], labels: [Int32]) {
    self.images = images
    self.labels = labels
  }

  /// Noise, for a graph.
  init(_ graph: Graph, count: Int, random: inout Random) {
    let elements = graph.tensors[graph.inputs[0]]!.count, classes = graph.tensors[graph.outputs[0]]!.shape[1]
    images = (0..<count * elements).map { _ in random.uniform(-1, 1) }
    labels = (0..<count).map { _ in Int32(random.below(classes)) }
  }
}

/// A `cnnrt_trainer`, over a bundle made from a graph. The model is closed at once: the trainer does not need it.
final class Trainer {
  let handle: OpaquePointer
  let memorySize: Int
  /// Values of one image.
  private let imageCount: Int

  init(_ graph: Graph, _ options: Options, isa: String? = nil) throws {
    let bytes = try BundleWriter(codec: .stored).bytes(of: graph)
    var model: OpaquePointer?
    var modelOptions = cnnrt_model_options()
    modelOptions.size = MemoryLayout<cnnrt_model_options>.size
    modelOptions.flags = UInt32(CNNRT_MODEL_COPY)
    let name = Array((isa ?? "").utf8CString)
    try name.withUnsafeBufferPointer { name throws(CallError) in
      modelOptions.isa = isa == nil ? nil : name.baseAddress
      try check { cnnrt_model_open_memory(bytes, bytes.count, &modelOptions, &model, $0) }
    }
    defer { cnnrt_model_close(model) }
    var size = 0, trainer: OpaquePointer?
    try options.withC { options throws(CallError) in
      try check { cnnrt_trainer_memory_size(model, options, &size, $0) }
      try check { cnnrt_trainer_create(model, options, &trainer, $0) }
    }
    handle = trainer!
    memorySize = size
    imageCount = graph.tensors[graph.inputs[0]]!.count
  }

  deinit { cnnrt_trainer_destroy(handle) }

  var names: [String] { parameters.map(\.name) }

  struct ParameterInfo {
    var name: String
    var shape: [Int]
    var isTrainable: Bool
    var count: Int
  }

  var parameters: [ParameterInfo] {
    (0..<cnnrt_trainer_parameter_count(handle)).map { index in
      var info = cnnrt_parameter_info()
      info.size = MemoryLayout<cnnrt_parameter_info>.size
      precondition(cnnrt_trainer_get_parameter_info(handle, index, &info) == CNNRT_OK)
      let shape = withUnsafeBytes(of: info.shape) { Array($0.bindMemory(to: Int64.self).prefix(Int(info.rank))) }
      return ParameterInfo(
        name: String(cString: info.name), shape: shape.map { Int($0) }, isTrainable: info.trainable != 0,
        count: Int(info.count))
    }
  }

  private func index(_ name: String) -> Int { names.firstIndex(of: name)! }

  subscript(name: String) -> [Float] {
    get {
      let index = index(name)
      var values = [Float](repeating: .nan, count: parameters[index].count)
      let status = cnnrt_trainer_get_parameter(handle, UInt32(index), &values, UInt64(values.count), nil)
      precondition(status == CNNRT_OK)
      return values
    }
    set {
      let status = cnnrt_trainer_set_parameter(handle, UInt32(index(name)), newValue, UInt64(newValue.count), nil)
      precondition(status == CNNRT_OK)
    }
  }

  func gradient(_ name: String) throws(CallError) -> [Float] {
    let index = index(name)
    var values = [Float](repeating: .nan, count: parameters[index].count)
    let count = UInt64(values.count)
    try check { cnnrt_trainer_get_gradient(handle, UInt32(index), &values, count, $0) }
    return values
  }

  func average(_ name: String) throws(CallError) -> [Float] {
    let index = index(name)
    var values = [Float](repeating: .nan, count: parameters[index].count)
    let count = UInt64(values.count)
    try check { cnnrt_trainer_get_average(handle, UInt32(index), &values, count, $0) }
    return values
  }

  func outputs(_ count: Int) throws(CallError) -> [Float] {
    var values = [Float](repeating: .nan, count: count)
    try check { cnnrt_trainer_get_outputs(handle, &values, UInt64(count), $0) }
    return values
  }

  @discardableResult
  func step(_ batch: Batch, rate: Float) throws(CallError) -> cnnrt_train_result {
    guard batch.targets.isEmpty else {
      return try run(batch) { cnnrt_trainer_step_batch(handle, $0, rate, $1, $2) }
    }
    var result = emptyResult
    try check {
      cnnrt_trainer_step(handle, batch.images, batch.labels, Int32(batch.labels.count), rate, &result, $0)
    }
    return result
  }

  @discardableResult
  func gradients(_ batch: Batch) throws(CallError) -> cnnrt_train_result {
    guard batch.targets.isEmpty else { return try run(batch) { cnnrt_trainer_gradients_batch(handle, $0, $1, $2) } }
    var result = emptyResult
    try check {
      cnnrt_trainer_gradients(handle, batch.images, batch.labels, Int32(batch.labels.count), &result, $0)
    }
    return result
  }

  @discardableResult
  func evaluate(_ batch: Batch, averages: Bool = false) throws(CallError) -> cnnrt_train_result {
    guard batch.targets.isEmpty && !averages else {
      return try run(batch, flags: averages ? CNNRT_BATCH_AVERAGES : 0) {
        cnnrt_trainer_evaluate_batch(handle, $0, $1, $2)
      }
    }
    var result = emptyResult
    try check {
      cnnrt_trainer_evaluate(handle, batch.images, batch.labels, Int32(batch.labels.count), &result, $0)
    }
    return result
  }

  /// A call with a batch struct. Without labels where there are none.
  func run(
    _ batch: Batch, flags: Int = 0,
    _ call: (
      UnsafePointer<cnnrt_train_batch>, UnsafeMutablePointer<cnnrt_train_result>, UnsafeMutablePointer<cnnrt_error>
    ) -> cnnrt_status
  ) throws(CallError) -> cnnrt_train_result {
    var result = emptyResult
    try batch.images.withUnsafeBufferPointer { images throws(CallError) in
      try batch.labels.withUnsafeBufferPointer { labels throws(CallError) in
        try batch.targets.withUnsafeBufferPointer { targets throws(CallError) in
          var c = cnnrt_train_batch()
          c.size = MemoryLayout<cnnrt_train_batch>.size
          c.images = images.baseAddress
          c.labels = labels.isEmpty ? nil : labels.baseAddress
          c.targets = targets.isEmpty ? nil : targets.baseAddress
          c.count = Int32(batch.images.count / imageCount)
          c.flags = UInt32(flags)
          try check { call(&c, &result, $0) }
        }
      }
    }
    return result
  }

  private var emptyResult: cnnrt_train_result {
    var result = cnnrt_train_result()
    result.size = MemoryLayout<cnnrt_train_result>.size
    return result
  }

  var state: [UInt8] {
    get {
      var bytes = [UInt8](repeating: 0, count: Int(cnnrt_trainer_state_size(handle)))
      precondition(cnnrt_trainer_save_state(handle, &bytes, UInt64(bytes.count), nil) == CNNRT_OK)
      return bytes
    }
  }

  func load(_ state: [UInt8]) throws(CallError) {
    try check { cnnrt_trainer_load_state(handle, state, UInt64(state.count), $0) }
  }
}
