import CCheck
import CKernels

extension Check {
  /// Import or export of a random tensor from or to memory in NCHW or NHWC order, with or without gaps.
  mutating func copy(isImport: Bool) {
    let plainIsFloat = random.once(in: 2), viewIsFloat = random.once(in: 2)
    let plainBytes = plainIsFloat ? 4 : 1, viewBytes = viewIsFloat ? 4 : 1
    let isPixels = random.once(in: 2), batch = random.int(1...3)
    let channels = isPixels ? random.int(1...4) : random.int(1...40)
    let height = random.once(in: 4) ? 1 : random.int(1...20), width = random.once(in: 4) ? 1 : random.int(1...40)
    let view = randomView(
      &random, batch: batch, channels: channels, height: height, width: width, elementBytes: viewBytes,
      halo: random.once(in: 2) ? 0 : random.int(1...3), haloValue: random.int(0...255), isPixels: isPixels)

    var strides = (0, 0, 0, 0)
    let gap = random.once(in: 2) ? 0 : random.int(1...3) * plainBytes
    if random.once(in: 2) {
      strides.3 = plainBytes
      strides.2 = width * strides.3 + gap
      strides.1 = height * strides.2 + gap
      strides.0 = channels * strides.1
    } else {
      strides.1 = plainBytes
      strides.3 = channels * plainBytes + gap
      strides.2 = width * strides.3 + gap
      strides.0 = height * strides.2
    }
    let plainSize = (batch * strides.0 + 63) / 64 * 64
    let zero = Int32(zeroPoint()), scale = (random.real() + 1.01) * (random.once(in: 5) ? 10 : 0.05)
    let strides64 = (Int64(strides.0), Int64(strides.1), Int64(strides.2), Int64(strides.3))
    let arguments = { (plain: Piece, view: cnn_view) -> cnn_copy in
      cnn_copy(
        view: view, plain: plain.base.assumingMemoryBound(to: UInt8.self), strides: strides64,
        plain_is_f32: plainIsFloat ? 1 : 0, view_is_f32: viewIsFloat ? 1 : 0, scale: scale, zero_point: zero,
        is_alike: 0)
    }
    let describeAll = {
      describe("view", view)
      check_number("plain_is_f32", plainIsFloat ? 1 : 0)
      check_number("view_is_f32", viewIsFloat ? 1 : 0)
      check_number("stride_c", Int64(strides.1))
      check_number("stride_x", Int64(strides.3))
    }
    if isImport {
      let plain = x.last(plainSize)
      for i in 0..<plainSize / plainBytes {
        if plainIsFloat { randomNumber(&random, plain.base + i * 4) } else { randomByte(&random, plain.base + i) }
      }
      compare(
        view, elementBytes: viewBytes, reference.import_plain, fast.import_plain, { y, _ in arguments(plain, y) },
        describe: describeAll)
    } else {
      let input = Tensor(view, in: x, elementBytes: viewBytes)
      input.fill(&random, viewIsFloat ? randomNumber : randomByte)
      let expected = expected.last(plainSize), actual = actual.last(plainSize)
      expected.fill(0xA5)
      run(reference.export_plain, arguments(expected, input.view), parts: 1)
      for parts in [1, randomParts()] {
        actual.fill(0xA5)
        run(fast.export_plain, arguments(actual, input.view), parts: parts)
        if memcmp(expected.base, actual.base, plainSize) != 0 {
          describeAll()
          check_number("parts", Int64(parts))
          check_stop("export_plain differs: ", String(cString: fast.isa), 1)
        }
      }
      for i in 0..<plainSize { digest = mixed(digest, actual.base.load(fromByteOffset: i, as: UInt8.self)) }
    }
  }
}

extension Check {
  /// From float32 to uint8 or back, between two tensors of one layout.
  mutating func conversion() {
    let quantizes = random.once(in: 2)
    let (xLike, yLike) = anyLayout(elementBytes: quantizes ? 4 : 1, resultBytes: quantizes ? 1 : 4)
    let input = Tensor(xLike, in: x, elementBytes: quantizes ? 4 : 1)
    input.fill(&random, quantizes ? randomNumber : randomByte)
    let zero = Int32(zeroPoint()), scale = (random.real() + 1.01) * (random.once(in: 5) ? 10 : 0.05)
    let arguments = { (y: cnn_view, _: Bool) -> cnn_copy in
      cnn_copy(
        view: y, plain: input.view.data, strides: (input.view.image, input.view.block, input.view.row, 0),
        plain_is_f32: quantizes ? 1 : 0, view_is_f32: quantizes ? 0 : 1, scale: scale, zero_point: zero, is_alike: 1)
    }
    compare(
      yLike, elementBytes: quantizes ? 1 : 4, reference.import_plain, fast.import_plain, arguments,
      describe: { describe("x", xLike) })
  }
}

/// A float; now and then one that no byte can hold.
private func randomNumber(_ random: inout Random, _ p: UnsafeMutableRawPointer) {
  let special: [Float] = [.infinity, -.infinity, .nan, 1e30, -1e30, 0]
  p.storeBytes(of: random.once(in: 30) ? special[random.int(0...5)] : random.real() * 8, as: Float.self)
}
