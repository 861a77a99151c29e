import CCheck
import CKernels

// Convolutions whose segments differ from block to block, or leave taps out. The reference computes the same thing as an ordinary
// convolution with zeros between the groups, so that the tables are checked as well.
extension Check {
  mutating func grouped(_ kind: ConvolutionKind) {
    let isFloat = kind == .f32
    guard var a = randomConvolution(xBytes: isFloat ? 4 : 1, yBytes: kind == .u8 ? 1 : 4, isInBlocks: true) else {
      return grouped(kind)
    }
    let groups = random.int(1...12), ofEach = (random.int(1...7), random.int(1...7))
    resize(&a.x, channels: groups * ofEach.0, elementBytes: isFloat ? 4 : 1)
    resize(&a.y, channels: groups * ofEach.1, elementBytes: kind == .u8 ? 1 : 4)
    if a.x.batch * a.y.height * a.y.width * a.x.channels * a.y.channels > 60_000 { return grouped(kind) }
    let like = a.y
    check(kind, a, groups: groups, isReversed: false, like) { $0 }
  }

  /// One phase of a ConvTranspose, perhaps without taps: y is part of a larger tensor, and taps go backwards through x.
  mutating func transposed(_ kind: ConvolutionKind) {
    let isFloat = kind == .f32
    guard var a = randomConvolution(xBytes: isFloat ? 4 : 1, yBytes: kind == .u8 ? 1 : 4, isInBlocks: true) else {
      return transposed(kind)
    }
    (a.stride_y, a.stride_x) = (1, 1)
    let stride = (random.int(1...3), random.int(1...3))
    let phase = (random.int(0...stride.0 - 1), random.int(0...stride.1 - 1))
    if random.once(in: 6) { a.kernel_height = 0 }
    let height = Int(a.y.height), width = Int(a.y.width)
    let like = randomView(
      &random, batch: Int(a.y.batch), channels: Int(a.y.channels), height: (height - 1) * stride.0 + phase.0 + 1,
      width: (width - 1) * stride.1 + phase.1 + 1, elementBytes: kind == .u8 ? 1 : 4, halo: random.int(0...1))
    if like.image * Int64(like.batch) > 2_000_000 { return transposed(kind) }
    check(kind, a, groups: 1, isReversed: true, like) { whole in
      var y = whole
      y.data = y.data + (phase.0 * Int(y.row) + phase.1 * Int(y.pixel))
      y.row *= Int64(stride.0)
      y.pixel *= Int32(stride.1)
      (y.height, y.width) = (Int32(height), Int32(width))
      y.halo = 0
      return y
    }
  }

  /// A view with other channels, without gaps.
  private func resize(_ view: inout cnn_view, channels: Int, elementBytes: Int) {
    view.channels = Int32(channels)
    view.image = view.block * Int64((channels + 15) / 16)
  }

  private mutating func check(
    _ kind: ConvolutionKind, _ shape: cnn_conv, groups: Int, isReversed: Bool, _ like: cnn_view,
    _ part: @escaping (cnn_view) -> cnn_view
  ) {
    let isFloat = kind == .f32
    var a = shape
    let input = Tensor(a.x, in: x, elementBytes: isFloat ? 4 : 1)
    input.fill(&random, isFloat ? randomFloat : randomByte)
    a.x = input.view
    segments(&a, group: isFloat ? 1 : 4)
    packWeights(&a, groups: groups, isFloat: isFloat)
    setFinish(&a, products: max(Int(a.x.channels * a.kernel_height * a.kernel_width) / groups, 1))
    let (fastBias, referenceBias) = biases(a, isFloat: isFloat)
    var segmented = self.segmented(a, groups: groups, isReversed: isReversed, isFloat: isFloat)
    segmented.bias = UnsafeRawPointer(fastBias)
    a.bias = UnsafeRawPointer(referenceBias)
    let ordinary = a
    let arguments = { [segmented] (y: cnn_view, isFast: Bool) -> cnn_conv in
      var a = isFast ? segmented : ordinary
      a.y = part(y)
      return a
    }
    let describeAll = {
      describeConvolution(ordinary)
      check_number("groups", Int64(groups))
    }
    switch kind {
    case .u8:
      compare(like, elementBytes: 1, reference.conv_u8, fast.conv_u8, arguments, describe: describeAll)
      compare(
        like, elementBytes: 1, reference.conv_u8, reference.conv_u8, byReference(arguments), describe: describeAll)
    case .u8f32:
      compare(like, elementBytes: 4, reference.conv_u8_f32, fast.conv_u8_f32, arguments, describe: describeAll)
    case .f32:
      compareAnyway(like, reference.conv_f32, fast.conv_f32, arguments, describeAll) { check, a, y, isFast in
        var whole = ordinary
        whole.y = a.y
        check.compareToFloat64(whole, y, isFast: isFast, isDepthwise: false, describeAll)
      }
    }
  }

