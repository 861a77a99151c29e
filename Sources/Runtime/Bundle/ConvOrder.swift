import CBundle

/// How the weights of a convolution or fully connected layer lie in the file and are read by the kernels: FORMAT.md, "Kernel
/// order". Follows from the weight's shape, its type and the horizontal dilation alone.
public struct ConvOrder {
  public let outputChannels, inputChannels, kernelHeight, kernelWidth: Int
  /// At most four input channels, whose kernel row is read as it lies in an image of interleaved channels.
  public let isPixels: Bool
  public let isInt8: Bool
  /// The full segments come first; the last are those of the block of input channels that is not full.
  public let fullSegments, fullSteps, lastSegments, lastSteps: Int

  /// `weight` is [O, C, kH, kW] or [O, K].
  public init(weight: cnnb_tensor, dilationX: Int) {
    outputChannels = weight.dim(0)
    inputChannels = weight.dim(1)
    kernelHeight = weight.rank == 4 ? weight.dim(2) : 1
    kernelWidth = weight.rank == 4 ? weight.dim(3) : 1
    isInt8 = weight.type == UInt32(CNNB_TYPE_INT8)
    isPixels = inputChannels <= 4 && dilationX == 1
    let taps = kernelHeight * kernelWidth
    let perStep = isInt8 ? 4 : 1
    func steps(_ channels: Int) -> Int { (channels + perStep - 1) / perStep }
    if isPixels {
      (fullSegments, fullSteps) = (kernelHeight, steps(kernelWidth * inputChannels))
      (lastSegments, lastSteps) = (0, 0)
    } else if inputChannels <= 4 {
      (fullSegments, fullSteps) = (taps, steps(inputChannels))
      (lastSegments, lastSteps) = (0, 0)
    } else {
      let rest = inputChannels % 16
      (fullSegments, fullSteps) = (inputChannels / 16 * taps, steps(16))
      (lastSegments, lastSteps) = rest == 0 ? (0, 0) : (taps, steps(rest))
    }
  }

  public var segments: Int { fullSegments + lastSegments }
  /// Bytes of the weights of 16 output channels.
  public var blockBytes: Int { (fullSegments * fullSteps + lastSegments * lastSteps) * 64 }
  public var blocks: Int { (outputChannels + 15) / 16 }
  public var bytes: Int { blocks * blockBytes }
}
