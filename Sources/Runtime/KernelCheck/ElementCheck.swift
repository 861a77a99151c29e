import CBundle
import CCheck
import CKernels

extension Check {
  /// Any of the layouts that what works element by element takes: blocks, pixels, plain.
  mutating func anyLayout(elementBytes: Int, resultBytes: Int? = nil) -> (x: cnn_view, y: cnn_view) {
    func view(_ random: inout Random) -> (cnn_view, cnn_view) {
      let layout = random.int(0...2), batch = random.int(1...4)
      let channels = layout == 0 ? random.int(1...70) : layout == 1 ? random.int(1...4) : 1
      let height = layout == 2 ? 1 : random.int(1...14), width = layout == 2 ? random.int(1...500) : random.int(1...14)
      func one(_ random: inout Random, _ elementBytes: Int) -> cnn_view {
        randomView(
          &random, batch: batch, channels: channels, height: height, width: width, elementBytes: elementBytes,
          halo: layout == 2 || random.once(in: 2) ? 0 : random.int(1...3), haloValue: random.int(0...255),
          isPixels: layout != 0)
      }
      return (one(&random, elementBytes), one(&random, resultBytes ?? elementBytes))
    }
    return view(&random)
  }

  mutating func unary(isFloat: Bool) {
    let (xLike, yLike) = anyLayout(elementBytes: isFloat ? 4 : 1)
    let input = Tensor(xLike, in: x, elementBytes: isFloat ? 4 : 1)
    let spread: Float = random.once(in: 2) ? 3 : random.once(in: 2) ? 100 : 1e-3
    input.fill(&random) { random, p in
      if isFloat { p.storeBytes(of: random.real() * spread, as: Float.self) } else { randomByte(&random, p) }
    }
    let kinds = [
      CNNB_OP_LEAKY_RELU, CNNB_OP_ELU, CNNB_OP_SIGMOID, CNNB_OP_TANH, CNNB_OP_SWISH, CNNB_OP_HARD_SIGMOID,
      CNNB_OP_HARD_SWISH, CNNB_OP_GELU, CNNB_OP_ERF,
    ]
    let kind = kinds[random.int(0...8)], table = table.last(256)
    for i in 0..<256 { randomByte(&random, table.base + i) }
    var a = cnn_unary()
    a.x = input.view
    a.kind = Int32(kind)
    a.alpha = kind == CNNB_OP_GELU ? Float(random.int(0...1)) : random.real() * 2
    a.beta = random.real()
    a.table = UnsafePointer(table.base.assumingMemoryBound(to: UInt8.self))
    let arguments = { [a] (y: cnn_view, _: Bool) -> cnn_unary in
      var a = a
      a.y = y
      return a
    }
    let describeAll = {
      describe("x", xLike)
      check_number("kind", Int64(kind))
    }
    if !isFloat {
      return compare(yLike, elementBytes: 1, reference.unary_u8, fast.unary_u8, arguments, describe: describeAll)
    }
    compareAnyway(yLike, reference.unary_f32, fast.unary_f32, arguments, describeAll) { check, a, y, isFast in
      if !isFast { return }
      check.compareFunction(a, y, describeAll)
    }
  }

  /// The fast results, in `actual`, to the reference's, in `expected`: those are in float64. A value is wrong by a few units in its last place; where the
  /// function falls exponentially, by as many more as its argument is large, because the argument is rounded.
  private mutating func compareFunction(_ a: cnn_unary, _ y: Tensor, _ describeAll: () -> Void) {
    let truth = Tensor(y.view, in: expected, elementBytes: 4), input = Tensor(a.x, in: x, elementBytes: 4)
    let kind = Int(a.kind)
    for n in 0..<Int(y.view.batch) {
      for c in 0..<Int(y.view.channels) {
        for row in 0..<Int(y.view.height) {
          for column in 0..<Int(y.view.width) {
            let v = Double(input.address(n, c, row, column).loadUnaligned(as: Float.self)).magnitude
            let exact = Double(truth.address(n, c, row, column).loadUnaligned(as: Float.self))
            let argument = kind == CNNB_OP_GELU ? v * v * (1 + v) : kind == CNNB_OP_SWISH ? v * 2 : 0
            let units = kind == CNNB_OP_HARD_SIGMOID ? 0 : 6 + argument
            // Hard sigmoid may cancel; below e⁻⁸⁷ everything is 0.
            let floor = kind == CNNB_OP_HARD_SIGMOID ? (v * 2 + 1) * 0x1p-22 : (1 + v) * 1e-37
            judge(
              Double(y.address(n, c, row, column).loadUnaligned(as: Float.self)), exact: exact,
              magnitude: max(exact.magnitude, floor * 0x1p22), bound: exact.magnitude * units * 0x1p-23 + floor,
              isFast: true, describeAll)
          }
        }
      }
    }
  }

