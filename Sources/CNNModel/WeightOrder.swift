/// The order of a layer's weights in a bundle: the order in which the kernels read them (FORMAT.md, "Kernel order").
/// This file is the only place that knows it.
///
///     [phase][output channels / 16][segment][step][16 output channels][lanes]
///
/// A segment is a run of input values that lie side by side in memory; its columns, `lanes` at a time, are its steps.
/// lanes is 1 for float32 and 4 for int8. What a segment is depends on the layer's attributes alone:
///
/// - more than 4 input channels, or groups: segments are (block of 16 input channels, tap), columns the block's
///   channels; the last block has only those that exist. Of the blocks, those that the 16 output channels' groups touch.
/// - at most 4, dilationX 1 (pixels with their channels side by side): segments are ky, columns (kx, channel).
/// - at most 4, dilationX other than 1: segments are (ky, kx), columns the channels.
/// - depthwise (as many groups as channels, in and out): segments are ky, columns kx.
/// - transposed: like groups, with the taps of each phase of the strides.
///
/// Output channels are padded to a multiple of 16 and columns to a multiple of `lanes`, with zeros.
public struct WeightOrder: Hashable, Sendable {
  private enum Form: Hashable {
    /// Columns are the pixels and channels of a kernel's row.
    case rows
    /// Columns are the channels of a tap.
    case taps
    /// Columns are the pixels of a row of one channel.
    case depthwise
    /// `taps` for each phase of a transposed convolution.
    case transposed(strideY: Int, strideX: Int, dilationY: Int, dilationX: Int)
  }

  public let outputChannels, inputChannels, group, kernelHeight, kernelWidth: Int
  private let form: Form

  /// The order for the weight [O,C/group,KH,KW] of a convolution with `window`.
  public init(conv shape: [Int], window: Window, group: Int = 1) {
    outputChannels = shape[0]
    inputChannels = shape[1] * group
    self.group = group
    (kernelHeight, kernelWidth) = (shape[2], shape[3])
    // A kernel one wide has no use for dilation, but the rule is the attribute's.
    form =
      group > 1
      ? (shape[1] == 1 && shape[0] == group ? .depthwise : .taps)
      : shape[1] <= 4 && window.dilationX == 1 ? .rows : .taps
  }

  /// The order for the weight [C,O/group,KH,KW] of a transposed convolution with `window`.
  public init(transposed shape: [Int], window: Window, group: Int = 1) {
    outputChannels = shape[1] * group
    inputChannels = shape[0]
    self.group = group
    (kernelHeight, kernelWidth) = (shape[2], shape[3])
    form = .transposed(
      strideY: window.strideY, strideX: window.strideX, dilationY: window.dilationY, dilationX: window.dilationX)
  }

  /// The order for the weight [O,K] of a fully connected layer.
  public init(gemm shape: [Int]) { self.init(conv: shape + [1, 1], window: Window(1)) }

  public static let block = 16

  /// Weights of a float32 or int8 layer that one step takes per output channel.
  public static func lanes(of type: ElementType) -> Int { type == .int8 ? 4 : 1 }

  public var isDepthwise: Bool { form == .depthwise }

  public var isTransposed: Bool { if case .transposed = form { true } else { false } }

  /// Calls `body` for each row-major index of the weight with the output channel that it belongs to.
  public func forEachOutputChannel(ofWeights count: Int, _ body: (_ index: Int, _ channel: Int) -> Void) {
    let plane = kernelHeight * kernelWidth
    let (outputs, inputs) = (outputChannels / group, inputChannels / group)
    for row in 0..<count / plane {
      // Row-major: [O, C/group, plane], or [C, O/group, plane].
      let channel = isTransposed ? row / outputs / inputs * outputs + row % outputs : row / inputs
      for index in row * plane..<(row + 1) * plane { body(index, channel) }
    }
  }

  /// Elements without padding.
  public var count: Int { outputChannels * (inputChannels / group) * kernelHeight * kernelWidth }

