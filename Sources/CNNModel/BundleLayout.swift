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

/// The bytes of a C struct, little-endian as the machine is.
func byteArray<T: BitwiseCopyable>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

/// How a constant lies in WEIGHTS, which follows from the operand it is.
enum StoredOrder: Hashable {
  case plain
  /// In `parts` of as many channels each, which are padded one by one.
  case channels(parts: Int = 1)
  case weight(WeightOrder)

  /// The order of the constant that is input `index` of a layer.
  /// - Throws: `CNNError` where the constant cannot be a weight of this layer.
  init(of layer: Operator, input index: Int, shape: [Int]) throws(CNNError) {
    if layer.kind.hasWeight, index == 1 {
      self = .weight(try WeightOrder(of: layer.kind, weightShape: shape))
      return
    }
    switch (layer.kind, index) {
    case (.conv, 2...), (.convTranspose, 2...), (.gemm, 2...), (.batchNormalization, 1...),
      (.groupNormalization, 1...), (.instanceNormalization, 1...), (.pRelu, 1):
      self = .channels()
    default: self = .plain
    }
  }

  /// `CNNB_LAYOUT_…`
  var code: UInt32 {
    switch self {
    case .plain: UInt32(CNNB_LAYOUT_PLAIN)
    case .channels: UInt32(CNNB_LAYOUT_CHANNELS)
    case .weight(let order) where order.isDepthwise: UInt32(CNNB_LAYOUT_DEPTHWISE)
    case .weight(let order) where order.isTransposed: UInt32(CNNB_LAYOUT_CONV_TRANSPOSE)
    case .weight: UInt32(CNNB_LAYOUT_CONV)
    }
  }

  /// Elements stored for a constant of `count` elements.
  func storedCount(_ count: Int, type: ElementType) -> Int {
    switch self {
    case .plain: count
    case .channels(let parts): ChannelOrder.packedCount(count, parts: parts)
    case .weight(let order): order.packedCount(lanes: WeightOrder.lanes(of: type))
    }
  }

  func pack(_ data: TensorData) -> TensorData {
    switch (self, data) {
    case (.channels(let parts), .float32(let a)): .float32(ChannelOrder.pack(a, parts: parts))
    case (.channels(let parts), .int32(let a)): .int32(ChannelOrder.pack(a, parts: parts))
    case (.weight(let order), .float32(let a)): .float32(order.pack(a, lanes: 1))
    case (.weight(let order), .int8(let a)): .int8(order.pack(a, lanes: 4))
    default: data
    }
  }

  /// nil if the padding is not 0.
  func unpack(_ data: TensorData, count: Int) -> TensorData? {
    switch (self, data) {
    case (.channels(let parts), .float32(let a)):
      ChannelOrder.unpack(a, channels: count, parts: parts).map(TensorData.float32)
    case (.channels(let parts), .int32(let a)):
      ChannelOrder.unpack(a, channels: count, parts: parts).map(TensorData.int32)
    case (.weight(let order), .float32(let a)): order.unpack(a, lanes: 1).map(TensorData.float32)
    case (.weight(let order), .int8(let a)): order.unpack(a, lanes: 4).map(TensorData.int8)
    default: data
    }
  }
}

extension WeightOrder {
  /// The order of the weight of a Conv, ConvTranspose or Gemm; any attributes and shape are safe.
  /// - Throws: `CNNError` where the shape is not that of such a weight.
  public init(of kind: OperatorKind, weightShape shape: [Int]) throws(CNNError) {
    let misfit = CNNError("a weight of shape \(text(shape)) does not fit \(kind.name) with its attributes")
    func check(_ window: Window, _ group: Int, _ divided: Int) throws(CNNError) {
      let sizes = 1...65_536
      guard shape.count == 4, shape.checkedCount != nil, group >= 1, divided % group == 0,
        [window.strideY, window.strideX, window.dilationY, window.dilationX].allSatisfy(sizes.contains)
      else { throw misfit }
    }
    switch kind {
    case .conv(let window, let group):
      try check(window, group, shape.first ?? 0)
      self.init(conv: shape, window: window, group: group)
    case .convTranspose(let window, let group, _, _):
      try check(window, group, shape.first ?? 0)
      self.init(transposed: shape, window: window, group: group)
    default:
      guard shape.count == 2 else { throw misfit }
      self.init(gemm: shape)
    }
  }
}
