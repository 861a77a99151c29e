import CCNNRT

/// Runs a model. All its memory is taken when it is made; `run` allocates nothing. A session belongs to one thread at a
/// time; make one per thread from the same model.
///
///     let session = try Session(Model(path: "model.cnn"))
///     try session.setImage(pixels.span, width: 28, height: 28, channels: 1)
///     try session.run()
///     for best in try session.topK(3) { print(best.label ?? "class \(best.index)", best.score) }
public final class Session {
  public let model: Model
  /// Images per run.
  public let batch: Int
  public let inputs: [Model.Tensor]
  public let outputs: [Model.Tensor]
  private let handle: OpaquePointer

  public struct Options: Sendable {
    /// 1: the calling thread alone. n: n − 1 workers of the library's pool help. The results are the same.
    public var threads: Int
    /// Images per run.
    public var batch: Int
    /// Times every layer.
    public var profile: Bool

    public init(threads: Int = 1, batch: Int = 1, profile: Bool = false) {
      self.threads = threads
      self.batch = batch
      self.profile = profile
    }

    var c: cnnrt_session_options {
      var options = cnnrt_session_options()
      options.size = MemoryLayout<cnnrt_session_options>.size
      options.flags = profile ? UInt32(CNNRT_SESSION_PROFILE) : 0
      options.threads = Int32(clamping: threads)
      options.batch = Int32(clamping: batch)
      return options
    }
  }

  /// Exactly how many bytes a session takes.
  public static func arenaBytes(_ model: Model, _ options: Options = Options()) throws(CNNRTError) -> Int {
    var bytes = 0
    var options = options.c
    try check { cnnrt_session_arena_size(model.handle, &options, &bytes, $0) }
    return bytes
  }

  public init(_ model: Model, _ options: Options = Options()) throws(CNNRTError) {
    var handle: OpaquePointer?
    var c = options.c
    try check { cnnrt_session_create(model.handle, &c, &handle, $0) }
    self.handle = handle!
    self.model = model
    batch = max(options.batch, 1)
    inputs = model.inputs
    outputs = model.outputs
  }

  deinit { cnnrt_session_destroy(handle) }

  // MARK: Data in

  /// Copies an input in: float values, row-major [batch, C, H, W]; quantized where the network is.
  public func setInput(_ values: Span<Float>, index: Int = 0) throws(CNNRTError) {
    try setInput(values, .float32, index)
  }

  /// Copies an input in: the stored values of a quantized one.
  public func setInput(_ values: Span<UInt8>, index: Int = 0) throws(CNNRTError) {
    try setInput(values, .uint8, index)
  }

  private func setInput<T: BitwiseCopyable>(
    _ values: Span<T>, _ type: Model.TensorType, _ index: Int
  ) throws(CNNRTError) {
    let tensor = try tensor(inputs, index)
    try requireCount(values.count, tensor)
    try values.withUnsafeBytes { bytes throws(CNNRTError) in
      var array = array(tensor, type, UnsafeMutableRawPointer(mutating: bytes.baseAddress!))
      try check { cnnrt_session_set_input(handle, UInt32(index), &array, $0) }
    }
  }

  /// Makes an image of input 0 from 8-bit pixels, by the bundle's recipe.
  /// - Parameters:
  ///   - pixels: rows from top to bottom.
  ///   - channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
  ///   - rowBytes: from a row to the next; nil: no gaps.
  ///   - batchIndex: which image of the batch.
  public func setImage(
    _ pixels: Span<UInt8>, width: Int, height: Int, channels: Int, rowBytes: Int? = nil, batchIndex: Int = 0
  ) throws(CNNRTError) {
    let rowBytes = rowBytes ?? width * channels
    guard width > 0, height > 0, channels > 0, rowBytes >= width * channels,
      pixels.count >= (height - 1) * rowBytes + width * channels
    else {
      throw .wrongArgument("pixels", "\(pixels.count) bytes are not \(width)×\(height) pixels of \(channels) channels")
    }
    var image = cnnrt_image()
    image.size = MemoryLayout<cnnrt_image>.size
    image.width = UInt32(clamping: width)
    image.height = UInt32(clamping: height)
    image.channels = UInt32(clamping: channels)
    image.row_bytes = Int64(rowBytes)
    try pixels.withUnsafeBufferPointer { pixels throws(CNNRTError) in
      image.pixels = pixels.baseAddress
      try check { cnnrt_session_set_image_at(handle, Int32(clamping: batchIndex), &image, $0) }
    }
  }

  // MARK: Run

  /// Computes the outputs from the inputs.
  public func run() throws(CNNRTError) { try check { cnnrt_session_run(handle, $0) } }

  // MARK: Data out

  /// An output's values, dequantized, row-major [batch, …].
  public func output(_ index: Int = 0) throws(CNNRTError) -> [Float] {
    var values = [Float](repeating: 0, count: try tensor(outputs, index).count * batch)
    var span = values.mutableSpan
    try getOutput(into: &span, .float32, index)
    return values
  }

  /// The same into memory of the caller's, which must have exactly the output's size.
  public func getOutput(into values: inout MutableSpan<Float>, index: Int = 0) throws(CNNRTError) {
    try getOutput(into: &values, .float32, index)
  }