  /// Elements in kernel order, padding included.
  public func packedCount(lanes: Int) -> Int {
    var count = 0
    for phase in phases {
      for block in stride(from: 0, to: outputChannels, by: Self.block) {
        let blocks = channelBlocks(block)
        switch form {
        case .rows: count += kernelHeight * padded(kernelWidth * inputChannels, to: lanes)
        case .depthwise: count += kernelHeight * padded(kernelWidth, to: lanes)
        case .taps, .transposed:
          count += phase.count * blocks.reduce(0) { $0 + padded($1.count, to: lanes) }
        }
      }
    }
    return count * Self.block
  }

  /// `plain`, row-major, in kernel order.
  public func pack<T: BinaryInteger>(_ plain: [T], lanes: Int) -> [T] { pack(plain, lanes: lanes, zero: 0) }
  public func pack(_ plain: [Float], lanes: Int) -> [Float] { pack(plain, lanes: lanes, zero: 0) }

  private func pack<T>(_ plain: [T], lanes: Int, zero: T) -> [T] {
    var packed: [T] = []
    packed.reserveCapacity(packedCount(lanes: lanes))
    plain.withUnsafeBufferPointer { plain in
      forEachPlace(lanes: lanes) { source in packed.append(source < 0 ? zero : plain[source]) }
    }
    return packed
  }

  /// Row-major from kernel order; nil if `packed` has not `packedCount` elements or its padding is not 0.
  public func unpack<T: Numeric>(_ packed: [T], lanes: Int) -> [T]? {
    guard packed.count == packedCount(lanes: lanes) else { return nil }
    var plain = [T](repeating: 0, count: count)
    var index = 0
    var padded = true
    forEachPlace(lanes: lanes) { target in
      if target >= 0 { plain[target] = packed[index] } else { padded = padded && packed[index] == 0 }
      index += 1
    }
    return padded ? plain : nil
  }

  /// Σ of the int8 weights of each output channel, of each phase: what a kernel needs where it has to shift its inputs.
  func sums(_ plain: [Int8]) -> [Int32] {
    guard isTransposed else {
      let size = count / outputChannels
      return (0..<outputChannels).map { channel in
        plain[channel * size..<(channel + 1) * size].reduce(0) { $0 &+ Int32($1) }
      }
    }
    let plane = kernelHeight * kernelWidth
    let (outputs, inputs) = (outputChannels / group, inputChannels / group)
    var sums = [Int32](repeating: 0, count: phaseCount * outputChannels)
    for (phase, taps) in phasedTaps {
      for output in 0..<outputChannels {
        let first = output / outputs * inputs
        for channel in first..<first + inputs {
          for tap in taps {
            sums[phase * outputChannels + output] &+=
              Int32(plain[(channel * outputs + output % outputs) * plane + tap])
          }
        }
      }
    }
    return sums
  }

  // MARK: Places

  /// The kernel's taps, ky · KW + kx, of each phase of the strides that has any; a convolution has one phase with all.
  private var phases: [[Int]] { phasedTaps.map(\.taps) }

