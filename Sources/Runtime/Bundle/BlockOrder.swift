import CBundle

/// How the weights of a grouped convolution, or of one phase of a transposed one, lie in the file: blocks of 16 output channels one
/// after another, each with those blocks of 16 input channels that its groups touch (FORMAT.md, "Kernel order").
public struct BlockOrder {
  public let outputChannels, inputChannels, group: Int
  /// Places of the kernel.
  public let taps: Int
  public let isInt8: Bool

  func with(taps: Int) -> BlockOrder {
    BlockOrder(
      outputChannels: outputChannels, inputChannels: inputChannels, group: group, taps: taps, isInt8: isInt8)
  }

  public init(outputChannels: Int, inputChannels: Int, group: Int, taps: Int, isInt8: Bool) {
    (self.outputChannels, self.inputChannels, self.group) = (outputChannels, inputChannels, group)
    (self.taps, self.isInt8) = (taps, isInt8)
  }

  public var blocks: Int { (outputChannels + 15) / 16 }
  /// One more than the last block of input channels.
  private var inputBlocks: Int { (inputChannels + 15) / 16 }

  /// The blocks of input channels that a block of output channels reads.
  public func inputs(ofBlock block: Int) -> Range<Int> {
    let (outputs, inputs) = (outputChannels / group, inputChannels / group)
    let first = 16 * block / outputs, last = min(16 * block + 15, outputChannels - 1) / outputs
    return first * inputs / 16..<((last + 1) * inputs - 1) / 16 + 1
  }

  /// Segments of 16 input channels, then those of the last block where it is not full.
  public func segments(ofBlock block: Int) -> (full: Int, fullSteps: Int, last: Int, lastSteps: Int) {
    let inputs = inputs(ofBlock: block), rest = inputChannels % 16
    let isPartial = rest != 0 && inputs.upperBound == inputBlocks
    return (
      (inputs.count - (isPartial ? 1 : 0)) * taps, isInt8 ? 4 : 16, isPartial ? taps : 0,
      isInt8 ? (rest + 3) / 4 : rest
    )
  }

  public func bytes(ofBlock block: Int) -> Int {
    let s = segments(ofBlock: block)
    return (s.full * s.fullSteps + s.last * s.lastSteps) * 64
  }

  /// Of all blocks.
  public var bytes: Int {
    guard group > 1 else { return blocks * bytes(ofBlock: 0) }
    var sum = 0
    for block in 0..<blocks { sum += bytes(ofBlock: block) }
    return sum
  }
}

/// A convolution whose weights are in the bundle: what Conv, ConvTranspose and Gemm have in common.
extension Model {
  public func isDepthwise(_ i: Int) -> Bool {
    tensors[input(i, 1)!].layout == UInt32(CNNB_LAYOUT_DEPTHWISE)
  }

  /// 1 for Gemm.
  public func groups(_ i: Int) -> Int { operators[i].kind == UInt32(CNNB_OP_GEMM) ? 1 : Int(operators[i].window.group) }

  public func convOrder(_ i: Int) -> ConvOrder {
    ConvOrder(
      weight: tensors[input(i, 1)!],
      dilationX: operators[i].kind == UInt32(CNNB_OP_GEMM) ? 1 : Int(operators[i].window.dilation_x))
  }

  /// Of a grouped convolution, or of a phase of a transposed one.
  public func blockOrder(_ i: Int, taps: Int) -> BlockOrder {
    let x = tensors[input(i, 0)!]
    return BlockOrder(
      outputChannels: tensors[output(i)].channels, inputChannels: x.channels, group: groups(i), taps: taps,
      isInt8: x.isUInt8)
  }

  /// 1 for Gemm, whose window nobody checks.
  public func taps(_ i: Int) -> Int {
    let o = operators[i]
    return o.kind == UInt32(CNNB_OP_GEMM) ? 1 : Int(o.window.kernel_height) * Int(o.window.kernel_width)
  }

  /// Bytes of the weights of 16 channels of a depthwise convolution.
  public func depthwiseBlockBytes(_ i: Int) -> Int {
    let w = tensors[input(i, 1)!]
    let columns = w.type == UInt32(CNNB_TYPE_INT8) ? (w.dim(3) + 3) / 4 : w.dim(3)
    return w.dim(2) * columns * 64
  }

  /// The int32 sums of the int8 weights that the kernels correct zero points with.
  func verifyWeightSums() throws(Failure) {
    for i in 0..<operatorCount where isConvolution(i) {
      guard let w = input(i, 1), let s = input(i, 3) else { continue }
      let weights = data(w).assumingMemoryBound(to: Int8.self)
      let stated = data(s).assumingMemoryBound(to: Int32.self)
      // Behind the last channel of each phase there is nothing.
      let channels = tensors[output(i)].channels, padded = (channels + 15) & ~15
      var blocks = WeightBlocks(self, i)
      while blocks.next() {
        for lane in 0..<min(16, channels - blocks.channel % padded) {
          var sum: Int32 = 0
          for step in 0..<blocks.bytes / 64 {
            for k in 0..<4 { sum &+= Int32(weights[blocks.start + step * 64 + lane * 4 + k]) }
          }
          let channel = blocks.channel + lane
          guard sum == stated[channel] else {
            throw Failure.format(
              "the sum of the weights of channel % is % and stated as %", channel, Int(sum), Int(stated[channel])
            ).at("layer", layerName(i))
          }
        }
      }
    }
  }

  public func isConvolution(_ i: Int) -> Bool {
    let kind = Int(operators[i].kind)
    return kind == CNNB_OP_CONV || kind == CNNB_OP_GEMM || kind == CNNB_OP_CONV_TRANSPOSE
  }
}

/// The blocks of 16 output channels of an operator's weights, one after another: of each phase where it is a transposed
/// convolution.
struct WeightBlocks {
  private let order: BlockOrder
  private let isTransposed: Bool
  private let rows, columns: TransposedAxis
  /// Of all blocks, where they are alike.
  private let alike: Int?
  private var current: BlockOrder
  private var phase = 0
  private var block = -1
  /// Where the block begins, and its size.
  private(set) var start = 0
  private(set) var bytes = 0
  /// Its first output channel; each phase's begin at a multiple of 16.
  private(set) var channel = -16

  private let skipsEmptyPhases: Bool

  init(_ model: Model, _ i: Int, skipsEmptyPhases: Bool = false) {
    self.skipsEmptyPhases = skipsEmptyPhases
    isTransposed = Int(model.operation(i).kind) == CNNB_OP_CONV_TRANSPOSE
    (rows, columns) = (.vertical(model, i), .horizontal(model, i))
    order = model.blockOrder(i, taps: isTransposed ? 0 : model.taps(i))
    let isAlike = !isTransposed && (model.groups(i) == 1 || model.isDepthwise(i))
    alike =
      !isAlike ? nil : model.isDepthwise(i) ? model.depthwiseBlockBytes(i) : model.convOrder(i).blockBytes
    current = order
    if isTransposed { current = order.with(taps: rows.taps(0) * columns.taps(0)) }
  }

  /// Goes on to the next block; false behind the last.
  mutating func next() -> Bool {
    start += bytes
    channel += 16
    block += 1
    // A phase without taps has no bytes that would bound the number of its blocks.
    while block == order.blocks || skipsEmptyPhases && current.taps == 0 {
      phase += 1
      guard isTransposed, phase < rows.window.stride * columns.window.stride else { return false }
      let stride = columns.window.stride
      current = order.with(taps: rows.taps(phase / stride) * columns.taps(phase % stride))
      block = 0
    }
    bytes = alike ?? current.bytes(ofBlock: block)
    return true
  }
}
