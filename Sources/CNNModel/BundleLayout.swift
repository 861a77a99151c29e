import CBundle
import CNNSupport

/// What a section of a bundle holds.
public enum SectionKind: UInt32, CaseIterable, Sendable {
  case graph = 1
  case weights = 2
  case quantization = 3
  case recipe = 4
  case labels = 5
  case metadata = 6
  case selfTest = 7
  case training = 8

  /// Its name in FORMAT.md.
  public var name: String {
    switch self {
    case .graph: "GRAPH"
    case .weights: "WEIGHTS"
    case .quantization: "QUANTIZATION"
    case .recipe: "RECIPE"
    case .labels: "LABELS"
    case .metadata: "METADATA"
    case .selfTest: "SELF_TEST"
    case .training: "TRAINING"
    }
  }

  /// A reader that does not know these cannot run the network.
  var isRequired: Bool { self == .graph || self == .weights || self == .quantization }
}

/// How a section's bytes are stored.
public enum SectionCodec: UInt32, Sendable {
  /// As they are: mapped and used in place.
  case stored = 0
  /// A zlib stream.
  case deflate = 1
}

/// An entry of a bundle's section table.
public struct BundleSection: Equatable, Sendable {
  /// nil for a kind that this version does not know.
  public var kind: SectionKind?
  public var rawKind: UInt32
  public var codec: SectionCodec
  /// Byte in the file.
  public var offset: Int
  /// Bytes in the file.
  public var storedBytes: Int
  /// Bytes after decoding.
  public var rawBytes: Int
  /// Of the raw bytes.
  public var crc32: UInt32

  public var name: String { kind?.name ?? "section of unknown kind \(rawKind)" }
}

let bundleMagic: [UInt8] = [0x89] + Array("CNN\r\n\u{1A}\n".utf8)
let bundleAlignment = Int(CNNB_ALIGNMENT)

extension OperatorKind {
  /// `CNNB_OP_…`
  var code: UInt32 {
    let code =
      switch self {
      case .conv: CNNB_OP_CONV
      case .gemm: CNNB_OP_GEMM
      case .batchNormalization: CNNB_OP_BATCH_NORMALIZATION
      case .relu: CNNB_OP_RELU
      case .maxPool: CNNB_OP_MAX_POOL
      case .averagePool: CNNB_OP_AVERAGE_POOL
      case .globalAveragePool: CNNB_OP_GLOBAL_AVERAGE_POOL
      case .globalMaxPool: CNNB_OP_GLOBAL_MAX_POOL
      case .add: CNNB_OP_ADD
      case .flatten: CNNB_OP_FLATTEN
      case .softmax: CNNB_OP_SOFTMAX
      }
    return UInt32(code)
  }

  /// Fills the attributes.
  func encode(into record: inout cnnb_operator) {
    record.kind = code
    switch self {
    case .conv(let window, let group):
      window.encode(into: &record)
      record.window.group = UInt32(group)
    case .maxPool(let window, let ceilMode):
      window.encode(into: &record)
      record.window.ceil_mode = ceilMode ? 1 : 0
    case .averagePool(let window, let countIncludePad, let ceilMode):
      window.encode(into: &record)
      record.window.count_include_pad = countIncludePad ? 1 : 0
      record.window.ceil_mode = ceilMode ? 1 : 0
    case .batchNormalization(let epsilon): record.values.0 = epsilon
    case .softmax: record.integers.0 = 1
    case .gemm, .relu, .globalAveragePool, .globalMaxPool, .add, .flatten: break
    }
  }

  /// From a record; attributes that the kind does not use must be 0.
  init(_ record: cnnb_operator) throws(CNNError) {
    let window = Window(record.window)
    let ceilMode = record.window.ceil_mode == 1
    switch Int(record.kind) {
    case Int(CNNB_OP_CONV): self = .conv(window, group: Int(record.window.group))
    case Int(CNNB_OP_GEMM): self = .gemm
    case Int(CNNB_OP_BATCH_NORMALIZATION): self = .batchNormalization(epsilon: record.values.0)
    case Int(CNNB_OP_RELU): self = .relu
    case Int(CNNB_OP_MAX_POOL): self = .maxPool(window, ceilMode: ceilMode)
    case Int(CNNB_OP_AVERAGE_POOL):
      self = .averagePool(window, countIncludePad: record.window.count_include_pad == 1, ceilMode: ceilMode)
    case Int(CNNB_OP_GLOBAL_AVERAGE_POOL): self = .globalAveragePool
    case Int(CNNB_OP_GLOBAL_MAX_POOL): self = .globalMaxPool
    case Int(CNNB_OP_ADD): self = .add
    case Int(CNNB_OP_FLATTEN): self = .flatten
    case Int(CNNB_OP_SOFTMAX): self = .softmax
    default:
      throw CNNError(
        "the operator kind \(record.kind) is unknown", advice: "the bundle needs a newer version of the tools")
    }
    // What this version would write must be what was read: nothing is silently dropped.
    var again = cnnb_operator()
    encode(into: &again)
    again.name = record.name
    again.first_operand = record.first_operand
    again.input_count = record.input_count
    again.output_count = record.output_count
    again.activation = record.activation
    guard byteArray(again) == byteArray(record) else {
      throw CNNError("\(name) has attributes that are out of range or unknown to this version")
    }
  }
}

