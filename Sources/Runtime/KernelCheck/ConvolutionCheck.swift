import CCheck
import CKernels

enum ConvolutionKind { case f32, u8, u8f32 }

extension Check {
  /// A random convolution, prepared as a planner does: CKernels.h.
  mutating func convolution(_ kind: ConvolutionKind) {
    let isFloat = kind == .f32
    guard var a = randomConvolution(xBytes: isFloat ? 4 : 1, yBytes: kind == .u8 ? 1 : 4) else {
      return convolution(kind)
    }
    let yLike = a.y, group = isFloat ? 1 : 4, taps = Int(a.kernel_height * a.kernel_width)
    let input = Tensor(a.x, in: x, elementBytes: isFloat ? 4 : 1)
    input.fill(&random, isFloat ? randomFloat : randomByte)
    a.x = input.view
    segments(&a, group: group)
    packWeights(&a, isFloat: isFloat)

    setFinish(&a, products: Int(a.x.channels) * taps)
    let (fastBias, referenceBias) = biases(a, isFloat: isFloat)

    let arguments = { (y: cnn_view, isFast: Bool) -> cnn_conv in
      var a = a
      a.y = y
      a.bias = UnsafeRawPointer(isFast ? fastBias : referenceBias)
      return a
    }
    let describeAll = { describeConvolution(a) }
    switch kind {
    case .u8:
      compare(yLike, elementBytes: 1, reference.conv_u8, fast.conv_u8, arguments, describe: describeAll)
    case .u8f32:
      compare(yLike, elementBytes: 4, reference.conv_u8_f32, fast.conv_u8_f32, arguments, describe: describeAll)
    case .f32:
      compareFloats(yLike, reference.conv_f32, fast.conv_f32, arguments, isDepthwise: false, describeAll)
    }
  }

  /// Multipliers and what the result is clamped to.
  mutating func setFinish(_ a: inout cnn_conv, products: Int) {
    let channels = Int(a.y.channels)
    let typical = (random.once(in: 4) ? 1 : 0.004) / Float(products).squareRoot()
    let extreme = random.once(in: 10) ? [1e-30, 1e30] : [1, 1] as [Float]
    a.requantize.scale = UnsafePointer(
      channelValues(scale, count: channels) {
        ($0.real() + 1.1) * typical * ($0.once(in: 2) ? extreme[0] : extreme[1])
      })
    let zero = zeroPoint(), range = (random.int(0...100), random.int(155...255))
    a.requantize.zero_point = Int32(zero)
    a.requantize.low = Float(range.0 - zero)
    a.requantize.high = Float(range.1 - zero)
    let isClamped = random.once(in: 2)
    a.low = isClamped ? 0 : -Float.infinity
    a.high = isClamped && random.once(in: 2) ? 6 : Float.infinity
  }

  /// Shapes only; nil where the window does not fit or the case is too much work for a naive kernel.
  mutating func randomConvolution(xBytes: Int, yBytes: Int, isInBlocks: Bool = false) -> cnn_conv? {
    func size(_ random: inout Random, _ most: Int) -> Int {
      random.once(in: 2) ? random.int(1...most / 3) : random.int(1...most)
    }
    var a = cnn_conv()
    let isVector = random.once(in: 6), isLarge = random.once(in: 8)
    let ic = isVector ? random.int(1...200) : random.once(in: 3) ? random.int(1...4) : size(&random, 70)
    let oc = random.int(1...70), batch = random.once(in: 3) ? random.int(1...20) : 1
    let height = isVector ? 1 : size(&random, isLarge ? 40 : 18),
      width = isVector ? 1 : size(&random, isLarge ? 40 : 18)
    let kernel = (isVector ? 1 : random.int(1...5), isVector ? 1 : random.int(1...5))
    let dilation = (random.once(in: 3) ? random.int(1...3) : 1, random.once(in: 3) ? random.int(1...3) : 1)
    let reach = ((kernel.0 - 1) * dilation.0 + 1, (kernel.1 - 1) * dilation.1 + 1)
    let pads = (
      random.int(0...min(3, reach.0 - 1)), random.int(0...min(3, reach.1 - 1)), random.int(0...min(3, reach.0 - 1)),
      random.int(0...min(3, reach.1 - 1))
    )
    a.stride_y = Int32(random.once(in: 2) ? 1 : random.int(1...3))
    a.stride_x = Int32(random.once(in: 2) ? 1 : random.int(1...3))
    if height + pads.0 + pads.2 < reach.0 || width + pads.1 + pads.3 < reach.1 { return nil }
    let oh = (height + pads.0 + pads.2 - reach.0) / Int(a.stride_y) + 1
    let ow = (width + pads.1 + pads.3 - reach.1) / Int(a.stride_x) + 1
    if batch * oc * oh * ow * ic * kernel.0 * kernel.1 > 2_000_000 { return nil }
    (a.kernel_height, a.kernel_width) = (Int32(kernel.0), Int32(kernel.1))
    (a.dilation_y, a.dilation_x) = (Int32(dilation.0), Int32(dilation.1))
    (a.pad_top, a.pad_left) = (Int32(pads.0), Int32(pads.1))
    let halo = max(max(pads.0, pads.1), max(pads.2, pads.3)) + (random.once(in: 4) ? 1 : 0)
    a.x = randomView(
      &random, batch: batch, channels: ic, height: height, width: width, elementBytes: xBytes, halo: halo,
      haloValue: xBytes == 4 ? 0 : zeroPoint(), isPixels: ic <= 4 && !isInBlocks)
    a.y = randomView(
      &random, batch: batch, channels: oc, height: oh, width: ow, elementBytes: yBytes,
      halo: random.once(in: 2) ? 0 : random.int(0...3), haloValue: zeroPoint())
    return a
  }

