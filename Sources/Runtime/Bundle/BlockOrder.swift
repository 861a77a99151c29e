import CBundle

/// How the weights of a grouped convolution, or of one phase of a transposed one, lie in the file: blocks of 16 output channels one
/// after another, each with those blocks of 16 input channels that its groups touch (FORMAT.md, "Kernel order").
public struct BlockOrder {
  public let outputChannels, inputChannels, group: Int
  /// Places of the kernel.
  public let taps: Int
  public let isInt8: Bool

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

  public func taps(_ i: Int) -> Int { Int(operators[i].window.kernel_height) * Int(operators[i].window.kernel_width) }

  /// Bytes of the weights of 16 channels of a depthwise convolution.
  public func depthwiseBlockBytes(_ i: Int) -> Int {
    let w = tensors[input(i, 1)!]
    let columns = w.type == UInt32(CNNB_TYPE_INT8) ? (w.dim(3) + 3) / 4 : w.dim(3)
    return w.dim(2) * columns * 64
  }

  /// Calls `body` with the place of each block of 16 output channels of the weights: where it begins, its bytes, and the
  /// number of its first output channel, each phase's channels beginning at a multiple of 16.
  @inline(never)
  func forEachWeightBlock(_ i: Int, _ body: (_ start: Int, _ bytes: Int, _ channel: Int) throws(Failure) -> Void)
    throws(Failure)
  {
    var (start, channel) = (0, 0)
    func add(_ bytes: Int) throws(Failure) {
      try body(start, bytes, channel)
      start += bytes
      channel += 16
    }
    if Int(operators[i].kind) == CNNB_OP_CONV_TRANSPOSE {
      let (rows, columns) = (TransposedAxis.vertical(self, i), TransposedAxis.horizontal(self, i))
      for py in 0..<rows.window.stride {
        for px in 0..<columns.window.stride {
          let order = blockOrder(i, taps: rows.taps(py) * columns.taps(px))
          for block in 0..<order.blocks { try add(order.bytes(ofBlock: block)) }
        }
      }
    } else if groups(i) > 1, !isDepthwise(i) {
      let order = blockOrder(i, taps: taps(i))
      for block in 0..<order.blocks { try add(order.bytes(ofBlock: block)) }
    } else {
      let order = convOrder(i)
      for _ in 0..<order.blocks { try add(isDepthwise(i) ? depthwiseBlockBytes(i) : order.blockBytes) }
    }
  }

  /// The int32 sums of the int8 weights that the kernels correct zero points with.
  func verifyWeightSums() throws(Failure) {
    for i in 0..<operatorCount where isConvolution(i) {
      guard let w = input(i, 1), let s = input(i, 3) else { continue }
      let weights = data(w).assumingMemoryBound(to: Int8.self)
      let stated = data(s).assumingMemoryBound(to: Int32.self)
      // Behind the last channel of each phase there is nothing.
      let channels = tensors[output(i)].channels, padded = (channels + 15) & ~15
      do throws(Failure) {
        try forEachWeightBlock(i) { (start, bytes, first) throws(Failure) in
          for lane in 0..<min(16, channels - first % padded) {
            var sum: Int32 = 0
            for step in 0..<bytes / 64 {
              for k in 0..<4 { sum &+= Int32(weights[start + step * 64 + lane * 4 + k]) }
            }
            guard sum == stated[first + lane] else {
              throw .format(
                "the sum of the weights of channel % is % and stated as %", first + lane, Int(sum),
                Int(stated[first + lane]))
            }
          }
        }
      } catch { throw error.at("layer", layerName(i)) }
    }
  }

  public func isConvolution(_ i: Int) -> Bool {
    let kind = Int(operators[i].kind)
    return kind == CNNB_OP_CONV || kind == CNNB_OP_GEMM || kind == CNNB_OP_CONV_TRANSPOSE
  }
}
