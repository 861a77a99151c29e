import Bundle

// The weights of a grouped or transposed convolution: for each phase of the strides, blocks of 16 outputs, each with the
// blocks of 16 inputs that its groups touch (FORMAT.md, "Kernel order"). A grouped convolution has one phase.
struct PackedOrder {
  let outputs: Int, inputs: Int, group: Int
  let rows: TransposedAxis, columns: TransposedAxis
  /// The plain shape: [inputs, outputs / group, …], or [outputs, inputs / group, …].
  let isTransposed: Bool

  func order(_ py: Int, _ px: Int) -> BlockOrder {
    BlockOrder(
      outputChannels: outputs, inputChannels: inputs, group: group, taps: rows.taps(py) * columns.taps(px),
      isInt8: false)
  }

  /// The same weights with inputs and outputs exchanged, for the gradient of x.
  func turned(taps: Int) -> BlockOrder {
    BlockOrder(outputChannels: inputs, inputChannels: outputs, group: group, taps: taps, isInt8: false)
  }

  /// Elements before a phase.
  func start(_ py: Int, _ px: Int) -> Int {
    var sum = 0
    for phase in 0..<py * columns.window.stride + px {
      sum += order(phase / columns.window.stride, phase % columns.window.stride).bytes / 4
    }
    return sum
  }

  var elements: Int { start(rows.window.stride, 0) }
  var count: Int { outputs * (inputs / group) * rows.window.kernel * columns.window.kernel }

  /// Where the first of a block of inputs is at a place of the kernel, with a block of outputs; nil where they have no group
  /// in common.
  func tile(outputBlock: Int, inputBlock: Int, _ ky: Int, _ kx: Int) -> Int? {
    let (py, px) = (rows.phase(ky), columns.phase(kx))
    let tap = rows.index(ky) * columns.taps(px) + columns.index(kx)
    return order(py, px).tile(outputBlock, inputBlock, tap).map { $0 + start(py, px) }
  }

  func copyToPlain(_ ordered: UnsafePointer<Float>, _ plain: UnsafeMutablePointer<Float>) {
    forEachElement { plain[$0] = ordered[$1] }
  }

  func copyFromPlain(_ plain: UnsafePointer<Float>, _ ordered: UnsafeMutablePointer<Float>) {
    forEachElement { ordered[$1] = plain[$0] }
  }

  @inline(__always)
  private func forEachElement(_ body: (_ plain: Int, _ ordered: Int) -> Void) {
    let (kh, kw, i, o) = (rows.window.kernel, columns.window.kernel, inputs / group, outputs / group)
    forEachTile { outputBlock, inputBlock, ky, kx, start in
      forEachPair(outputBlock, inputBlock) { output, input in
        guard output / o == input / i else { return }
        let place = isTransposed ? input * o + output % o : output * i + input % i
        body((place * kh + ky) * kw + kx, start + input % 16 * 16 + output % 16)
      }
    }
  }

  /// Zeros between channels of different groups, as they must stay.
  func clearStrangers(_ gradients: UnsafeMutablePointer<Float>) {
    forEachTile { outputBlock, inputBlock, _, _, start in
      forEachPair(outputBlock, inputBlock) { output, input in
        if output / (outputs / group) != input / (inputs / group) {
          gradients[start + input % 16 * 16 + output % 16] = 0
        }
      }
    }
  }

  @inline(never)
  private func forEachTile(_ body: (_ outputBlock: Int, _ inputBlock: Int, _ ky: Int, _ kx: Int, _ start: Int) -> Void)
  {
    for ky in 0..<rows.window.kernel {
      for kx in 0..<columns.window.kernel {
        for outputBlock in 0..<(outputs + 15) / 16 {
          for inputBlock in order(rows.phase(ky), columns.phase(kx)).inputs(ofBlock: outputBlock) {
            body(outputBlock, inputBlock, ky, kx, tile(outputBlock: outputBlock, inputBlock: inputBlock, ky, kx)!)
          }
        }
      }
    }
  }

  @inline(__always)
  private func forEachPair(_ outputBlock: Int, _ inputBlock: Int, _ body: (_ output: Int, _ input: Int) -> Void) {
    for output in 16 * outputBlock..<min(16 * outputBlock + 16, outputs) {
      for input in 16 * inputBlock..<min(16 * inputBlock + 16, inputs) { body(output, input) }
    }
  }
}

extension BlockOrder {
  /// Elements before a block of outputs.
  func start(_ block: Int) -> Int {
    if group == 1 { return block * bytes(ofBlock: 0) / 4 }
    var sum = 0
    for b in 0..<block { sum += bytes(ofBlock: b) / 4 }
    return sum
  }

  /// Channels of a block of inputs.
  func steps(_ inputBlock: Int) -> Int { min(16, inputChannels - 16 * inputBlock) }

  /// Where the first of a block of inputs is at a tap.
  func tile(_ outputBlock: Int, _ inputBlock: Int, _ tap: Int) -> Int? {
    let inputs = inputs(ofBlock: outputBlock)
    guard inputs.contains(inputBlock) else { return nil }
    return start(outputBlock) + ((inputBlock - inputs.lowerBound) * 16 * taps + tap * steps(inputBlock)) * 16
  }
}

extension TransposedAxis {
  /// The phase of a place of the kernel, and its number among that phase's.
  func phase(_ k: Int) -> Int { k * window.dilation % window.stride }
  func index(_ k: Int) -> Int {
    var count = 0
    for other in 0..<k where phase(other) == phase(k) { count += 1 }
    return count
  }
}