  mutating func segments(_ a: inout cnn_conv, group: Int) {
    let ic = Int(a.x.channels), kw = Int(a.kernel_width)
    let p = offsets.last(40_000).base.assumingMemoryBound(to: Int32.self)
    var count = 0
    func append(_ block: Int, _ ky: Int, _ kx: Int) {
      let y = ky * Int(a.dilation_y) - Int(a.pad_top), x = kx * Int(a.dilation_x) - Int(a.pad_left)
      p[count] = Int32(block * Int(a.x.block) + y * Int(a.x.row) + x * Int(a.x.pixel))
      count += 1
    }
    let isPixels = a.x.block == 0, isRows = isPixels && a.dilation_x == 1, blocks = isPixels ? 1 : (ic + 15) / 16
    for block in 0..<blocks {
      for ky in 0..<Int(a.kernel_height) {
        for kx in 0..<(isRows ? 1 : kw) { append(block, ky, kx) }
      }
    }
    let rest = isRows ? kw * ic : (ic - 1) % 16 + 1
    let lastSegments = count / blocks, allAreFull = rest == 16 && random.once(in: 2)
    a.offsets = UnsafePointer(p)
    a.full_segments = Int32(allAreFull ? count : count - lastSegments)
    a.last_segments = Int32(allAreFull ? 0 : lastSegments)
    a.full_steps = Int32(16 / group)
    a.last_steps = Int32((rest + group - 1) / group)
  }

  /// Random weights, plain [oc][ic][ky][kx], in `plainWeights`; 0 between channels of different groups.
  mutating func randomWeights(oc: Int, ic: Int, taps: Int, groups: Int = 1, isFloat: Bool) -> UnsafeMutableRawPointer {
    let isAtTheEnds = random.once(in: 4)
    let plain = plainWeights.last((oc * ic * taps * (isFloat ? 4 : 1) + 63) / 64 * 64).base
    for i in 0..<oc * ic * taps {
      let isInGroup = i / taps / ic / (oc / groups) == i / taps % ic / (ic / groups)
      if isFloat {
        plain.storeBytes(of: isInGroup ? random.real() : 0, toByteOffset: i * 4, as: Float.self)
      } else {
        let value = isAtTheEnds ? (random.once(in: 2) ? 127 : -127) : random.int(-127...127)
        plain.storeBytes(of: isInGroup ? Int8(value) : 0, toByteOffset: i, as: Int8.self)
      }
    }
    return plain
  }

  /// Random weights, plain in `plainWeights`, and in kernel order for the kernels.
  mutating func packWeights(_ a: inout cnn_conv, groups: Int = 1, isFloat: Bool) {
    let ic = Int(a.x.channels), oc = Int(a.y.channels), kh = Int(a.kernel_height), kw = Int(a.kernel_width)
    let element = isFloat ? 4 : 1, group = isFloat ? 1 : 4
    let plain = randomWeights(oc: oc, ic: ic, taps: kh * kw, groups: groups, isFloat: isFloat)
    let steps = Int(a.full_segments * a.full_steps + a.last_segments * a.last_steps)
    let packed = weights.last((oc + 15) / 16 * steps * 64)
    packed.fill(0)
    a.weight_block = Int64(steps * 64)
    a.weights = UnsafePointer(packed.base.assumingMemoryBound(to: UInt8.self))
    for o in 0..<oc {
      // Where the next weight of this output channel goes: steps follow each other, each segment begins a new one.
      var step = 0, lane = 0
      let to = packed.base + o / 16 * steps * 64 + o % 16 * 4
      func endSegment() {
        if lane > 0 { step += 1 }
        lane = 0
      }
      func append(_ i: Int, _ ky: Int, _ kx: Int) {
        let from = plain + (((o * ic + i) * kh + ky) * kw + kx) * element
        (to + step * 64 + lane * element).copyMemory(from: from, byteCount: element)
        lane += 1
        if lane == group { endSegment() }
      }
      for first in stride(from: 0, to: ic, by: 16) {
        for ky in 0..<kh {
          for kx in 0..<kw {
            for i in first..<min(first + 16, ic) { append(i, ky, kx) }
            if a.x.block != 0 || a.dilation_x != 1 { endSegment() }
          }
          endSegment()
        }
      }
      if step != steps { check_stop("the check packs weights wrongly", "", 2) }
    }
  }

