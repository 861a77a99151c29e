/// What makes a pixel a network's input: (pixel / 255 − mean) / deviation, per channel. The bundle's recipe says the same.
public struct Normalization: Equatable, Sendable {
  public let mean, deviation: [Float]

  public init(mean: [Float], deviation: [Float]) {
    precondition(mean.count == deviation.count)
    (self.mean, self.deviation) = (mean, deviation)
  }

  /// Mean and standard deviation of the named images of a data set. Those of bytes come from exact integer sums, so
  /// from no order that could matter. A channel of one value alone has deviation 1: it becomes 0.
  /// - Throws: `CNNError` if an image's file cannot be read.
  public init(of dataset: Dataset, images: [Int]) throws {
    let plane = dataset.height * dataset.width
    var moments = [Moments](repeating: Moments(), count: dataset.channels)
    for image in images {
      try dataset.withStoredImage(image) { image in
        for channel in moments.indices {
          let range = channel * plane..<(channel + 1) * plane
          switch image {
          case .bytes(let pixels): moments[channel].add(UnsafeBufferPointer(rebasing: pixels[range]))
          case .floats(let values): moments[channel].add(UnsafeBufferPointer(rebasing: values[range]))
          }
        }
      }
    }
    self.init(mean: moments.map { Float($0.mean) }, deviation: moments.map { Float($0.deviation) })
  }

  /// The input that each pixel value of a channel becomes.
  public func table(channel: Int) -> [Float] {
    (0..<256).map { (Float($0) / 255 - mean[channel]) / deviation[channel] }
  }
}

/// Sums over the values of a channel: bytes or real numbers, not both.
private struct Moments {
  private var count = 0
  private var pixelSum = 0
  private var pixelSquares: Int128 = 0
  /// Welford's recurrence (1962), which does not cancel.
  private var runningMean = 0.0
  private var squaredDistances = 0.0

  mutating func add(_ pixels: UnsafeBufferPointer<UInt8>) {
    var (sum, squares) = (0, 0)
    for pixel in pixels {
      sum &+= Int(pixel)
      squares &+= Int(pixel) &* Int(pixel)
    }
    count += pixels.count
    pixelSum += sum
    pixelSquares += Int128(squares)
  }

  mutating func add(_ values: UnsafeBufferPointer<Float>) {
    for value in values {
      count += 1
      let distance = Double(value) - runningMean
      runningMean += distance / Double(count)
      squaredDistances += distance * (Double(value) - runningMean)
    }
  }

  var mean: Double { runningMean + Double(pixelSum) / Double(count) / 255 }

  var deviation: Double {
    // count² · variance · 255², exactly.
    let scaled = Int128(count) * pixelSquares - Int128(pixelSum) * Int128(pixelSum)
    let variance = Double(scaled) / (Double(count) * 255) / (Double(count) * 255) + squaredDistances / Double(count)
    return variance > 0 ? variance.squareRoot() : 1
  }
}
