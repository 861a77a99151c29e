/// Images as a network takes them, made again and again in the same memory.
public struct Batch: Sendable {
  /// [count, channels, height, width], normalised.
  public private(set) var images: [Float] = []
  public private(set) var labels: [Int32] = []
  private let tables: [[Float]]

  public init(_ normalization: Normalization) {
    tables = normalization.mean.indices.map(normalization.table(channel:))
  }

  public var count: Int { labels.count }

  /// Takes the images with these numbers from a data set, in this order.
  public mutating func fill(from dataset: Dataset, images numbers: some Collection<Int>) {
    precondition(tables.count == dataset.channels)
    labels.removeAll(keepingCapacity: true)
    labels.append(contentsOf: numbers.lazy.map { dataset.labels[$0] })
    let size = numbers.count * dataset.imageBytes
    if images.count != size { images = [Float](repeating: 0, count: size) }
    images.withUnsafeMutableBufferPointer { output in
      var position = 0
      for number in numbers {
        dataset.withImage(number) { pixels in
          for channel in 0..<dataset.channels {
            let plane = dataset.height * dataset.width
            tables[channel].withUnsafeBufferPointer { table in
              for index in 0..<plane { output[position + index] = table[Int(pixels[channel * plane + index])] }
            }
            position += plane
          }
        }
      }
    }
  }
}
