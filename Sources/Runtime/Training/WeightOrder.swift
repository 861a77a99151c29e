import Bundle

// Parameters, their gradients and moments lie in kernel order, as in the bundle; a vector with a value per channel is
// the case of one input and a kernel of one element. The caller sees plain order.
extension ConvOrder {
  var taps: Int { kernelHeight * kernelWidth }
  /// Steps of all segments.
  var rows: Int { inputChannels * taps }
  /// Elements, padding included.
  var paddedCount: Int { blocks * rows * 16 }
  var count: Int { outputChannels * rows }
  var inputBlocks: Int { (inputChannels + 15) / 16 }
  /// Channels of a block of inputs.
  func steps(_ inputBlock: Int) -> Int { min(16, inputChannels - 16 * inputBlock) }
  /// The row of a block's first channel at the kernel's element `tap`.
  func row(_ inputBlock: Int, _ tap: Int) -> Int { inputBlock * 16 * taps + tap * steps(inputBlock) }

  func copyToPlain(_ ordered: UnsafePointer<Float>, _ plain: UnsafeMutablePointer<Float>) {
    forEachElement { plain[$0] = ordered[$1] }
  }

  func copyFromPlain(_ plain: UnsafePointer<Float>, _ ordered: UnsafeMutablePointer<Float>) {
    forEachElement { ordered[$1] = plain[$0] }
  }

  /// OIHW.
  @inline(__always)
  private func forEachElement(_ body: (_ plain: Int, _ ordered: Int) -> Void) {
    var plain = 0
    for output in 0..<outputChannels {
      for input in 0..<inputChannels {
        for tap in 0..<taps {
          let row = row(input / 16, tap) + input % 16
          body(plain, (output / 16 * rows + row) * 16 + output % 16)
          plain += 1
        }
      }
    }
  }
}