  private var phasedTaps: [(phase: Int, taps: [Int])] {
    let all = Array(0..<kernelHeight * kernelWidth)
    guard case .transposed(let strideY, let strideX, let dilationY, let dilationX) = form else { return [(0, all)] }
    let phases = Dictionary(grouping: all) { tap in
      tap / kernelWidth * dilationY % strideY * strideX + tap % kernelWidth * dilationX % strideX
    }
    return phases.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Of a transposed convolution: the pixels of its strides.
  var phaseCount: Int { if case .transposed(let y, let x, _, _) = form { y * x } else { 1 } }

  /// The blocks of input channels that the groups of 16 output channels touch.
  private func channelBlocks(_ block: Int) -> [Range<Int>] {
    let (outputs, inputs) = (outputChannels / group, inputChannels / group)
    let firstGroup = block / outputs
    let lastGroup = (min(block + Self.block, outputChannels) - 1) / outputs
    let first = firstGroup * inputs / Self.block
    let last = ((lastGroup + 1) * inputs - 1) / Self.block
    return (first...last).map { $0 * Self.block..<min(($0 + 1) * Self.block, inputChannels) }
  }

  /// A column of a segment: the input channel, and what it adds to the row-major index.
  private struct Column {
    var channel: Int
    var offset: Int
  }

  private func segments(_ block: Int, _ taps: [Int]) -> [[Column]] {
    let plane = kernelHeight * kernelWidth
    let rows = (0..<kernelHeight).map { $0 * kernelWidth }
    switch form {
    case .rows:
      return rows.map { row in
        (0..<kernelWidth * inputChannels).map { column in
          let channel = column % inputChannels
          return Column(channel: channel, offset: channel * plane + row + column / inputChannels)
        }
      }
    case .depthwise: return rows.map { row in (row..<row + kernelWidth).map { Column(channel: 0, offset: $0) } }
    case .taps, .transposed:
      let perChannel = isTransposed ? outputChannels / group * plane : plane
      return channelBlocks(block).flatMap { channels in
        taps.map { tap in channels.map { Column(channel: $0, offset: $0 * perChannel + tap) } }
      }
    }
  }

  /// An output channel: the input channels of its group, and what it adds to the row-major index.
  private struct Output {
    var channels = 0..<0
    var base = 0
  }

  private func output(_ index: Int) -> Output {
    guard index < outputChannels else { return Output() }
    let plane = kernelHeight * kernelWidth
    if isDepthwise { return Output(channels: 0..<1, base: index * plane) }
    let (outputs, inputs) = (outputChannels / group, inputChannels / group)
    let channels = index / outputs * inputs..<(index / outputs + 1) * inputs
    let base = isTransposed ? index % outputs * plane : (index * inputs - channels.lowerBound) * plane
    return Output(channels: channels, base: base)
  }

  /// Calls `body` for every element in kernel order with its row-major index, −1 for padding.
  @inline(__always)
  private func forEachPlace(lanes: Int, _ body: (Int) -> Void) {
    for taps in phases {
      var shared: [[Column]]?
      for block in stride(from: 0, to: outputChannels, by: Self.block) {
        let outputs = (block..<block + Self.block).map(output)
        // Without groups every block has the same segments.
        let segments = shared ?? segments(block, taps)
        if group == 1 || isDepthwise { shared = segments }
        for segment in segments {
          for step in stride(from: 0, to: segment.count, by: lanes) {
            for output in outputs {
              for column in step..<step + lanes {
                let exists = column < segment.count && output.channels.contains(segment[column].channel)
                body(exists ? output.base + segment[column].offset : -1)
              }
            }
          }
        }
      }
    }
  }
}

private func padded(_ count: Int, to multiple: Int) -> Int { (count + multiple - 1) / multiple * multiple }

/// One value per channel, padded with zeros to a multiple of 16 (`CNNB_LAYOUT_CHANNELS`). Weight sums of a transposed
/// convolution are several such parts, one for each phase.
enum ChannelOrder {
  static func packedCount(_ channels: Int, parts: Int = 1) -> Int {
    padded(channels / parts, to: WeightOrder.block) * parts
  }

  static func pack<T: Numeric>(_ values: [T], parts: Int = 1) -> [T] {
    let channels = values.count / parts
    let padding = [T](repeating: 0, count: padded(channels, to: WeightOrder.block) - channels)
    return (0..<parts).flatMap { values[$0 * channels..<($0 + 1) * channels] + padding }
  }

  /// nil if the count is wrong or the padding is not 0.
  static func unpack<T: Numeric>(_ packed: [T], channels: Int, parts: Int = 1) -> [T]? {
    guard packed.count == packedCount(channels, parts: parts), channels % parts == 0 else { return nil }
    let size = packed.count / parts
    let values = (0..<parts).flatMap { packed[$0 * size..<$0 * size + channels / parts] }
    return pack(values, parts: parts) == packed ? values : nil
  }
}
