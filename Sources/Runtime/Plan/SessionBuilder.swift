import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform

/// Lays out a session in an arena: the prepared calls, their arguments and tables, and the activations. With an arena that only counts, the
/// same code says how many bytes that takes.
public struct SessionBuilder {
  let network: UnsafePointer<Network>
  let options: SessionOptions
  private(set) var arena: Arena
  private var calls: UnsafeMutablePointer<Call>?
  private var callCount = 0
  private var activations: UnsafeMutableRawPointer?

  private init(_ network: UnsafePointer<Network>, _ options: SessionOptions, _ base: UnsafeMutableRawPointer?) {
    self.network = network
    self.options = options
    arena = Arena(base)
  }

  /// Bytes of the arena.
  public static func size(_ network: UnsafePointer<Network>, _ options: SessionOptions) throws(Failure) -> Int {
    var builder = SessionBuilder(network, options, nil)
    _ = builder.build()
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

  private var model: Model { network.pointee.model }
  private var kernels: cnn_kernels { network.pointee.kernels }

  private mutating func build() -> UnsafeMutablePointer<Session>? {
    let session = arena.take(Session.self, 1)
    var total = 0
    for i in 0..<model.operatorCount { total += network.pointee.callCount(i) }
    calls = arena.take(Call.self, total)
    let nanoseconds = options.profile ? arena.take(Int64.self, model.operatorCount) : nil
    nanoseconds?.initialize(repeating: 0, count: model.operatorCount)
    let image = model.recipe == nil ? nil : ImageTables.make(model, &arena)
    let (bytes, overflow) = network.pointee.imageBytes.multipliedReportingOverflow(by: options.batch)
    // Kernels may read a little past the end (cnn_conv).
    activations = arena.take(overflow ? -1 : bytes)
    _ = arena.take(128)
    for i in 0..<model.operatorCount { prepare(i) }
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

  private func view(_ place: Int, _ tensor: Int) -> cnn_view {
    // While only counting, addresses do not matter.
    network.pointee.view(place, tensor, options.batch, activations ?? UnsafeMutableRawPointer(bitPattern: 64)!)
  }

  // MARK: - Calls

  private mutating func add<Arguments: BitwiseCopyable>(
    _ layer: Int, _ kernel: cnn_kernel, _ arguments: Arguments, perPart: Int
  ) {
    guard let place = arena.take(Arguments.self, 1) else { return }
    place.initialize(to: arguments)
    let (work, overflow) = model.work(layer).multipliedReportingOverflow(by: options.batch)
    let parts = overflow ? options.threads : min(options.threads, max(1, work / perPart))
    (calls! + callCount).initialize(to: Call(kernel: kernel, arguments: place, layer: layer, parts: parts))
    callCount += 1
  }

  /// Operations that are worth a thread of their own: some microseconds.
  private static let convolutionWork = 1 << 18
  private static let elementWork = 1 << 15

  private mutating func prepare(_ i: Int) {
    let o = model.operation(i)
    guard network.pointee.callCount(i) > 0 else { return }
    let (xIndex, yIndex) = (model.input(i, 0)!, model.output(i))
    let (x, y) = (view(xIndex, xIndex), view(yIndex, yIndex))
    let isFloat = model.tensor(xIndex).isFloat
    let fusedRelu = Int(o.activation) == CNNB_ACTIVATION_RELU
    let low: Float = fusedRelu || Int(o.kind) == CNNB_OP_RELU ? 0 : -.infinity
    let (xZero, yZero) = (x.halo_value, y.halo_value)
    let quantizedLow = fusedRelu ? 0 : Float(-yZero)
    let quantizedHigh = Float(255 - yZero)
    let work = Self.elementWork
    switch Int(o.kind) {
    case CNNB_OP_CONV, CNNB_OP_GEMM:
      prepareConvolution(
        i, y, low, cnn_requantize(scale: nil, low: quantizedLow, high: quantizedHigh, zero_point: yZero))
    case CNNB_OP_BATCH_NORMALIZATION:
      let (scale, shift) = normalization(i)
      add(
        i, kernels.affine_f32, cnn_affine(x: x, y: y, scale: scale, shift: shift, low: low, high: .infinity),
        perPart: work)
    case CNNB_OP_RELU:
      let arguments = cnn_affine(
        x: x, y: y, scale: nil, shift: nil, low: isFloat ? 0 : Float(xZero), high: isFloat ? .infinity : 255)
      add(i, isFloat ? kernels.affine_f32 : kernels.clamp_u8, arguments, perPart: work)
    case CNNB_OP_MAX_POOL, CNNB_OP_GLOBAL_MAX_POOL:
      add(i, isFloat ? kernels.max_pool_f32 : kernels.max_pool_u8, pool(i, x, y), perPart: work)
    case CNNB_OP_AVERAGE_POOL, CNNB_OP_GLOBAL_AVERAGE_POOL:
      add(i, isFloat ? kernels.average_pool_f32 : kernels.average_pool_u8, pool(i, x, y), perPart: work)
    case CNNB_OP_ADD:
      let bIndex = model.input(i, 1)!
      let b = view(bIndex, bIndex)
      let sy = model.scale(yIndex)
      let arguments = cnn_add(
        a: x, b: b, y: y, low: isFloat ? low : quantizedLow, high: isFloat ? .infinity : quantizedHigh,
        scale_a: isFloat ? 1 : model.scale(xIndex) / sy, scale_b: isFloat ? 1 : model.scale(bIndex) / sy,
        a_zero_point: xZero, b_zero_point: b.halo_value, y_zero_point: yZero)
      add(i, isFloat ? kernels.add_f32 : kernels.add_u8, arguments, perPart: work)
    case CNNB_OP_FLATTEN:
      add(i, kernels.flatten, cnn_flatten(x: x, y: y, element_bytes: isFloat ? 4 : 1), perPart: work)
    default:
      let arguments = cnn_softmax(
        x: x, y: y, x_is_u8: isFloat ? 0 : 1, x_scale: model.scale(xIndex), x_zero_point: xZero)
      add(i, kernels.softmax, arguments, perPart: work)
    }
  }

  private func pool(_ i: Int, _ x: cnn_view, _ y: cnn_view) -> cnn_pool {
    let o = model.operation(i)
    let isGlobal = Int(o.kind) == CNNB_OP_GLOBAL_MAX_POOL || Int(o.kind) == CNNB_OP_GLOBAL_AVERAGE_POOL
    var a = cnn_pool()
    (a.x, a.y) = (x, y)
    (a.kernel_height, a.kernel_width, a.stride_y, a.stride_x) = (x.height, x.width, 1, 1)
    (a.dilation_y, a.dilation_x) = (1, 1)
    if !isGlobal {
      let w = o.window
      (a.kernel_height, a.kernel_width) = (Int32(w.kernel_height), Int32(w.kernel_width))
      (a.stride_y, a.stride_x) = (Int32(w.stride_y), Int32(w.stride_x))
      (a.pad_top, a.pad_left) = (Int32(w.pad_top), Int32(w.pad_left))
      (a.pad_bottom, a.pad_right) = (Int32(w.pad_bottom), Int32(w.pad_right))
      (a.dilation_y, a.dilation_x) = (Int32(w.dilation_y), Int32(w.dilation_x))
      a.count_include_pad = Int32(w.count_include_pad)
    }
    (a.low, a.high) = (-.infinity, .infinity)
    a.scale = model.scale(model.input(i, 0)!) / model.scale(model.output(i))
    (a.x_zero_point, a.y_zero_point) = (x.halo_value, y.halo_value)
    (a.q_low, a.q_high) = (Float(-y.halo_value), Float(255 - y.halo_value))
    return a
  }

  /// y = x · scale + shift with the running statistics.
  private mutating func normalization(_ i: Int) -> (UnsafePointer<Float>?, UnsafePointer<Float>?) {
    let channels = model.tensor(model.input(i, 0)!).channels
    let padded = (channels + 15) & ~15
    let (scale, shift) = (arena.take(Float.self, padded), arena.take(Float.self, padded))
    guard let scale, let shift else { return (nil, nil) }
    scale.initialize(repeating: 0, count: padded)
    shift.initialize(repeating: 0, count: padded)
    let (gamma, beta, mean, variance) = (floats(i, 1), floats(i, 2), floats(i, 3), floats(i, 4))
    for c in 0..<channels {
      scale[c] = gamma[c] / cp_square_root(variance[c] + model.operation(i).values.0)
      shift[c] = beta[c] - mean[c] * scale[c]
    }
    return (UnsafePointer(scale), UnsafePointer(shift))
  }

  private func floats(_ i: Int, _ operand: Int) -> UnsafePointer<Float> {
    model.data(model.input(i, operand)!).assumingMemoryBound(to: Float.self)
  }

  // MARK: - Convolution

  private mutating func prepareConvolution(_ i: Int, _ y: cnn_view, _ low: Float, _ requantize: cnn_requantize) {
    let o = model.operation(i)
    let isConv = Int(o.kind) == CNNB_OP_CONV
    let (xIndex, weight) = (model.input(i, 0)!, model.input(i, 1)!)
    let order = ConvOrder(weight: model.tensor(weight), dilationX: isConv ? Int(o.window.dilation_x) : 1)
    var x = view(xIndex, xIndex)
    if network.pointee.hasCopy(i) { x = copyToPixels(i, x) }
    var a = cnn_conv()
    (a.x, a.y) = (x, y)
    a.weights = model.data(weight).assumingMemoryBound(to: UInt8.self)
    a.weight_block = Int64(order.blockBytes)
    (a.full_segments, a.full_steps) = (Int32(order.fullSegments), Int32(order.fullSteps))
    (a.last_segments, a.last_steps) = (Int32(order.lastSegments), Int32(order.lastSteps))
    (a.kernel_height, a.kernel_width) = (Int32(order.kernelHeight), Int32(order.kernelWidth))
    (a.stride_y, a.stride_x, a.dilation_y, a.dilation_x) = (1, 1, 1, 1)
    if isConv {
      (a.stride_y, a.stride_x) = (Int32(o.window.stride_y), Int32(o.window.stride_x))
      (a.dilation_y, a.dilation_x) = (Int32(o.window.dilation_y), Int32(o.window.dilation_x))
      (a.pad_top, a.pad_left) = (Int32(o.window.pad_top), Int32(o.window.pad_left))
    }
    a.offsets = offsets(order, a)
    (a.low, a.high) = (low, .infinity)
    a.requantize = requantize
    if order.isInt8 {
      a.bias = UnsafeRawPointer(biases(i, order, x.halo_value))
      a.requantize.scale = multipliers(i, order)
    } else {
      a.bias = model.input(i, 2).map { model.data($0) } ?? zeros(order.blocks * 16)
    }
    let kernel =
      !order.isInt8
      ? kernels.conv_f32! : model.tensor(model.output(i)).isFloat ? kernels.conv_u8_f32! : kernels.conv_u8!
    add(i, kernel, a, perPart: Self.convolutionWork)
  }

  /// Bytes from an output pixel's place in x to each segment.
  private mutating func offsets(_ order: ConvOrder, _ a: cnn_conv) -> UnsafePointer<Int32>? {
    guard let table = arena.take(Int32.self, order.segments) else { return nil }
    let columns = order.isPixels ? 1 : order.kernelWidth
    let taps = order.kernelHeight * columns
    for s in 0..<order.segments {
      let (block, ky, kx) = (s / taps, s % taps / columns, s % columns)
      let row = (ky * Int(a.dilation_y) - Int(a.pad_top)) * Int(a.x.row)
      let pixel = (kx * Int(a.dilation_x) - Int(a.pad_left)) * Int(a.x.pixel)
      table[s] = Int32(truncatingIfNeeded: block * Int(a.x.block) + row + pixel)
    }
    return UnsafePointer(table)
  }

  /// Bias with the correction for zero points: cnn_conv.bias.
  private mutating func biases(_ i: Int, _ order: ConvOrder, _ zeroPoint: Int32) -> UnsafePointer<Int32>? {
    guard let table = arena.take(Int32.self, order.blocks * 16) else { return nil }
    let bias = model.input(i, 2).map { model.data($0).assumingMemoryBound(to: Int32.self) }
    let sums = model.data(model.input(i, 3)!).assumingMemoryBound(to: Int32.self)
    for c in 0..<order.blocks * 16 {
      table[c] = (bias?[c] ?? 0) &+ (kernels.input_offset - zeroPoint) &* sums[c]
    }
    return UnsafePointer(table)
  }

  private mutating func multipliers(_ i: Int, _ order: ConvOrder) -> UnsafePointer<Float>? {
    guard let table = arena.take(Float.self, order.blocks * 16) else { return nil }
    table.initialize(repeating: 0, count: order.blocks * 16)
    for c in 0..<order.outputChannels { table[c] = model.multiplier(i, c) }
    return UnsafePointer(table)
  }

  private mutating func zeros(_ count: Int) -> UnsafeRawPointer? {
    let table = arena.take(Float.self, count)
    table?.initialize(repeating: 0, count: count)
    return UnsafeRawPointer(table)
  }

  /// At most four channels, from a block of 16 to side by side.
  private mutating func copyToPixels(_ i: Int, _ x: cnn_view) -> cnn_view {
    let xIndex = model.input(i, 0)!
    let copy = view(model.tensorCount + i, xIndex)
    let tensor = model.tensor(xIndex)
    let isFloat: Int32 = tensor.isFloat ? 1 : 0
    let arguments = cnn_copy(
      view: copy, plain: x.data, strides: (x.image, Int64(tensor.elementBytes), x.row, Int64(x.pixel)),
      plain_is_f32: isFloat, view_is_f32: isFloat, scale: 1, zero_point: 0)
    add(i, kernels.import_plain, arguments, perPart: Self.convolutionWork)
    return copy
  }
}
