import CCheck
import CKernels

extension Check {
  /// A tensor of random shape and content in blocks.
  mutating func tensor(_ piece: Piece, isFloat: Bool, like shape: cnn_view? = nil) -> Tensor {
    var random = random
    func size(_ most: Int) -> Int { random.once(in: 2) ? random.int(1...most / 3) : random.int(1...most) }
    let batch = shape.map { Int($0.batch) } ?? size(4), channels = shape.map { Int($0.channels) } ?? size(70)
    let height = shape.map { Int($0.height) } ?? size(20), width = shape.map { Int($0.width) } ?? size(20)
    let view = randomView(
      &random, batch: batch, channels: channels, height: height, width: width, elementBytes: isFloat ? 4 : 1,
      halo: random.once(in: 2) ? 0 : random.int(1...3), haloValue: random.int(0...255))
    let tensor = Tensor(view, in: piece, elementBytes: isFloat ? 4 : 1)
    tensor.fill(&random, isFloat ? randomFloat : randomByte)
    self.random = random
    return tensor
  }
  /// A shape for the result.
  mutating func result(_ x: cnn_view, height: Int, width: Int, elementBytes: Int) -> cnn_view {
    randomView(
      &random, batch: Int(x.batch), channels: Int(x.channels), height: height, width: width,
      elementBytes: elementBytes, halo: random.once(in: 2) ? 0 : random.int(1...3), haloValue: random.int(0...255))
  }

  mutating func pool(isFloat: Bool, isMax: Bool) {
    let input = tensor(x, isFloat: isFloat)
    var a = cnn_pool()
    a.x = input.view
    let isGlobal = random.once(in: 5), height = Int(a.x.height), width = Int(a.x.width)
    let kernel = isGlobal ? (height, width) : (random.int(1...4), random.int(1...4))
    let stride = (random.int(1...3), random.int(1...3))
    let dilation = random.once(in: 3) && isMax && !isGlobal ? (random.int(1...3), random.int(1...3)) : (1, 1)
    // A pad smaller than the kernel, so that each window holds an element of the image.
    func pad(_ kernel: Int, _ random: inout Random) -> Int { isGlobal ? 0 : random.int(0...min(kernel - 1, 2)) }
    let pads = (pad(kernel.0, &random), pad(kernel.1, &random), pad(kernel.0, &random), pad(kernel.1, &random))
    let reach = ((kernel.0 - 1) * dilation.0 + 1, (kernel.1 - 1) * dilation.1 + 1)
    if height + pads.0 + pads.2 < reach.0 || width + pads.1 + pads.3 < reach.1 {
      return pool(isFloat: isFloat, isMax: isMax)
    }
    // ceil_mode: one more window where it still begins in the image.
    func count(_ size: Int, _ before: Int, _ after: Int, _ reach: Int, _ stride: Int) -> Int {
      let down = (size + before + after - reach) / stride + 1
      return down * stride - before < size && random.once(in: 3) ? down + 1 : down
    }
    let oh = count(height, pads.0, pads.2, reach.0, stride.0), ow = count(width, pads.1, pads.3, reach.1, stride.1)
    (a.kernel_height, a.kernel_width) = (Int32(kernel.0), Int32(kernel.1))
    (a.stride_y, a.stride_x) = (Int32(stride.0), Int32(stride.1))
    (a.dilation_y, a.dilation_x) = (Int32(dilation.0), Int32(dilation.1))
    (a.pad_top, a.pad_left, a.pad_bottom, a.pad_right) = (Int32(pads.0), Int32(pads.1), Int32(pads.2), Int32(pads.3))
    a.count_include_pad = random.once(in: 2) ? 1 : 0
    a.low = random.once(in: 2) ? 0 : -Float.infinity
    a.high = random.once(in: 2) ? 3 : Float.infinity
    a.is_exact = isGlobal || random.once(in: 2) ? 1 : 0
    a.x_scale = random.real() + 1.01
    // Often sums lie in the middle between two steps.
    a.y_scale = random.once(in: 2) ? a.x_scale : random.real() + 1.01
    a.x_zero_point = Int32(zeroPoint())
    a.y_zero_point = Int32(zeroPoint())
    a.y_offset = random.once(in: 2) ? 128 : 0
    let like = result(a.x, height: oh, width: ow, elementBytes: isFloat ? 4 : 1), arguments = a
    compare(
      like, elementBytes: isFloat ? 4 : 1,
      isMax
        ? (isFloat ? reference.max_pool_f32 : reference.max_pool_u8)
        : (isFloat ? reference.average_pool_f32 : reference.average_pool_u8),
      isMax
        ? (isFloat ? fast.max_pool_f32 : fast.max_pool_u8)
        : (isFloat ? fast.average_pool_f32 : fast.average_pool_u8),
      { y, _ in
        var a = arguments
        a.y = y
        return a
      },
      describe: {
        describe("x", arguments.x)
        describe("y", like)
        check_number("kernel_height", Int64(arguments.kernel_height))
        check_number("kernel_width", Int64(arguments.kernel_width))
        check_number("stride_y", Int64(arguments.stride_y))
        check_number("stride_x", Int64(arguments.stride_x))
        check_number("dilation_y", Int64(arguments.dilation_y))
        check_number("dilation_x", Int64(arguments.dilation_x))
        check_number("pad_top", Int64(arguments.pad_top))
        check_number("pad_left", Int64(arguments.pad_left))
        check_number("count_include_pad", Int64(arguments.count_include_pad))
      })
  }

