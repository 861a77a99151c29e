import CBundle
import CCheck
import CKernels

// Kernels over plain tensors and axes: reductions, layer normalisation, softmax along an axis, matrix products.
extension Check {
  /// Memory with random elements.
  private func filled(_ piece: Piece, _ count: Int, isFloat: Bool, spread: Float = 4, _ random: inout Random)
    -> UnsafePointer<UInt8>
  {
    let p = piece.last(count * (isFloat ? 4 : 1)).base
    for i in 0..<count {
      if isFloat {
        (p + i * 4).storeBytes(of: random.real() * spread, as: Float.self)
      } else {
        randomByte(&random, p + i)
      }
    }
    return UnsafePointer(p.assumingMemoryBound(to: UInt8.self))
  }
  private mutating func values(_ piece: Piece, _ count: Int) -> UnsafePointer<Float> {
    UnsafeRawPointer(filled(piece, count, isFloat: true, &random)).assumingMemoryBound(to: Float.self)
  }

  /// Some axes of a tensor, in any order, are reduced; lanes are a block of channels, or the axes are all there is.
  mutating func reduce(isFloat: Bool) {
    let bytes = isFloat ? 4 : 1, lanes = random.once(in: 2) ? 16 : 1, batch = random.int(1...3)
    let axes = random.int(1...4)
    var a = cnn_reduce()
    let tables = axisTables.last(8 * 2 * 48 * 4).base.assumingMemoryBound(to: Int32.self)
    var xSize = lanes * bytes, ySize = lanes * bytes, reduced = 1
    for i in (0..<axes).reversed() {
      let count = random.once(in: 3) ? random.int(1...40 / axes) : random.int(1...6), isKept = random.once(in: 2)
      let xs = tables + i * 96, ys = xs + 48
      for k in 0..<count {
        xs[k] = Int32(k * xSize)
        ys[k] = Int32(k * ySize)
      }
      xSize *= count
      let axis = cnn_axis(count: Int32(count), x: UnsafePointer(xs), y: UnsafePointer(ys))
      if isKept {
        ySize *= count
        put(axis, &a.kept, &a.kept_count)
      } else {
        reduced *= count
        put(axis, &a.reduced, &a.reduced_count)
      }
    }
    let kinds = [CNNB_OP_REDUCE_MEAN, CNNB_OP_REDUCE_SUM, CNNB_OP_REDUCE_MAX, CNNB_OP_REDUCE_MIN], zero = zeroPoint()
    a.kind = Int32(kinds[random.int(0...3)])
    a.lanes = Int32(lanes)
    a.x = filled(x, xSize * batch / bytes, isFloat: isFloat, &random)
    a.x_image = Int64(xSize)
    a.y_image = Int64(ySize)
    a.batch = Int32(batch)
    a.scale = (random.real() + 1.01) / (a.kind == CNNB_OP_REDUCE_MEAN ? Float(reduced) : 10)
    a.x_zero_point = Int32(zeroPoint())
    a.y_zero_point = Int32(zero)
    a.low = Float(-zero)
    a.high = Float(255 - zero)
    compare(
      plainView(batch: batch, elements: ySize / bytes, elementBytes: bytes), elementBytes: bytes,
      isFloat ? reference.reduce_f32 : reference.reduce_u8, isFloat ? fast.reduce_f32 : fast.reduce_u8,
      { [a] y, _ in
        var a = a
        a.y = y.data
        return a
      },
      describe: { [a] in
        check_number("kind", Int64(a.kind))
        check_number("lanes", Int64(lanes))
        check_number("kept", Int64(a.kept_count))
        check_number("reduced", Int64(a.reduced_count))
      })
  }
  private func put(
    _ axis: cnn_axis, _ axes: inout (cnn_axis, cnn_axis, cnn_axis, cnn_axis, cnn_axis), _ count: inout Int32
  ) {
    switch count {
    case 0: axes.0 = axis
    case 1: axes.1 = axis
    case 2: axes.2 = axis
    case 3: axes.3 = axis
    default: axes.4 = axis
    }
    count += 1
  }

