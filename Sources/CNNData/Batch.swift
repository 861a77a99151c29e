/// Images as a network takes them, made again and again in the same memory.
public struct Batch: Sendable {
  /// [count, channels, height, width], normalised.
  public private(set) var images: [Float] = []
  /// One class number per image; of a mixed one, that of its larger part.
  public private(set) var labels: [Int32] = []
  /// Shares of the classes, [count, classes], each image's summing to 1; empty where no images are mixed.
  public private(set) var targets: [Float] = []
  /// Images before they are mixed.
  private var unmixed: [Float] = []
  private let normalization: Normalization
  private let tables: [[Float]]

  public init(_ normalization: Normalization) {
    self.normalization = normalization
    tables = normalization.mean.indices.map(normalization.table(channel:))
  }

  public var count: Int { labels.count }

  /// Takes the images with these numbers from a data set, in this order.
  /// - Throws: `CNNError` if an image's file cannot be read.
  public mutating func fill(from dataset: Dataset, images numbers: some Collection<Int>) throws {
    try fill(from: dataset, images: numbers, firstPosition: 0, nil, beforeEach: {})
  }

  /// The same, changed at random.
  /// - Parameters:
  ///   - firstPosition: of the first image in the epoch.
  ///   - beforeEach: called before each image; may throw.
  mutating func fill(
    from dataset: Dataset, images numbers: some Collection<Int>, firstPosition: Int, _ chance: AugmentationChance?,
    beforeEach: () throws -> Void
  ) throws {
    precondition(tables.count == dataset.channels)
    labels.removeAll(keepingCapacity: true)
    labels.append(contentsOf: numbers.lazy.map { dataset.labels[$0] })
    let size = numbers.count * dataset.imageValues
    if images.count != size { images = [Float](repeating: 0, count: size) }
    let transform = ImageTransform(dataset, normalization, tables)
    try images.withUnsafeMutableBufferPointer { output in
      for (index, number) in numbers.enumerated() {
        try beforeEach()
        let image = UnsafeMutableBufferPointer(
          rebasing: output[index * dataset.imageValues..<(index + 1) * dataset.imageValues])
        try dataset.withStoredImage(number) { stored in
          transform.write(
            stored, to: image, chance?.draw(firstPosition + index, height: dataset.height, width: dataset.width))
        }
      }
    }
    targets.removeAll(keepingCapacity: true)
    if let mixture = chance?.mixture(firstPosition, count: numbers.count) {
      mix(mixture, imageValues: dataset.imageValues, classes: dataset.classNames.count)
    }
  }

  /// mixup (Zhang et al. 2018): image = share · image + (1 − share) · partner, and likewise the targets.
  private mutating func mix(_ mixture: Mixture, imageValues: Int, classes: Int) {
    swap(&images, &unmixed)
    if images.count != unmixed.count { images = [Float](repeating: 0, count: unmixed.count) }
    targets.append(contentsOf: repeatElement(0, count: count * classes))
    let (share, rest) = (mixture.share, 1 - mixture.share)
    unmixed.withUnsafeBufferPointer { source in
      images.withUnsafeMutableBufferPointer { output in
        for (index, partner) in mixture.partners.enumerated() {
          for value in 0..<imageValues {
            output[index &* imageValues &+ value] =
              share * source[index &* imageValues &+ value] + rest * source[partner &* imageValues &+ value]
          }
        }
      }
    }
    for (index, partner) in mixture.partners.enumerated() {
      targets[index * classes + Int(labels[index])] += share
      targets[index * classes + Int(labels[partner])] += rest
    }
    if share < 0.5 { labels = mixture.partners.map { labels[$0] } }
  }
}