  mutating func add(isFloat: Bool) {
    let left = tensor(x, isFloat: isFloat), right = tensor(b, isFloat: isFloat, like: left.view)
    var a = cnn_add()
    a.a = left.view
    a.b = right.view
    a.offset = random.once(in: 2) ? 128 : 0
    a.low = isFloat ? (random.once(in: 2) ? 0 : -Float.infinity) : Float(random.int(0...100) - Int(a.offset))
    a.high = isFloat ? Float.infinity : Float(random.int(150...255) - Int(a.offset))
    (a.scale_a, a.scale_b, a.shift) = sum()
    let arguments = a, height = Int(a.a.height), width = Int(a.a.width)
    compare(
      result(a.a, height: height, width: width, elementBytes: isFloat ? 4 : 1), elementBytes: isFloat ? 4 : 1,
      isFloat ? reference.add_f32 : reference.add_u8, isFloat ? fast.add_f32 : fast.add_u8,
      { y, _ in
        var a = arguments
        a.y = y
        return a
      }, describe: { describe("a", arguments.a) })
  }

  /// Scales and shift of a uint8 sum: where results fall between two steps, where a factor is far too large, where it cancels.
  mutating func sum() -> (a: Float, b: Float, shift: Float) {
    let zero = Float(zeroPoint())
    if random.once(in: 3) { return (0.5, random.once(in: 2) ? 0.5 : -0.5, zero) }
    let a = random.real() + 1.01, b = random.once(in: 20) ? 1e30 : random.real() + 1.01
    return (a, b, random.once(in: 20) ? -.infinity : zero - a * Float(zeroPoint()) - b * Float(zeroPoint()))
  }

  mutating func clamp() {
    let input = tensor(x, isFloat: false)
    var a = cnn_affine()
    a.x = input.view
    a.low = Float(random.int(0...128))
    a.high = Float(random.int(128...255))
    affine(a, elementBytes: 1, reference.clamp_u8, fast.clamp_u8)
  }

  mutating func affine() {
    let input = tensor(x, isFloat: true)
    var a = cnn_affine()
    a.x = input.view
    a.low = random.once(in: 2) ? 0 : -Float.infinity
    a.high = random.once(in: 2) ? 6 : Float.infinity
    if random.once(in: 2) {
      a.scale = UnsafePointer(channelValues(scale, count: Int(a.x.channels)) { $0.real() * 3 })
      a.shift = UnsafePointer(channelValues(shift, count: Int(a.x.channels)) { $0.real() * 3 })
    }
    affine(a, elementBytes: 4, reference.affine_f32, fast.affine_f32)
  }