  mutating func layerNorm(isFloat: Bool) {
    let bytes = isFloat ? 4 : 1, rows = random.int(1...8), zero = zeroPoint()
    let length = random.once(in: 4) ? random.int(1...3000) : random.int(1...100), gap = random.int(0...3) * bytes
    var a = cnn_layer_norm()
    a.rows = Int64(rows)
    a.length = Int32(length)
    a.x_row = Int64(length * bytes + gap)
    a.y_row = Int64(length * bytes)
    a.x = filled(x, rows * Int(a.x_row) / bytes, isFloat: isFloat, &random)
    if random.once(in: 2) { a.scale = values(weights, length) }
    if random.once(in: 2) { a.bias = values(blockWeights, length) }
    a.epsilon = random.once(in: 2) ? 1e-5 : 0.1
    (a.x_scale, a.y_scale) = (random.real() + 1.01, (random.real() + 1.01) * 0.05)
    (a.x_zero_point, a.y_zero_point) = (Int32(zeroPoint()), Int32(zero))
    var like = plainView(batch: rows, elements: length, elementBytes: bytes)
    like.image = a.y_row
    let arguments = { [a] (y: cnn_view, _: Bool) -> cnn_layer_norm in
      var a = a
      a.y = y.data
      return a
    }
    let describeAll = { check_number("length", Int64(length)) }
    if !isFloat {
      return compare(
        like, elementBytes: 1, reference.layer_norm_u8, fast.layer_norm_u8, arguments, describe: describeAll)
    }
    compareAnyway(like, reference.layer_norm_f32, fast.layer_norm_f32, arguments, describeAll) {
      check, _, y, isFast in
      if isFast { check.compareToReference(y, describeAll) }
    }
  }

  mutating func groupNorm(isFloat: Bool) {
    let groups = random.once(in: 3) ? random.int(1...40) : random.int(1...6), zero = zeroPoint()
    let channels = groups * (random.once(in: 3) ? random.int(1...20) : random.int(1...4))
    let batch = random.int(1...3), height = random.int(1...9), width = random.int(1...9), bytes = isFloat ? 4 : 1
    let input = Tensor(
      randomView(
        &random, batch: batch, channels: channels, height: height, width: width, elementBytes: bytes,
        halo: random.int(0...1)), in: x, elementBytes: bytes)
    input.fill(&random, isFloat ? randomFloat : randomByte)
    var a = cnn_group_norm()
    a.x = input.view
    a.groups = Int32(groups)
    a.scale = UnsafePointer(channelValues(scale, count: channels) { $0.real() * 3 })
    a.bias = UnsafePointer(channelValues(shift, count: channels) { $0.real() * 3 })
    a.epsilon = random.once(in: 2) ? 1e-5 : 0.1
    (a.x_scale, a.y_scale) = (random.real() + 1.01, (random.real() + 1.01) * 0.05)
    (a.x_zero_point, a.y_zero_point) = (Int32(zeroPoint()), Int32(zero))
    let like = randomView(
      &random, batch: batch, channels: channels, height: height, width: width, elementBytes: bytes,
      halo: random.int(0...2), haloValue: zero)
    let arguments = { [a] (y: cnn_view, _: Bool) -> cnn_group_norm in
      var a = a
      a.y = y
      return a
    }
    let describeAll = {
      describe("x", input.view)
      check_number("groups", Int64(groups))
    }
    if !isFloat {
      return compare(
        like, elementBytes: 1, reference.group_norm_u8, fast.group_norm_u8, arguments, describe: describeAll)
    }
    compareAnyway(like, reference.group_norm_f32, fast.group_norm_f32, arguments, describeAll) {
      check, _, y, isFast in
      if isFast { check.compareToReference(y, describeAll) }
    }
  }

  /// The fast results, in `actual`, to the reference's in float64, in `expected`: elements and results are of the size of 1 to some 10, and
  /// may be differences of such.
  private mutating func compareToReference(_ y: Tensor, _ describeAll: () -> Void) {
    let truth = Tensor(y.view, in: expected, elementBytes: 4)
    for n in 0..<Int(y.view.batch) {
      for c in 0..<Int(y.view.channels) {
        for row in 0..<Int(y.view.height) {
          for column in 0..<Int(y.view.width) {
            let exact = Double(truth.address(n, c, row, column).loadUnaligned(as: Float.self))
            let magnitude = exact.magnitude + 10
            judge(
              Double(y.address(n, c, row, column).loadUnaligned(as: Float.self)), exact: exact, magnitude: magnitude,
              bound: magnitude * 0x1p-19, isFast: true, describeAll)
          }
        }
      }
    }
  }

