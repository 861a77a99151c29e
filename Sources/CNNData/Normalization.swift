/// What makes a pixel a network's input: (pixel / 255 − mean) / deviation, per channel. The bundle's recipe says the same.
public struct Normalization: Equatable, Sendable {
  public let mean, deviation: [Float]

  public init(mean: [Float], deviation: [Float]) {
    precondition(mean.count == deviation.count)
    (self.mean, self.deviation) = (mean, deviation)
  }

  /// Mean and standard deviation of the named images of a data set, from exact counts of the 256 values, so in no
  /// order that could matter. A channel of one value alone has deviation 1: it becomes 0.
  public init(of dataset: Dataset, images: [Int]) {
    let statistics = (0..<dataset.channels).map { channel in
      Self.statistics(Self.histogram(of: dataset, images: images, channel: channel))
    }
    self.init(mean: statistics.map { Float($0.mean) }, deviation: statistics.map { Float($0.deviation) })
  }

  /// The input that each pixel value of a channel becomes.
  public func table(channel: Int) -> [Float] {
    (0..<256).map { (Float($0) / 255 - mean[channel]) / deviation[channel] }
  }

  private static func histogram(of dataset: Dataset, images: [Int], channel: Int) -> [Int] {
    let plane = dataset.height * dataset.width
    var counts = [Int](repeating: 0, count: 256)
    for image in images {
      dataset.withImage(image) { pixels in
        for index in channel * plane..<(channel + 1) * plane { counts[Int(pixels[index])] += 1 }
      }
    }
    return counts
  }

  private static func statistics(_ histogram: [Int]) -> (mean: Double, deviation: Double) {
    let total = Double(histogram.reduce(0, +))
    func average(_ value: (Double) -> Double) -> Double {
      histogram.indices.reduce(0) { $0 + Double(histogram[$1]) * value(Double($1) / 255) } / total
    }
    let mean = average { $0 }
    let variance = average { ($0 - mean) * ($0 - mean) }
    let isConstant = histogram.count { $0 > 0 } < 2
    return (mean, isConstant ? 1 : variance.squareRoot())
  }
}