extension Window {
  init(_ record: cnnb_operator.__Unnamed_struct_window) {
    self.init(
      kernelHeight: Int(record.kernel_height), kernelWidth: Int(record.kernel_width),
      strideY: Int(record.stride_y), strideX: Int(record.stride_x),
      padTop: Int(record.pad_top), padLeft: Int(record.pad_left),
      padBottom: Int(record.pad_bottom), padRight: Int(record.pad_right),
      dilationY: Int(record.dilation_y), dilationX: Int(record.dilation_x))
  }

  func encode(into record: inout cnnb_operator) {
    record.window.kernel_height = UInt32(kernelHeight)
    record.window.kernel_width = UInt32(kernelWidth)
    record.window.stride_y = UInt32(strideY)
    record.window.stride_x = UInt32(strideX)
    record.window.pad_top = UInt32(padTop)
    record.window.pad_left = UInt32(padLeft)
    record.window.pad_bottom = UInt32(padBottom)
    record.window.pad_right = UInt32(padRight)
    record.window.dilation_y = UInt32(dilationY)
    record.window.dilation_x = UInt32(dilationX)
  }
}

/// The bytes of a C struct, little-endian as the machine is.
func byteArray<T: BitwiseCopyable>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

/// How a constant lies in WEIGHTS, which follows from the operand it is.
enum StoredOrder: Hashable {
  case plain
  case channels
  case conv(WeightOrder)

  /// The order of the constant that is input `index` of a layer.
  init(of layer: Operator, input index: Int, shape: [Int]) {
    switch (layer.kind, index) {
    case (.conv(let window, _), 1): self = .conv(WeightOrder(weightShape: shape, window: window))
    case (.gemm, 1): self = .conv(WeightOrder(weightShape: shape))
    case (.conv, 2...), (.gemm, 2...), (.batchNormalization, 1...): self = .channels
    default: self = .plain
    }
  }

  /// `CNNB_LAYOUT_…`
  var code: UInt32 {
    switch self {
    case .plain: UInt32(CNNB_LAYOUT_PLAIN)
    case .channels: UInt32(CNNB_LAYOUT_CHANNELS)
    case .conv: UInt32(CNNB_LAYOUT_CONV)
    }
  }

  /// Elements stored for a constant of `count` elements.
  func storedCount(_ count: Int, type: ElementType) -> Int {
    switch self {
    case .plain: count
    case .channels: ChannelOrder.packedCount(count)
    case .conv(let order): order.packedCount(lanes: WeightOrder.lanes(of: type))
    }
  }

  func pack(_ data: TensorData) -> TensorData {
    switch (self, data) {
    case (.channels, .float32(let a)): .float32(ChannelOrder.pack(a))
    case (.channels, .int32(let a)): .int32(ChannelOrder.pack(a))
    case (.conv(let order), .float32(let a)): .float32(order.pack(a, lanes: 1))
    case (.conv(let order), .int8(let a)): .int8(order.pack(a, lanes: 4))
    default: data
    }
  }

  /// nil if the padding is not 0.
  func unpack(_ data: TensorData, count: Int) -> TensorData? {
    switch (self, data) {
    case (.channels, .float32(let a)): ChannelOrder.unpack(a, channels: count).map(TensorData.float32)
    case (.channels, .int32(let a)): ChannelOrder.unpack(a, channels: count).map(TensorData.int32)
    case (.conv(let order), .float32(let a)): order.unpack(a, lanes: 1).map(TensorData.float32)
    case (.conv(let order), .int8(let a)): order.unpack(a, lanes: 4).map(TensorData.int8)
    default: data
    }
  }
}