  private mutating func affine(
    _ arguments: cnn_affine, elementBytes: Int, _ referenceKernel: cnn_kernel, _ fastKernel: cnn_kernel
  ) {
    let height = Int(arguments.x.height), width = Int(arguments.x.width)
    compare(
      result(arguments.x, height: height, width: width, elementBytes: elementBytes), elementBytes: elementBytes,
      referenceKernel, fastKernel,
      { y, _ in
        var a = arguments
        a.y = y
        return a
      }, describe: { describe("x", arguments.x) })
  }

  mutating func prelu(isFloat: Bool) {
    let input = tensor(x, isFloat: isFloat), zero = zeroPoint()
    var a = cnn_prelu()
    a.x = input.view
    a.slope = UnsafePointer(channelValues(scale, count: Int(a.x.channels)) { $0.real() * 2 })
    a.scale = random.real() + 1.01
    (a.x_zero_point, a.y_zero_point) = (Int32(zeroPoint()), Int32(zero))
    (a.low, a.high) = (Float(-zero), Float(255 - zero))
    let like = result(a.x, height: Int(a.x.height), width: Int(a.x.width), elementBytes: isFloat ? 4 : 1)
    compare(
      like, elementBytes: isFloat ? 4 : 1, isFloat ? reference.prelu_f32 : reference.prelu_u8,
      isFloat ? fast.prelu_f32 : fast.prelu_u8,
      { [a] y, _ in
        var a = a
        a.y = y
        return a
      }, describe: { describe("x", input.view) })
  }

  mutating func lrn(isFloat: Bool) {
    let input = tensor(x, isFloat: isFloat)
    var a = cnn_lrn()
    a.x = input.view
    a.size = Int32(random.int(1...9))
    a.alpha_over_size = (random.real() + 1) * (random.once(in: 2) ? 1e-3 : 1) / Float(a.size)
    a.beta = random.once(in: 2) ? 0.75 : random.real() * 2
    a.bias = random.real() + 1
    (a.x_scale, a.y_scale) = ((random.real() + 1.01) * 0.1, (random.real() + 1.01) * 0.1)
    (a.x_zero_point, a.y_zero_point) = (Int32(zeroPoint()), Int32(zeroPoint()))
    let like = result(a.x, height: Int(a.x.height), width: Int(a.x.width), elementBytes: isFloat ? 4 : 1)
    compare(
      like, elementBytes: isFloat ? 4 : 1, isFloat ? reference.lrn_f32 : reference.lrn_u8,
      isFloat ? fast.lrn_f32 : fast.lrn_u8,
      { [a] y, _ in
        var a = a
        a.y = y
        return a
      },
      describe: { [a] in
        describe("x", input.view)
        check_number("size", Int64(a.size))
      })
    if isFloat { compareToPower(a, Tensor(like, in: expected, elementBytes: 4)) }
  }

  /// What the reference left in `expected` against the formula in float64: exponential and logarithm are its own.
  private func compareToPower(_ a: cnn_lrn, _ y: Tensor) {
    let input = Tensor(a.x, in: x, elementBytes: 4), size = Int(a.size), channels = Int(a.x.channels)
    for n in 0..<Int(a.x.batch) {
      for row in 0..<Int(a.x.height) {
        for column in 0..<Int(a.x.width) {
          func value(_ c: Int) -> Double { Double(input.address(n, c, row, column).loadUnaligned(as: Float.self)) }
          for c in 0..<channels {
            var sum = 0.0
            for i in max(0, c - (size - 1) / 2)...min(channels - 1, c + size / 2) { sum += value(i) * value(i) }
            let base = Double(a.bias) + Double(a.alpha_over_size) * sum
            // Near 0 the result is as large as one likes, and clamped.
            if base < 1e-3 { continue }
            let exact = value(c) * check_power(base, -Double(a.beta))
            let got = Double(y.address(n, c, row, column).loadUnaligned(as: Float.self))
            if (got - exact).magnitude <= exact.magnitude * 4e-6 { continue }
            check_real("exact", exact)
            check_real("result", got)
            check_stop("the reference's LRN is too far from the truth", "", 1)
          }
        }
      }
    }
  }