  /// a ∘ b with axes that one or the other repeats.
  mutating func binary(isFloat: Bool) {
    let bytes = isFloat ? 4 : 1, batch = random.int(1...3)
    let run = random.once(in: 3) ? 16 : random.int(1...200)
    let counts = (random.int(1...3), random.int(1...3), random.int(1...4), random.int(1...12))
    var a = cnn_binary()
    a.kind = Int32([CNNB_OP_ADD, CNNB_OP_SUB, CNNB_OP_MUL, CNNB_OP_DIV][random.int(0...3)])
    a.batch = Int32(batch)
    a.counts = (Int32(counts.0), Int32(counts.1), Int32(counts.2), Int32(counts.3))
    a.run = Int32(run)
    /// Strides of an operand, 0 where it is repeated; and its size.
    func operand(_ random: inout Random, repeats: Bool) -> (
      step: Int, strides: (Int32, Int32, Int32, Int32), image: Int
    ) {
      let once = { (random: inout Random) in repeats && random.once(in: 3) }
      let step = once(&random) ? 0 : 1
      var size = step == 0 ? bytes : run * bytes
      func stride(_ count: Int, _ random: inout Random) -> Int32 {
        if once(&random) { return 0 }
        defer { size *= count }
        return Int32(size)
      }
      let s3 = stride(counts.3, &random), s2 = stride(counts.2, &random), s1 = stride(counts.1, &random)
      return (step, (stride(counts.0, &random), s1, s2, s3), size)
    }
    let (left, right) = (operand(&random, repeats: true), operand(&random, repeats: true))
    let result = operand(&random, repeats: false)
    a.a_step = Int32(left.step)
    a.b_step = Int32(right.step)
    (a.a_strides, a.b_strides, a.y_strides) = (left.strides, right.strides, result.strides)
    a.a_image = Int64(left.image)
    a.b_image = random.once(in: 3) ? 0 : Int64(right.image)
    func fill(_ piece: Piece, _ count: Int, _ random: inout Random) -> UnsafePointer<UInt8> {
      let p = piece.last(count * bytes).base
      for i in 0..<count {
        if isFloat { randomFloat(&random, p + i * 4) } else { randomByte(&random, p + i) }
      }
      return UnsafePointer(p.assumingMemoryBound(to: UInt8.self))
    }
    a.a = fill(x, left.image * batch / bytes, &random)
    a.b = fill(b, right.image * batch / bytes, &random)
    a.offset = random.once(in: 2) ? 128 : 0
    a.low = isFloat ? (random.once(in: 2) ? 0 : -Float.infinity) : Float(random.int(0...100) - Int(a.offset))
    a.high = isFloat ? Float.infinity : Float(random.int(150...255) - Int(a.offset))
    (a.scale_a, a.scale_b, a.shift) = sum()
    if a.kind == CNNB_OP_MUL || a.kind == CNNB_OP_DIV {
      a.scale_a *= a.kind == CNNB_OP_MUL ? 0.01 : 3
      a.shift = Float(zeroPoint())
    }
    a.a_zero_point = Int32(zeroPoint())
    a.b_zero_point = Int32(zeroPoint())
    let elements = counts.0 * counts.1 * counts.2 * counts.3 * run
    let like = plainView(batch: batch, elements: elements, elementBytes: bytes)
    a.y_image = like.image
    // A halo of another tensor would be filled as well: here one without elements stands for it.
    compare(
      like, elementBytes: bytes, isFloat ? reference.binary_f32 : reference.binary_u8,
      isFloat ? fast.binary_f32 : fast.binary_u8,
      { [a] y, _ in
        var a = a
        a.y = y.data
        return a
      },
      describe: { [a] in
        check_number("kind", Int64(a.kind))
        check_number("run", Int64(run))
        check_number("a_step", Int64(a.a_step))
        check_number("b_step", Int64(a.b_step))
      })
  }

  /// A tensor without layout: one row.
  func plainView(batch: Int, elements: Int, elementBytes: Int) -> cnn_view {
    let bytes = Int64(elements * elementBytes)
    return cnn_view(
      data: nil, image: bytes, block: 0, row: bytes, pixel: Int32(elementBytes), batch: Int32(batch), channels: 1,
      height: 1, width: Int32(elements), halo: 0, halo_value: 0)
  }

  mutating func fillHalo() {
    let (_, like) = anyLayout(elementBytes: random.once(in: 2) ? 4 : 1)
    let bytes = like.block == 0 ? Int(like.pixel / like.channels) : Int(like.pixel / 16)
    compare(
      like, elementBytes: bytes, reference.fill_halo, fast.fill_halo,
      { y, _ in cnn_halo(view: y, is_float: bytes == 4 ? 1 : 0) }, describe: { describe("y", like) })
  }
}
