import CCNNRT
import CSystem

/// A bundle that is open and has a session for one image at a time.
struct Network: ~Copyable {
  private let model: OpaquePointer
  private let session: OpaquePointer
  /// Nanoseconds that opening took.
  let openingTime: UInt64
  let isa: UnsafePointer<CChar>
  /// One image's values in the first output.
  let outputCount: Int
  /// The outputs are probabilities.
  let endsInSoftmax: Bool

  init(path: UnsafePointer<CChar>, options: Options) throws(Failure) {
    let start = system_clock()
    var modelOptions = cnnrt_model_options()
    modelOptions.size = MemoryLayout<cnnrt_model_options>.size
    modelOptions.isa = options.isa
    var model: OpaquePointer?
    try check(path) { cnnrt_model_open(path, &modelOptions, &model, $0) }

    var sessionOptions = cnnrt_session_options()
    sessionOptions.size = MemoryLayout<cnnrt_session_options>.size
    sessionOptions.threads = Int32(options.threads)
    sessionOptions.batch = 1
    var session: OpaquePointer?
    do throws(Failure) {
      try check(path) { cnnrt_session_create(model, &sessionOptions, &session, $0) }
    } catch {
      cnnrt_model_close(model)
      throw error
    }
    self.model = model!
    self.session = session!
    openingTime = system_clock() - start

    var info = cnnrt_model_info()
    info.size = MemoryLayout<cnnrt_model_info>.size
    cnnrt_model_get_info(model, &info)
    isa = info.isa
    outputCount = Self.tensor { cnnrt_model_get_output(model, 0, $0) }.countPerImage
    endsInSoftmax = Self.isSoftmax(lastLayerOf: model!, count: info.layer_count)
  }

  deinit {
    cnnrt_session_destroy(session)
    cnnrt_model_close(model)
  }

  private static func isSoftmax(lastLayerOf model: OpaquePointer, count: UInt32) -> Bool {
    var layer = cnnrt_layer_info()
    layer.size = MemoryLayout<cnnrt_layer_info>.size
    layer.output.size = MemoryLayout<cnnrt_tensor_info>.size
    guard count > 0, cnnrt_model_get_layer(model, count - 1, &layer) == CNNRT_OK else { return false }
    return equal(layer.op, "Softmax")
  }

  private static func tensor(_ get: (UnsafeMutablePointer<cnnrt_tensor_info>) -> cnnrt_status) -> Tensor {
    var info = cnnrt_tensor_info()
    info.size = MemoryLayout<cnnrt_tensor_info>.size
    _ = get(&info)
    return Tensor(info)
  }

  var input: Tensor { Self.tensor { cnnrt_model_get_input(model, 0, $0) } }
  var output: Tensor { Self.tensor { cnnrt_model_get_output(model, 0, $0) } }

  func label(_ index: UInt32) -> UnsafePointer<CChar>? { cnnrt_model_label(model, index) }

  func selfTest() throws(Failure) {
    try check { cnnrt_session_self_test(session, $0) }
  }

  func run(_ image: inout cnnrt_image) throws(Failure) {
    try check { cnnrt_session_set_image(session, &image, $0) }
    try check { cnnrt_session_run(session, $0) }
  }

  /// - Parameter values: float32 in C order, as many as the input has
  func run(_ values: UnsafeMutablePointer<Float>) throws(Failure) {
    var array = input.array(values)
    try check { cnnrt_session_set_input(session, 0, &array, $0) }
    try check { cnnrt_session_run(session, $0) }
  }

  /// Copies the first output to `values`.
  func getOutput(_ values: UnsafeMutablePointer<Float>) throws(Failure) {
    var array = output.array(values)
    try check { cnnrt_session_get_output(session, 0, &array, $0) }
  }

  /// Fills `classes`, best first.
  func getBest(_ classes: UnsafeMutableBufferPointer<cnnrt_class>) throws(Failure) {
    try check { cnnrt_session_top_k(session, 0, UInt32(classes.count), classes.baseAddress, $0) }
  }
}

/// Calls a function of the library; an error becomes a sentence.
private func check(
  _ path: UnsafePointer<CChar>? = nil, _ call: (UnsafeMutablePointer<cnnrt_error>) -> cnnrt_status
) throws(Failure) {
  var error = cnnrt_error()
  error.size = MemoryLayout<cnnrt_error>.size
  if call(&error) == CNNRT_OK { return }
  var text = Text()
  if let path {
    text.append(cString: path)
    text.append(": ")
  }
  // The path alone says where a file is that cannot be opened.
  if error.where.0 != 0 && error.system_error == 0 {
    text.append(characters: error.where)
    text.append(": ")
  }
  text.append(characters: error.message)
  if error.system_error != 0 {
    text.append(" (")
    text.append(cString: system_describe(error.system_error))
    text.append(")")
  }
  throw Failure(text)
}

/// The shape of an input or output for one image: the batch is 1.
struct Tensor {
  private(set) var shape: [Int] = []
  var rank: Int { shape.count }

  init(_ info: cnnrt_tensor_info) {
    withUnsafeBytes(of: info.shape) { dims in
      for dim in dims.bindMemory(to: Int64.self).prefix(Int(info.rank)) { shape.append(Int(dim)) }
    }
    if !shape.isEmpty { shape[0] = 1 }
  }

  /// Cannot overflow: the library would not have opened the model.
  var countPerImage: Int { shape.reduce(1, *) }

  func array(_ values: UnsafeMutablePointer<Float>) -> cnnrt_array {
    var array = cnnrt_array()
    array.size = MemoryLayout<cnnrt_array>.size
    array.data = UnsafeMutableRawPointer(values)
    array.type = CNNRT_FLOAT32
    array.rank = UInt32(rank)
    withUnsafeMutableBytes(of: &array.shape) { dims in
      let dims = dims.bindMemory(to: Int64.self)
      for (axis, size) in shape.enumerated() { dims[axis] = Int64(size) }
    }
    return array
  }
}
