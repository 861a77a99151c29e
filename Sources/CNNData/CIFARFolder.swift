import CNNSupport

/// CIFAR-10 or CIFAR-100 in the binary form of https://www.cs.toronto.edu/~kriz/cifar.html: an image is its label (in
/// CIFAR-100 the coarse one and the fine one, of which the fine one is used) and 3,072 bytes, [3, 32, 32].
public struct CIFARFolder: DataSource {
  public let name: String
  public let path: String
  private let variant: Variant

  private struct Variant: Sendable {
    let training: [String]
    let test: String
    let names: String
    /// Bytes before the label.
    let otherLabels: Int
    let classes: Int
    /// Of the folder in the archive.
    let folder: String
  }

  private static let variants = [
    Variant(
      training: (1...5).map { "data_batch_\($0).bin" }, test: "test_batch.bin", names: "batches.meta.txt",
      otherLabels: 0,
      classes: 10, folder: "cifar-10-batches-bin"),
    Variant(
      training: ["train.bin"], test: "test.bin", names: "fine_label_names.txt", otherLabels: 1, classes: 100,
      folder: "cifar-100-binary"),
  ]

  /// nil if `path` is no such folder, nor has one in it with the archive's name.
  init?(name: String, path: String) {
    for variant in Self.variants {
      for folder in [path, "\(path)/\(variant.folder)"] where isFile("\(folder)/\(variant.training[0])") {
        (self.name, self.path, self.variant) = (name, folder, variant)
        return
      }
    }
    return nil
  }

  public func loadTraining() throws(CNNError) -> Dataset { try load(variant.training) }
  public func loadTest() throws(CNNError) -> Dataset { try load([variant.test]) }

  private static let imageBytes = 3 * 32 * 32

  private func load(_ files: [String]) throws(CNNError) -> Dataset {
    var labels: [Int32] = []
    var pixels: [UInt8] = []
    for file in files { try add("\(path)/\(file)", &labels, &pixels) }
    return try Dataset(
      channels: 3, height: 32, width: 32, classNames: try classNames(), labels: labels, pixels: pixels, origin: path)
  }

  private func add(_ file: String, _ labels: inout [Int32], _ pixels: inout [UInt8]) throws(CNNError) {
    let record = variant.otherLabels + 1 + Self.imageBytes
    let size = try fileSize(file)
    guard size > 0, size % record == 0 else {
      throw CNNError(
        "has \(size) bytes, which are not whole images of \(record) bytes each", at: file,
        advice: "fetch the file again")
    }
    guard size <= IDXFile.defaultLimit else {
      throw CNNError("has \(size) bytes, more than the limit of \(IDXFile.defaultLimit)", at: file)
    }
    let bytes = try readFile(file)
    guard bytes.count == size else { throw CNNError("was changed while it was read", at: file) }
    pixels.reserveCapacity(pixels.count + size / record * Self.imageBytes)
    for start in stride(from: 0, to: size, by: record) {
      labels.append(Int32(bytes[start + variant.otherLabels]))
      guard labels.last! < variant.classes else {
        throw CNNError(
          "image \(start / record) has label \(labels.last!), but there are \(variant.classes) classes", at: file,
          advice: "it is damaged or not the right file")
      }
      pixels += bytes[start + variant.otherLabels + 1..<start + record]
    }
  }

  private static let tenClasses = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]

  /// The file's lines; without the file the ten that are known, or numbers.
  private func classNames() throws(CNNError) -> [String] {
    let file = "\(path)/\(variant.names)"
    guard isFile(file) else {
      return variant.classes == 10 ? Self.tenClasses : (0..<variant.classes).map(String.init)
    }
    let names = String(decoding: try readFile(file), as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
      .filter { !$0.allSatisfy(\.isWhitespace) }
    guard names.count == variant.classes else {
      throw CNNError("has \(names.count) names of classes, not \(variant.classes)", at: file)
    }
    return names
  }
}
