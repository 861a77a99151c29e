/// The order of a convolution's or fully connected layer's weights in a bundle: the order in which the kernels read
/// them (FORMAT.md, "Kernel order"; `CNNB_LAYOUT_CONV`). This file is the only place that knows it.
///
///     [output channels / 16][segment][step][16 output channels][lanes]
///
/// A segment is a run of input values that lie side by side in memory; its columns, `lanes` at a time, are its steps.
/// lanes is 1 for float32 and 4 for int8. What a segment is depends on the layer's attributes alone:
///
/// - more than 4 input channels: segments are (block of 16 input channels, ky, kx), columns the block's channels; the
///   last block has only those that exist.
/// - at most 4, dilationX 1 (pixels with their channels side by side): segments are ky, columns (kx, channel).
/// - at most 4, dilationX other than 1: segments are (ky, kx), columns the channels.
///
/// Output channels are padded to a multiple of 16 and columns to a multiple of `lanes`, with zeros.
public struct WeightOrder: Hashable, Sendable {
  public let outputChannels, inputChannels, kernelHeight, kernelWidth, dilationX: Int

  public init(outputChannels: Int, inputChannels: Int, kernelHeight: Int, kernelWidth: Int, dilationX: Int) {
    self.outputChannels = outputChannels
    self.inputChannels = inputChannels
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    // A kernel one wide has no use for dilation, but the rule is the attribute's.
    self.dilationX = dilationX
  }

  /// The order for the weight [O,I,KH,KW] of a convolution with `window`, or [O,K] of a fully connected layer.
  public init(weightShape: [Int], window: Window = Window(1)) {
    self.init(
      outputChannels: weightShape[0], inputChannels: weightShape[1],
      kernelHeight: weightShape.count > 2 ? weightShape[2] : 1, kernelWidth: weightShape.count > 3 ? weightShape[3] : 1,
      dilationX: window.dilationX)
  }

  public static let block = 16

  /// Weights of a float32 or int8 layer that one step takes per output channel.
  public static func lanes(of type: ElementType) -> Int { type == .int8 ? 4 : 1 }

  /// Elements in kernel order, padding included.
  public func packedCount(lanes: Int) -> Int {
    func padded(_ count: Int, to multiple: Int) -> Int { (count + multiple - 1) / multiple * multiple }
    let whole = inputChannels / Self.block * Self.block
    let columns =
      pixels
      ? kernelHeight * padded(kernelWidth * inputChannels, to: lanes)
      : kernelHeight * kernelWidth * (whole + padded(inputChannels - whole, to: lanes))
    return padded(outputChannels, to: Self.block) * columns
  }

  /// `plain`, row-major [O,I,KH,KW], in kernel order.
  public func pack<T: BinaryInteger>(_ plain: [T], lanes: Int) -> [T] { pack(plain, lanes: lanes, zero: 0) }
  public func pack(_ plain: [Float], lanes: Int) -> [Float] { pack(plain, lanes: lanes, zero: 0) }

  private func pack<T>(_ plain: [T], lanes: Int, zero: T) -> [T] {
    var packed: [T] = []
    packed.reserveCapacity(packedCount(lanes: lanes))
    forEachPlace(lanes: lanes) { source in packed.append(source.map { plain[$0] } ?? zero) }
    return packed
  }

  /// Row-major [O,I,KH,KW] from kernel order; nil if `packed` has not `packedCount` elements or its padding is not 0.
  public func unpack<T: Numeric>(_ packed: [T], lanes: Int) -> [T]? {
    guard packed.count == packedCount(lanes: lanes) else { return nil }
    var plain = [T](repeating: 0, count: outputChannels * inputChannels * kernelHeight * kernelWidth)
    var index = 0
    var padded = true
    forEachPlace(lanes: lanes) { target in
      if let target { plain[target] = packed[index] } else { padded = padded && packed[index] == 0 }
      index += 1
    }
    return padded ? plain : nil
  }

  /// Where a segment's columns lie in row-major [I,KH,KW]: column c at `first + (c % run) · plane + c / run`.
  private struct Segment {
    /// Of column 0.
    var first: Int
    var columns: Int
  }

  private var pixels: Bool { inputChannels <= 4 && dilationX == 1 }

  private var segments: [Segment] {
    let plane = kernelHeight * kernelWidth
    if pixels {
      return (0..<kernelHeight).map { ky in Segment(first: ky * kernelWidth, columns: kernelWidth * inputChannels) }
    }
    return stride(from: 0, to: inputChannels, by: Self.block).flatMap { channel in
      (0..<plane).map { position in
        Segment(first: channel * plane + position, columns: min(Self.block, inputChannels - channel))
      }
    }
  }

  /// Calls `body` for every element in kernel order with its row-major index, nil for padding.
  @inline(__always)
  private func forEachPlace(lanes: Int, _ body: (Int?) -> Void) {
    let plane = kernelHeight * kernelWidth
    let segments = segments
    // Columns go through the channels, and in the pixel layout then to the next pixel.
    let run = pixels ? inputChannels : Self.block
    for block in stride(from: 0, to: outputChannels, by: Self.block) {
      for segment in segments {
        for step in stride(from: 0, to: segment.columns, by: lanes) {
          for output in block..<block + Self.block {
            for column in step..<step + lanes {
              let exists = output < outputChannels && column < segment.columns
              let inside = segment.first + column % run * plane + column / run
              body(exists ? output * inputChannels * plane + inside : nil)
            }
          }
        }
      }
    }
  }
}

/// One value per channel, padded with zeros to a multiple of 16 (`CNNB_LAYOUT_CHANNELS`).
enum ChannelOrder {
  static func packedCount(_ channels: Int) -> Int {
    (channels + WeightOrder.block - 1) / WeightOrder.block * WeightOrder.block
  }

  static func pack<T: Numeric>(_ values: [T]) -> [T] {
    values + [T](repeating: 0, count: packedCount(values.count) - values.count)
  }

  /// nil if the count is wrong or the padding is not 0.
  static func unpack<T: Numeric>(_ packed: [T], channels: Int) -> [T]? {
    guard packed.count == packedCount(channels), packed[channels...].allSatisfy({ $0 == 0 }) else { return nil }
    return Array(packed.prefix(channels))
  }
}

/// Σ of a layer's int8 weights per output channel: what a kernel needs where it has to shift its inputs.
func weightSums(_ weights: [Int8], outputChannels: Int) -> [Int32] {
  let size = weights.count / outputChannels
  return (0..<outputChannels).map { channel in
    weights[channel * size..<(channel + 1) * size].reduce(0) { $0 &+ Int32($1) }
  }
}