  mutating func softmaxAxis() {
    let isFloat = random.once(in: 2), isToFloat = isFloat || random.once(in: 2), outer = random.int(1...4)
    let inner = random.once(in: 3) ? 1 : random.int(1...40)
    let length = random.once(in: 4) ? random.int(1...200) : random.int(1...20)
    var a = cnn_softmax_axis()
    a.outer = Int64(outer)
    (a.length, a.inner) = (Int32(length), Int32(inner))
    (a.x_is_u8, a.y_is_u8) = (isFloat ? 0 : 1, isToFloat ? 0 : 1)
    a.x = filled(x, outer * length * inner, isFloat: isFloat, spread: random.once(in: 4) ? 60 : 3, &random)
    (a.x_scale, a.y_scale) = ((random.real() + 1.01) * 0.2, 1 / 256)
    (a.x_zero_point, a.y_zero_point) = (Int32(zeroPoint()), Int32(random.int(0...20)))
    let bytes = isToFloat ? 4 : 1
    compare(
      plainView(batch: 1, elements: outer * length * inner, elementBytes: bytes), elementBytes: bytes,
      reference.softmax_axis, fast.softmax_axis,
      { [a] y, _ in
        var a = a
        a.y = y.data
        return a
      },
      describe: {
        check_number("length", Int64(length))
        check_number("inner", Int64(inner))
        check_number("x_is_f32", isFloat ? 1 : 0)
      })
  }

  /// Products over outer axes that one operand or the other may repeat.
  mutating func matmul(isFloat: Bool) {
    let bytes = isFloat ? 4 : 1, zero = zeroPoint()
    let m = random.int(1...40), k = random.int(1...50), p = random.int(1...70),
      counts = (random.int(1...3), random.int(1...3))
    var a = cnn_matmul()
    (a.m, a.k, a.p) = (Int32(m), Int32(k), Int32(p))
    a.counts = (1, Int32(counts.0), 1, Int32(counts.1))
    a.a_row = Int64((k + random.int(0...2)) * bytes)
    a.b_row = Int64((p + random.int(0...2)) * bytes)
    a.y_row = Int64(p * bytes)
    let (aSize, bSize, ySize) = (Int(a.a_row) * m, Int(a.b_row) * k, p * bytes * m)
    let repeats = (random.once(in: 3), random.once(in: 3))
    a.a_strides = (0, Int64(aSize * counts.1), 0, Int64(aSize))
    a.b_strides = (0, repeats.0 ? 0 : Int64(bSize * counts.1), 0, repeats.1 ? 0 : Int64(bSize))
    a.y_strides = (0, Int64(ySize * counts.1), 0, Int64(ySize))
    let places = counts.0 * counts.1
    a.a = filled(x, aSize * places / bytes, isFloat: isFloat, &random)
    a.b = filled(b, bSize * places / bytes, isFloat: isFloat, &random)
    a.scale = (random.real() + 1.01) * 0.01
    (a.a_zero_point, a.b_zero_point, a.y_zero_point) = (Int32(zeroPoint()), Int32(zeroPoint()), Int32(zero))
    (a.low, a.high) = (Float(-zero), Float(255 - zero))
    let like = plainView(batch: 1, elements: ySize * places / bytes, elementBytes: bytes)
    let arguments = { [a] (y: cnn_view, _: Bool) -> cnn_matmul in
      var a = a
      a.y = y.data
      return a
    }
    let describeAll = {
      check_number("m", Int64(m))
      check_number("k", Int64(k))
      check_number("p", Int64(p))
    }
    if !isFloat {
      return compare(like, elementBytes: 1, reference.matmul_u8, fast.matmul_u8, arguments, describe: describeAll)
    }
    compareAnyway(like, reference.matmul_f32, fast.matmul_f32, arguments, describeAll) { check, a, y, isFast in
      check.compareProduct(a, isFast: isFast, describeAll)
    }
  }

  private mutating func compareProduct(_ a: cnn_matmul, isFast: Bool, _ describeAll: () -> Void) {
    for i1 in 0..<Int(a.counts.1) {
      for i3 in 0..<Int(a.counts.3) {
        func start(_ p: UnsafeRawPointer, _ s: (Int64, Int64, Int64, Int64)) -> UnsafeRawPointer {
          p + i1 * Int(s.1) + i3 * Int(s.3)
        }
        let left = start(a.a, a.a_strides), right = start(a.b, a.b_strides), y = start(a.y, a.y_strides)
        for i in 0..<Int(a.m) {
          for j in 0..<Int(a.p) {
            var sum = 0.0, magnitude = 0.0
            for l in 0..<Int(a.k) {
              let v = Double((left + i * Int(a.a_row) + l * 4).loadUnaligned(as: Float.self))
              let product = v * Double((right + l * Int(a.b_row) + j * 4).loadUnaligned(as: Float.self))
              sum += product
              magnitude += product.magnitude
            }
            judge(
              Double((y + i * Int(a.y_row) + j * 4).loadUnaligned(as: Float.self)), exact: sum, magnitude: magnitude,
              bound: magnitude * Double(a.k + 2) * 0x1p-24, isFast: isFast, describeAll)
          }
        }
      }
    }
  }
}