  /// The stored values of a quantized output, row-major [batch, …].
  public func storedOutput(_ index: Int = 0) throws(CNNRTError) -> [UInt8] {
    var values = [UInt8](repeating: 0, count: try tensor(outputs, index).count * batch)
    var span = values.mutableSpan
    try getOutput(into: &span, .uint8, index)
    return values
  }

  private func getOutput<T: BitwiseCopyable>(
    into values: inout MutableSpan<T>, _ type: Model.TensorType, _ index: Int
  ) throws(CNNRTError) {
    let tensor = try tensor(outputs, index)
    try requireCount(values.count, tensor)
    try values.withUnsafeMutableBytes { bytes throws(CNNRTError) in
      var array = array(tensor, type, bytes.baseAddress!)
      try check { cnnrt_session_get_output(handle, UInt32(index), &array, $0) }
    }
  }

  public struct Classification: Equatable, Sendable {
    public var index: Int
    /// The bundle's label for it, or nil.
    public var label: String?
    public var score: Float
  }

  /// The k largest of an output's values for an image of the batch, best first; fewer if there are fewer.
  public func topK(_ k: Int, output: Int = 0, batchIndex: Int = 0) throws(CNNRTError) -> [Classification] {
    let tensor = try tensor(outputs, output)
    var classes = [cnnrt_class](repeating: cnnrt_class(), count: min(max(k, 0), tensor.count))
    let count = UInt32(classes.count)
    try check {
      cnnrt_session_top_k_at(handle, UInt32(output), Int32(clamping: batchIndex), count, &classes, $0)
    }
    return classes.map { Classification(index: Int($0.index), label: model.label($0.index), score: $0.score) }
  }

  /// Time of a layer in the last run; nil without `profile`. 0 for a layer that is fused into another.
  public func layerNanoseconds(_ layer: Int) -> Int64? {
    let time = cnnrt_session_layer_nanoseconds(handle, UInt32(clamping: layer))
    return time < 0 ? nil : time
  }

  // MARK: Without copies

  /// Where the session itself keeps an input or output. Valid as long as the session.
  public struct Mapped {
    public var data: UnsafeMutableRawPointer
    public var type: Model.TensorType?
    /// Batch first.
    public var shape: [Int]
    /// Bytes from one index to the next, in the order of `shape`.
    public var strides: [Int]
  }

  /// An input to be written in place. Throws `.unsupported` where it is not kept in a plain order.
  public func mapInput(_ index: Int = 0) throws(CNNRTError) -> Mapped {
    var array = emptyArray()
    try check { cnnrt_session_map_input(handle, UInt32(clamping: index), &array, $0) }
    return Mapped(array)
  }

  /// An output to be read in place. Throws `.unsupported` where it is not kept in a plain order.
  public func mapOutput(_ index: Int = 0) throws(CNNRTError) -> Mapped {
    var array = emptyArray()
    try check { cnnrt_session_map_output(handle, UInt32(clamping: index), &array, $0) }
    return Mapped(array)
  }

  // MARK: Self-test

  /// Runs the bundle's own input and compares with its expected output. Overwrites inputs and outputs.
  public func selfTest() throws(CNNRTError) { try check { cnnrt_session_self_test(handle, $0) } }

  // MARK: Arrays

  private func tensor(_ tensors: [Model.Tensor], _ index: Int) throws(CNNRTError) -> Model.Tensor {
    guard tensors.indices.contains(index) else {
      throw .wrongArgument("index", "there is no tensor \(index); the model has \(tensors.count)")
    }
    return tensors[index]
  }

  private func requireCount(_ count: Int, _ tensor: Model.Tensor) throws(CNNRTError) {
    guard count == tensor.count * batch else {
      throw .wrongArgument(
        tensor.name, "\(count) values were given; \(batch) of shape \(tensor.shape) are \(tensor.count * batch)")
    }
  }

  private func emptyArray() -> cnnrt_array {
    var array = cnnrt_array()
    array.size = MemoryLayout<cnnrt_array>.size
    return array
  }

  /// The caller's memory as the C interface describes it: the tensor's shape with this session's batch, no gaps.
  private func array(
    _ tensor: Model.Tensor, _ type: Model.TensorType, _ data: UnsafeMutableRawPointer
  ) -> cnnrt_array {
    var array = emptyArray()
    array.data = data
    array.type = cnnrt_type(rawValue: type.rawValue)
    array.rank = UInt32(tensor.shape.count)
    withUnsafeMutableBytes(of: &array.shape) { bytes in
      let shape = bytes.bindMemory(to: Int64.self)
      for (axis, size) in tensor.shape.enumerated() { shape[axis] = Int64(axis == 0 ? batch : size) }
    }
    return array
  }
}

extension Session.Mapped {
  init(_ array: cnnrt_array) {
    data = array.data
    type = Model.TensorType(rawValue: UInt32(array.type.rawValue))
    shape = dimensions(array.shape, rank: array.rank)
    strides = dimensions(array.strides, rank: array.rank)
  }
}
