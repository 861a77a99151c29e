import CNNModel
import CNNSupport
import CZlib

/// Labelled images of one size: in memory, or files that are decoded when they are asked for.
public struct Dataset: Sendable {
  public let channels: Int
  public let height: Int
  public let width: Int
  /// One name per class; a label is an index into it.
  public let classNames: [String]
  /// One class number per image.
  public let labels: [Int32]
  /// Files that could not be decoded, and so are not among the images.
  public let skipped: [SkippedFile]
  /// How the files' images got their size: a network that learns from them has a recipe that says the same.
  public let resize: Recipe.Resize
  let storage: Storage

  enum Storage: Sendable {
    /// 8-bit pixels, [count, channels, height, width].
    case bytes([UInt8])
    /// In the same order; a value stands where pixel / 255 does for bytes.
    case floats([Float])
    case files(ImageFiles)
  }

  /// One image, [channels, height, width].
  enum Image {
    case bytes(UnsafeBufferPointer<UInt8>)
    case floats(UnsafeBufferPointer<Float>)
  }

  /// - Parameters:
  ///   - pixels: 8-bit, [count, channels, height, width].
  ///   - origin: where the images come from, for errors.
  /// - Throws: `CNNError` if there are no images, or pixels, labels and names do not fit.
  public init(
    channels: Int, height: Int, width: Int, classNames: [String], labels: [Int32], pixels: [UInt8], origin: String
  ) throws(CNNError) {
    (self.channels, self.height, self.width) = (channels, height, width)
    (self.classNames, self.labels, storage) = (classNames, labels, .bytes(pixels))
    (skipped, resize) = ([], .stretch)
    try check(values: pixels.count, origin: origin)
  }

  /// Images of real numbers, which are used as they are: a value stands where pixel / 255 does for bytes, so that 0 is
  /// black and 1 is white where they are pictures.
  /// - Parameter values: finite, [count, channels, height, width].
  /// - Throws: as above, and if a value is not finite.
  public init(
    channels: Int, height: Int, width: Int, classNames: [String], labels: [Int32], values: [Float], origin: String
  ) throws(CNNError) {
    (self.channels, self.height, self.width) = (channels, height, width)
    (self.classNames, self.labels, storage) = (classNames, labels, .floats(values))
    (skipped, resize) = ([], .stretch)
    try check(values: values.count, origin: origin)
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw CNNError("image \(index / imageValues) has a value that is not a finite number", at: origin)
    }
  }

  init(
    files: ImageFiles, classNames: [String], labels: [Int32], skipped: [SkippedFile], resize: Recipe.Resize,
    origin: String
  ) throws(CNNError) {
    (channels, height, width) = (files.decoder.channels, files.decoder.height, files.decoder.width)
    (self.classNames, self.labels, storage) = (classNames, labels, .files(files))
    (self.skipped, self.resize) = (skipped, resize)
    try check(values: files.paths.count * imageValues, origin: origin)
  }

  private func check(values: Int, origin: String) throws(CNNError) {
    guard channels > 0, height > 0, width > 0, !labels.isEmpty else {
      throw CNNError("has no images, or images without pixels", at: origin)
    }
    guard values % imageValues == 0, values / imageValues == labels.count else {
      throw CNNError(
        "\(values) values of \(channels)×\(height)×\(width) images do not fit \(labels.count) labels", at: origin)
    }
    if let index = labels.firstIndex(where: { !classNames.indices.contains(Int($0)) }) {
      throw CNNError("image \(index) has label \(labels[index]), but there are \(classNames.count) classes", at: origin)
    }
  }

  public var count: Int { labels.count }
  /// Pixels of an image, times its channels.
  public var imageValues: Int { channels * height * width }

  /// CRC-32 of sizes, labels and pixels: a training run is resumed only on the same data.
  public var fingerprint: UInt32 {
    let sizes = [channels, height, width, classNames.count].map { Int32(truncatingIfNeeded: $0) }
    var sum = crc32(0, nil, 0)
    for part in [sizes, labels] { sum = part.withUnsafeBytes { crc32_z(sum, $0.baseAddress, $0.count) } }
    return switch storage {
    case .bytes(let pixels): UInt32(pixels.withUnsafeBytes { crc32_z(sum, $0.baseAddress, $0.count) })
    case .floats(let values): UInt32(values.withUnsafeBytes { crc32_z(sum, $0.baseAddress, $0.count) })
    case .files(let files): UInt32(files.checksums.withUnsafeBytes { crc32_z(sum, $0.baseAddress, $0.count) })
    }
  }
}

// MARK: Images

extension Dataset {
  /// Calls `body` with one image's pixels, [channels, height, width]. Those of an image of real numbers are
  /// 255 times its values, rounded.
  /// - Throws: what `body` throws; `CNNError` if the values are not from 0 to 1, so that bytes cannot stand for them.
  public func withImage<Result>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result) throws -> Result {
    try withStoredImage(index) { image in
      switch image {
      case .bytes(let pixels): try body(pixels)
      case .floats(let values):
        try values.map { value throws(CNNError) in
          guard 0...1 ~= value else {
            throw CNNError("has the value \(value)", at: "image \(index)", advice: "pictures have values from 0 to 1")
          }
          return UInt8((value * 255).rounded())
        }.withUnsafeBufferPointer(body)
      }
    }
  }

  /// Calls `body` with one image as it is kept.
  func withStoredImage<Result>(_ index: Int, _ body: (Image) throws -> Result) throws -> Result {
    let range = index * imageValues..<(index + 1) * imageValues
    switch storage {
    case .bytes(let pixels):
      return try pixels.withUnsafeBufferPointer { try body(.bytes(UnsafeBufferPointer(rebasing: $0[range]))) }
    case .floats(let values):
      return try values.withUnsafeBufferPointer { try body(.floats(UnsafeBufferPointer(rebasing: $0[range]))) }
    case .files(let files): return try files.withImage(index) { try body(.bytes($0)) }
    }
  }
}

// MARK: Classes

extension Dataset {
  /// How much an image of each class weighs in the loss so that all classes weigh the same in sum, and an image 1 in
  /// the mean: n / (k · count), n images of k classes (King and Zeng 2001; scikit-learn's "balanced").
  /// - Parameter images: those that are learnt from.
  /// - Throws: `CNNError` with the classes that have no image.
  public func balancedClassWeights(of images: [Int]) throws(CNNError) -> [Float] {
    var counts = [Int](repeating: 0, count: classNames.count)
    for image in images { counts[Int(labels[image])] += 1 }
    let empty = classNames.indices.filter { counts[$0] == 0 }.map { classNames[$0] }
    guard empty.isEmpty else {
      throw CNNError(
        "no image to learn from in \(empty.joined(separator: ", "))", at: "class weights",
        advice: "add images, or take the class away")
    }
    return counts.map { Float(Double(images.count) / Double(counts.count * $0)) }
  }
}