  mutating func resize(isFloat: Bool) {
    let input = tensor(x, isFloat: isFloat), height = random.int(1...30), width = random.int(1...30)
    /// Any places and weights will do.
    func taps(_ piece: Piece, _ count: Int, from: Int32, _ random: inout Random) -> UnsafePointer<cnn_tap> {
      let p = piece.last(count * MemoryLayout<cnn_tap>.stride).base.assumingMemoryBound(to: cnn_tap.self)
      for i in 0..<count {
        let first = random.int(0...Int(from) - 1), weight = random.once(in: 5) ? 0 : (random.real() + 1) / 2
        p[i] = cnn_tap(
          first: Int32(first), second: Int32(min(first + 1, Int(from) - 1)), weight: weight,
          fixed: Int32((weight * 2048).rounded(.toNearestOrEven)))
      }
      return UnsafePointer(p)
    }
    var a = cnn_resize()
    a.x = input.view
    a.rows = taps(offsets, height, from: a.x.height, &random)
    a.columns = taps(table, width, from: a.x.width, &random)
    let like = result(a.x, height: height, width: width, elementBytes: isFloat ? 4 : 1)
    compare(
      like, elementBytes: isFloat ? 4 : 1, isFloat ? reference.resize_f32 : reference.resize_u8,
      isFloat ? fast.resize_f32 : fast.resize_u8,
      { [a] y, _ in
        var a = a
        a.y = y
        return a
      },
      describe: {
        describe("x", input.view)
        describe("y", like)
      })
  }

  mutating func flatten() {
    let bytes = random.once(in: 2) ? 4 : 1
    var input = tensor(x, isFloat: bytes == 4)
    if random.once(in: 3) {
      let v = input.view
      let view = randomView(
        &random, batch: Int(v.batch), channels: random.int(1...4), height: Int(v.height), width: Int(v.width),
        elementBytes: bytes, halo: Int(v.halo), isPixels: true)
      input = Tensor(view, in: x, elementBytes: bytes)
      input.fill(&random, bytes == 4 ? randomFloat : randomByte)
    }
    let v = input.view, elements = Int(v.channels) * Int(v.height) * Int(v.width)
    let like = randomView(
      &random, batch: Int(v.batch), channels: elements, height: 1, width: 1, elementBytes: bytes, halo: 0)
    // A tensor of rank 2 has no gaps between its blocks.
    var y = like
    y.block = Int64(16 * bytes)
    y.row = y.block
    y.image = Int64((elements + 15) / 16) * y.block
    compare(
      y, elementBytes: bytes, reference.flatten, fast.flatten,
      { y, _ in cnn_flatten(x: v, y: y, element_bytes: Int32(bytes)) }, describe: { describe("x", v) })
  }

  mutating func softmax() {
    let isFloat = random.once(in: 2), channels = random.once(in: 4) ? random.int(1...1200) : random.int(1...40)
    func view(_ bytes: Int) -> cnn_view {
      let blocks = (channels + 15) / 16
      return cnn_view(
        data: nil, image: Int64(blocks * 16 * bytes), block: Int64(16 * bytes), row: Int64(16 * bytes),
        pixel: Int32(16 * bytes), batch: Int32(random.int(1...4)), channels: Int32(channels), height: 1, width: 1,
        halo: 0, halo_value: 0)
    }
    let input = Tensor(view(isFloat ? 4 : 1), in: x, elementBytes: isFloat ? 4 : 1)
    let spread: Float = random.once(in: 4) ? 60 : 3
    input.fill(&random) { random, p in
      if isFloat { p.storeBytes(of: random.real() * spread, as: Float.self) } else { randomByte(&random, p) }
    }
    var y = view(4)
    y.batch = input.view.batch
    let arguments = cnn_softmax(
      x: input.view, y: y, x_is_u8: isFloat ? 0 : 1, x_scale: (random.real() + 1.01) * 0.2,
      x_zero_point: Int32(zeroPoint()))
    compare(
      y, elementBytes: 4, reference.softmax, fast.softmax,
      { y, _ in
        var a = arguments
        a.y = y
        return a
      }, describe: { describe("x", arguments.x) })
  }
}