  /// The reference with the tables of segments, too.
  private func byReference(
    _ arguments: @escaping (cnn_view, Bool) -> cnn_conv
  ) -> (cnn_view, Bool) -> cnn_conv {
    { y, isFast in
      var a = arguments(y, isFast)
      a.bias = arguments(y, false).bias
      return a
    }
  }

  /// The convolution as a table for each block of output channels, with the blocks of input channels that its groups touch. One group:
  /// a table for all of them.
  private func segmented(_ a: cnn_conv, groups: Int, isReversed: Bool, isFloat: Bool) -> cnn_conv {
    let ic = Int(a.x.channels), oc = Int(a.y.channels), kh = Int(a.kernel_height), kw = Int(a.kernel_width)
    let element = isFloat ? 4 : 1, group = isFloat ? 1 : 4, taps = kh * kw
    let plain = UnsafeRawPointer(plainWeights.last((oc * ic * taps * element + 63) / 64 * 64).base)
    let outputBlocks = (oc + 15) / 16, inputBlocks = (ic + 15) / 16
    let offsets = blockOffsets.last(outputBlocks * inputBlocks * taps * 4 + 4).base.assumingMemoryBound(to: Int32.self)
    let packed = blockWeights.last(outputBlocks * inputBlocks * taps * 16 / group * 64 + 64)
    packed.fill(0)
    let tables = blockTables.last(outputBlocks * MemoryLayout<cnn_conv_block>.stride).base
      .assumingMemoryBound(to: cnn_conv_block.self)
    var offset = 0, step = 0
    for b in 0..<outputBlocks {
      let lastChannel = min(16 * b + 15, oc - 1), first = 16 * b / (oc / groups) * (ic / groups) / 16
      let last = ((lastChannel / (oc / groups) + 1) * (ic / groups) - 1) / 16
      let hasLast = last == inputBlocks - 1, rest = ic - 16 * (inputBlocks - 1)
      tables[b] = cnn_conv_block(
        weights: UnsafePointer((packed.base + step * 64).assumingMemoryBound(to: UInt8.self)),
        offsets: UnsafePointer(offsets + offset), full_segments: Int32((last - first + (hasLast ? 0 : 1)) * taps),
        full_steps: Int32(16 / group), last_segments: Int32(hasLast ? taps : 0),
        last_steps: Int32((rest + group - 1) / group))
      for block in first...last {
        for tap in 0..<taps {
          let (ky, kx) = isReversed ? ((taps - 1 - tap) / kw, (taps - 1 - tap) % kw) : (tap / kw, tap % kw)
          let y = ky * Int(a.dilation_y) - Int(a.pad_top), x = kx * Int(a.dilation_x) - Int(a.pad_left)
          offsets[offset] = Int32(block * Int(a.x.block) + y * Int(a.x.row) + x * Int(a.x.pixel))
          offset += 1
          let count = min(16, ic - 16 * block)
          for i in 0..<count {
            for o in 16 * b...lastChannel {
              let from = plain + (((o * ic + 16 * block + i) * kh + ky) * kw + kx) * element
              let to = packed.base + (step + i / group) * 64 + o % 16 * 4 + i % group
              to.copyMemory(from: from, byteCount: element)
            }
          }
          step += (count + group - 1) / group
        }
      }
    }
    var a = a
    a.kernel_height = 0
    if groups > 1 {
      a.blocks = UnsafePointer(tables)
      (a.weights, a.offsets) = (nil, nil)
    } else {
      (a.weights, a.offsets) = (tables[0].weights, tables[0].offsets)
      (a.full_segments, a.last_segments) = (tables[0].full_segments, tables[0].last_segments)
      (a.full_steps, a.last_steps) = (tables[0].full_steps, tables[0].last_steps)
      a.weight_block = Int64(step / outputBlocks * 64)
    }
    return a
  }
}
