import CNNSupport
import CZlib

/// Labelled images of one size, in memory.
public struct Dataset: Sendable {
  public let channels: Int
  public let height: Int
  public let width: Int
  /// One name per class; a label is an index into it.
  public let classNames: [String]
  /// One class number per image.
  public let labels: [Int32]
  /// 8-bit pixels, [count, channels, height, width].
  public let pixels: [UInt8]

  /// - Parameter origin: where the images come from, for errors.
  /// - Throws: `CNNError` if there are no images, or pixels, labels and names do not fit.
  public init(
    channels: Int, height: Int, width: Int, classNames: [String], labels: [Int32], pixels: [UInt8], origin: String
  ) throws(CNNError) {
    guard channels > 0, height > 0, width > 0, !labels.isEmpty else {
      throw CNNError("has no images, or images without pixels", at: origin)
    }
    let imageBytes = channels * height * width
    guard pixels.count % imageBytes == 0, pixels.count / imageBytes == labels.count else {
      throw CNNError(
        "\(pixels.count) bytes of \(channels)×\(height)×\(width) images do not fit \(labels.count) labels", at: origin)
    }
    if let index = labels.firstIndex(where: { !classNames.indices.contains(Int($0)) }) {
      throw CNNError("image \(index) has label \(labels[index]), but there are \(classNames.count) classes", at: origin)
    }
    (self.channels, self.height, self.width) = (channels, height, width)
    (self.classNames, self.labels, self.pixels) = (classNames, labels, pixels)
  }

  public var count: Int { labels.count }
  public var imageBytes: Int { channels * height * width }

  /// Calls `body` with one image's pixels, [channels, height, width].
  public func withImage<Result>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result
  {
    try pixels.withUnsafeBufferPointer { all in
      try body(UnsafeBufferPointer(rebasing: all[index * imageBytes..<(index + 1) * imageBytes]))
    }
  }

  /// CRC-32 of sizes, labels and pixels: a training run is resumed only on the same data.
  public var fingerprint: UInt32 {
    let sizes = [channels, height, width, classNames.count].map { Int32(truncatingIfNeeded: $0) }
    var sum = crc32(0, nil, 0)
    for part in [sizes, labels] { sum = part.withUnsafeBytes { crc32_z(sum, $0.baseAddress, $0.count) } }
    return UInt32(pixels.withUnsafeBytes { crc32_z(sum, $0.baseAddress, $0.count) })
  }
}
