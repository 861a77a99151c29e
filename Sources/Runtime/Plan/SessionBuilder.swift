import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform

/// Lays out a session in an arena: the prepared calls, their arguments and tables, and the activations. With an arena that only counts, the
/// same code says how many bytes that takes. How the calls of an operator are made is in one file per family: Prepare….swift.
public struct SessionBuilder {
  let network: UnsafePointer<Network>
  let options: SessionOptions
  var arena: Arena
  private var calls: UnsafeMutablePointer<Call>?
  private var callCount = 0
  private var activations: UnsafeMutableRawPointer?
  /// An operator for which the instruction set has no kernel.
  private var missing: Int?

  private init(_ network: UnsafePointer<Network>, _ options: SessionOptions, _ base: UnsafeMutableRawPointer?) {
    self.network = network
    self.options = options
    arena = Arena(base)
  }

  /// Bytes of the arena.
  public static func size(_ network: UnsafePointer<Network>, _ options: SessionOptions) throws(Failure) -> Int {
    var builder = SessionBuilder(network, options, nil)
    _ = builder.build()
    if let layer = builder.missing {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "this library has no kernel for it. Use a newer one.").at(
        "layer", network.pointee.model.layerName(layer))
    }
    guard builder.arena.used < Int.max else {
      throw Failure(
        CNNRT_ERROR_LIMIT, "a batch of % needs more memory than there can be. Use a smaller one.", options.batch
      )
      .at("options.batch")
    }
    return builder.arena.used
  }

  /// The session, in an arena of that size.
  public static func build(
    _ network: UnsafePointer<Network>, _ options: SessionOptions, in base: UnsafeMutableRawPointer
  ) -> UnsafeMutablePointer<Session> {
    var builder = SessionBuilder(network, options, base)
    return builder.build()!
  }

  /// The calls of one operator, on tensors whose places count from the beginning of the arena: see OperatorCalls.
  static func prepare(
    _ network: UnsafePointer<Network>, _ i: Int, _ arena: inout Arena
  ) throws(Failure) -> (calls: UnsafeMutablePointer<Call>?, count: Int) {
    var counter = SessionBuilder(network, SessionOptions(), nil)
    counter.prepare(i)
    if counter.missing != nil {
      throw Failure(CNNRT_ERROR_UNSUPPORTED, "this library has no kernel for it. Use a newer one.")
    }
    var builder = SessionBuilder(network, SessionOptions(), arena.base)
    builder.arena = arena
    builder.calls = builder.arena.take(Call.self, counter.callCount)
    builder.activations = arena.base
    builder.prepare(i)
    arena = builder.arena
    return (builder.calls, counter.callCount)
  }

  /// By its address: it is large, and asked at every step.
  var model: Model { unsafeAddress { network.model } }
  var kernels: cnn_kernels { network.pointee.kernels }

  private mutating func build() -> UnsafeMutablePointer<Session>? {
    let session = arena.take(Session.self, 1)
    if arena.base != nil {
      // How many calls there will be, another builder counts.
      var counter = SessionBuilder(network, options, nil)
      for i in 0..<model.operatorCount { counter.prepare(i) }
      calls = arena.take(Call.self, counter.callCount)
    }
    let nanoseconds = options.profile ? arena.take(Int64.self, model.operatorCount) : nil
    nanoseconds?.initialize(repeating: 0, count: model.operatorCount)
    let image = model.recipe == nil ? nil : ImageTables.make(model, &arena)
    let (bytes, overflow) = network.pointee.imageBytes.multipliedReportingOverflow(by: options.batch)
    // Kernels may read a little past the end (cnn_conv): three pixels of 16 floats, and a vector.
    activations = arena.take(overflow ? -1 : bytes)
    _ = arena.take(256)
    for i in 0..<model.operatorCount { prepare(i) }
    if arena.base == nil { _ = arena.take(Call.self, callCount) }
    guard let session else { return nil }
    session.initialize(
      to: Session(
        network: network, options: options, calls: calls!, callCount: callCount, nanoseconds: nanoseconds, image: image,
        activations: activations!))
    for k in 0..<model.inputCount { clear(model.networkInput(k)) }
    return session
  }

  /// An input begins as zeros; its halo and the lanes behind the last channel stay as they are now.
  private func clear(_ t: Int) {
    let s = network.pointee.storage![t]
    let value = UInt8(truncatingIfNeeded: model.zeroPoint(t))
    (activations! + s.offset * options.batch).initializeMemory(
      as: UInt8.self, repeating: value, count: s.bytes * options.batch)
  }

  // MARK: - Operands

  func view(_ place: Int, _ tensor: Int) -> cnn_view {
    // While only counting, addresses do not matter.
    network.pointee.view(place, tensor, options.batch, activations ?? UnsafeMutableRawPointer(bitPattern: 64)!)
  }

  /// An operator's activation or its copy in the layout that the operator needs.
  struct Operand {
    let tensor: cnnb_tensor
    let view: cnn_view
    let layout: Layout
    /// 0 of float32.
    let scale: Float
    var zeroPoint: Int32 { view.halo_value }
    /// 128 where stored values stand for int8.
    let offset: Int32
    var isFloat: Bool { tensor.isFloat }
    var place: Place { Place(view, tensor, layout) }
    var elements: Int { tensor.elementCount! }
  }

  @inline(never)
  func stored(_ slot: Int, _ tensor: Int) -> Operand {
    Operand(
      tensor: model.tensor(tensor), view: view(slot, tensor), layout: network.pointee.layout(slot),
      scale: model.scale(tensor), offset: model.storedOffset(tensor))
  }

  func result(_ i: Int) -> Operand { stored(model.output(i), model.output(i)) }

  /// Where operand `k`, an activation, is read: its own place, or that of a copy in the layout that the operator needs.
  func slot(_ i: Int, _ k: Int) -> Int {
    let copy = StoragePlan.copySlot(model, i, k)
    return k < 2 && network.pointee.storage![copy].bytes > 0 ? copy : model.input(i, k)!
  }

  /// Operand `k`, which is an activation; copied first where its layout is not what the operator needs.
  @inline(never)
  mutating func operand(_ i: Int, _ k: Int = 0) -> Operand {
    let t = model.input(i, k)!
    let own = stored(t, t), slot = slot(i, k)
    guard slot != t else { return own }
    let copy = stored(slot, t)
    let isFloat: Int32 = own.isFloat ? 1 : 0
    // One of the two is plain, or becomes pixels.
    let isExport = copy.layout == .plain
    let (blocks, plain) = isExport ? (own, copy) : (copy, own)
    let tensor = own.tensor
    var strides = (plain.view.image, Int64(tensor.elementBytes), plain.view.row, Int64(plain.view.pixel))
    if plain.layout == .plain {
      let row = Int64(tensor.rowPixels * tensor.elementBytes)
      (strides.1, strides.2, strides.3) = (row * Int64(tensor.height), row, Int64(tensor.elementBytes))
    }
    let arguments = cnn_copy(
      view: blocks.view, plain: plain.view.data, strides: strides, plain_is_f32: isFloat, view_is_f32: isFloat,
      scale: 1, zero_point: 0, is_alike: 0)
    add(i, isExport ? kernels.export_plain : kernels.import_plain, arguments)
    return copy
  }

  // MARK: - Calls

  /// Operations that are worth a thread of their own: some microseconds.
  static let convolutionWork = 1 << 18
  static let elementWork = 1 << 15

  mutating func add<Arguments: BitwiseCopyable>(
    _ layer: Int, _ kernel: cnn_kernel?, _ arguments: Arguments, perPart: Int = elementWork
  ) {
    add(layer, kernel, place(arguments), perPart)
  }

  mutating func place<Arguments: BitwiseCopyable>(_ arguments: Arguments) -> UnsafeRawPointer? {
    let place = arena.take(Arguments.self, 1)
    place?.initialize(to: arguments)
    return UnsafeRawPointer(place)
  }

  private mutating func add(_ layer: Int, _ kernel: cnn_kernel?, _ arguments: UnsafeRawPointer?, _ perPart: Int) {
    callCount += 1
    guard let kernel else {
      missing = missing ?? layer
      return
    }
    guard let arguments else { return }
    let (work, overflow) = model.work(layer).multipliedReportingOverflow(by: options.batch)
    let parts = overflow ? options.threads : min(options.threads, max(1, work / perPart))
    (calls! + callCount - 1).initialize(to: Call(kernel: kernel, arguments: arguments, layer: layer, parts: parts))
  }

  private mutating func prepare(_ i: Int) {
    switch Int(model.operation(i).kind) {
    case CNNB_OP_CONV, CNNB_OP_GEMM: prepareConvolution(i)
    case CNNB_OP_CONV_TRANSPOSE: prepareTransposed(i)
    case CNNB_OP_BATCH_NORMALIZATION: prepareBatchNormalization(i)
    case CNNB_OP_RELU, CNNB_OP_CLIP: prepareClamp(i)
    case CNNB_OP_LEAKY_RELU, CNNB_OP_ELU, CNNB_OP_SIGMOID, CNNB_OP_TANH, CNNB_OP_SWISH, CNNB_OP_HARD_SIGMOID,
      CNNB_OP_HARD_SWISH, CNNB_OP_GELU, CNNB_OP_ERF:
      prepareUnary(i)
    case CNNB_OP_PRELU: preparePRelu(i)
    case CNNB_OP_ADD, CNNB_OP_SUB, CNNB_OP_MUL, CNNB_OP_DIV: prepareBinary(i)
    case CNNB_OP_MAX_POOL, CNNB_OP_GLOBAL_MAX_POOL: preparePool(i, isMax: true)
    case CNNB_OP_AVERAGE_POOL, CNNB_OP_GLOBAL_AVERAGE_POOL: preparePool(i, isMax: false)
    case CNNB_OP_REDUCE_MEAN, CNNB_OP_REDUCE_SUM, CNNB_OP_REDUCE_MAX, CNNB_OP_REDUCE_MIN: prepareReduce(i)
    case CNNB_OP_SOFTMAX: prepareSoftmax(i)
    case CNNB_OP_LRN: prepareLRN(i)
    case CNNB_OP_LAYER_NORMALIZATION: prepareLayerNormalization(i)
    case CNNB_OP_GROUP_NORMALIZATION, CNNB_OP_INSTANCE_NORMALIZATION: prepareGroupNormalization(i)
    case CNNB_OP_MATMUL: prepareMatMul(i)
    case CNNB_OP_RESIZE: prepareResize(i)
    case CNNB_OP_QUANTIZE_LINEAR, CNNB_OP_DEQUANTIZE_LINEAR: prepareConversion(i)
    default: prepareMove(i)
    }
  }

  // MARK: - Numbers

  /// Between which an operator's result is kept: real values, or those of an int8 result before its zero point is added.
  @inline(never)
  func range(_ i: Int) -> (low: Float, high: Float) {
    let o = model.operation(i)
    var range: (low: Float, high: Float) = (-.infinity, .infinity)
    switch Int(o.activation) {
    case CNNB_ACTIVATION_RELU: range.low = 0
    case CNNB_ACTIVATION_CLIP: range = (o.activation_values.0, o.activation_values.1)
    default: break
    }
    let y = model.output(i)
    guard model.tensor(y).isUInt8 else { return range }
    return (quantized(range.low, y), quantized(range.high, y))
  }

  /// The stored value of a number, less the zero point.
  func quantized(_ x: Float, _ t: Int) -> Float {
    let zeroPoint = model.zeroPoint(t)
    return Float(Int32(ImageTables.quantize(x, model.scale(t), zeroPoint)) - zeroPoint)
  }

  /// Of an int8 result without an activation.
  func fullRange(_ y: Operand) -> (low: Float, high: Float) { (Float(-y.zeroPoint), Float(255 - y.zeroPoint)) }

  /// A float constant, or nil where it is left out.
  func floats(_ i: Int, _ operand: Int) -> UnsafePointer<Float>? {
    model.input(i, operand).map { model.data($0).assumingMemoryBound(to: Float.self) }
  }

  mutating func zeros(_ count: Int) -> UnsafeMutablePointer<Float>? {
    let table = arena.take(Float.self, count)
    table?.initialize(repeating: 0, count: count)
    return table
  }
}