  /// Bias for the fast kernels and for the reference; for int8 with the zero point in it.
  mutating func biases(_ a: cnn_conv, isFloat: Bool, isDepthwise: Bool = false) -> (
    UnsafeMutableRawPointer, UnsafeMutableRawPointer
  ) {
    let oc = Int(a.y.channels), each = (isDepthwise ? 1 : Int(a.x.channels)) * Int(a.kernel_height * a.kernel_width),
      padded = (oc + 15) / 16 * 64
    let fastBias = fastBias.last(padded), referenceBias = referenceBias.last(padded)
    fastBias.fill(0)
    referenceBias.fill(0)
    let plain = plainWeights.last((oc * each * (isFloat ? 4 : 1) + 63) / 64 * 64).base
    for o in 0..<oc {
      if isFloat {
        let value = random.real()
        fastBias.base.storeBytes(of: value, toByteOffset: o * 4, as: Float.self)
        referenceBias.base.storeBytes(of: value, toByteOffset: o * 4, as: Float.self)
      } else {
        let value = Int32(random.int(-10000...10000))
        var sum: Int32 = 0
        for i in 0..<each { sum += Int32(plain.load(fromByteOffset: o * each + i, as: Int8.self)) }
        let zero = a.x.halo_value
        fastBias.base.storeBytes(of: value &+ (fast.input_offset - zero) &* sum, toByteOffset: o * 4, as: Int32.self)
        referenceBias.base.storeBytes(of: value &- zero &* sum, toByteOffset: o * 4, as: Int32.self)
      }
    }
    return (fastBias.base, referenceBias.base)
  }

  /// Every float result against a sum in float64, within the error that any order of the additions may have; and the
  /// same bits whatever the shares.
  mutating func compareFloats(
    _ like: cnn_view, _ referenceKernel: cnn_kernel, _ fastKernel: cnn_kernel,
    _ arguments: (_ y: cnn_view, _ isFast: Bool) -> cnn_conv, isDepthwise: Bool, _ describeAll: () -> Void
  ) {
    compareAnyway(like, referenceKernel, fastKernel, arguments, describeAll) { check, a, y, isFast in
      check.compareToFloat64(a, y, isFast: isFast, isDepthwise: isDepthwise, describeAll)
    }
  }

  mutating func compareToFloat64(
    _ a: cnn_conv, _ y: Tensor, isFast: Bool, isDepthwise: Bool, _ describeAll: () -> Void
  ) {
    let ic = isDepthwise ? 1 : Int(a.x.channels), oc = Int(a.y.channels)
    let kh = Int(a.kernel_height), kw = Int(a.kernel_width)
    let w = plainWeights.last((oc * ic * kh * kw * 4 + 63) / 64 * 64).base.assumingMemoryBound(to: Float.self)
    let bias = a.bias.assumingMemoryBound(to: Float.self), input = Tensor(a.x, in: x, elementBytes: 4)
    let place = { (n: Int, c: Int, oy: Int, ox: Int) in
      Int(a.y.image) * n + Int(a.y.block) * (c / 16) + Int(a.y.row) * oy + Int(a.y.pixel) * ox + c % 16 * 4
    }
    for n in 0..<Int(a.y.batch) {
      for o in 0..<oc {
        for oy in 0..<Int(a.y.height) {
          for ox in 0..<Int(a.y.width) {
            var sum = Double(bias[o]), magnitude = sum.magnitude
            for ky in 0..<kh {
              for kx in 0..<kw {
                let iy = oy * Int(a.stride_y) + ky * Int(a.dilation_y) - Int(a.pad_top)
                let ix = ox * Int(a.stride_x) + kx * Int(a.dilation_x) - Int(a.pad_left)
                if iy < 0 || iy >= Int(a.x.height) || ix < 0 || ix >= Int(a.x.width) { continue }
                for i in 0..<ic {
                  let v = Double(input.address(n, isDepthwise ? o : i, iy, ix).loadUnaligned(as: Float.self))
                  let product = v * Double(w[((o * ic + i) * kh + ky) * kw + kx])
                  sum += product
                  magnitude += product.magnitude
                }
              }
            }
            let exact = min(max(sum, Double(a.low)), Double(a.high))
            let result = UnsafeRawPointer(a.y.data) + place(n, o, oy, ox)
            // Each of the products and additions rounds by at most half a unit in the last place.
            judge(
              Double(result.loadUnaligned(as: Float.self)), exact: exact, magnitude: magnitude,
              bound: magnitude * Double(ic * kh * kw + 2) * 0x1p-24, isFast: isFast, describeAll)
          }
        }
      }
    }
  }
}

func describeConvolution(_ a: cnn_conv) {
  describe("x", a.x)
  describe("y", a.y)
  check_number("kernel_height", Int64(a.kernel_height))
  check_number("kernel_width", Int64(a.kernel_width))
  check_number("stride_y", Int64(a.stride_y))
  check_number("stride_x", Int64(a.stride_x))
  check_number("dilation_y", Int64(a.dilation_y))
  check_number("dilation_x", Int64(a.dilation_x))
  check_number("pad_top", Int64(a.pad_top))
  check_number("pad_left", Int64(a.pad_left))
}
