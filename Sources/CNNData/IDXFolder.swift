import CNNSupport
import Glibc

/// A folder in MNIST's form: four IDX files, plain or gzipped.
public struct IDXFolder: DataSource {
  public let name: String
  public let path: String

  public init(name: String, path: String) { (self.name, self.path) = (name, path) }

  public func loadTraining() throws(CNNError) -> Dataset {
    try load(images: Self.trainingImages, labels: Self.trainingLabels)
  }

  public func loadTest() throws(CNNError) -> Dataset {
    try load(images: Self.testImages, labels: Self.testLabels)
  }

  // MNIST's own names, and those of some mirrors.
  static let trainingImages = ["train-images-idx3-ubyte", "train-images.idx3-ubyte"]
  static let trainingLabels = ["train-labels-idx1-ubyte", "train-labels.idx1-ubyte"]
  static let testImages = ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"]
  static let testLabels = ["t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"]

  static func looksLikeOne(_ folder: String) -> Bool { find(trainingImages, in: folder) != nil }

  private static func find(_ names: [String], in folder: String) -> String? {
    let paths: [String] = names.flatMap { ["\(folder)/\($0)", "\(folder)/\($0).gz"] }
    return paths.first { access($0, F_OK) == 0 }
  }

  private func load(images imageNames: [String], labels labelNames: [String]) throws(CNNError) -> Dataset {
    let images = try open(imageNames)
    let labels = try open(labelNames)
    let origin = "\(path)/\(imageNames[0])"
    guard labels.shape.count == 1 else {
      throw CNNError("has rank \(labels.shape.count); labels have rank 1", at: "\(path)/\(labelNames[0])")
    }
    guard images.shape.count >= 3 else {
      throw CNNError("has rank \(images.shape.count); images have rank 3 (N, H, W) or 4 (N, C, H, W)", at: origin)
    }
    guard images.shape[0] == labels.shape[0] else {
      throw CNNError("\(images.shape[0]) images, but \(labels.shape[0]) labels in \(labelNames[0])", at: origin)
    }
    return try Dataset(
      channels: images.shape.count == 4 ? images.shape[1] : 1, height: images.shape[images.shape.count - 2],
      width: images.shape[images.shape.count - 1], classNames: classNames(labels.bytes),
      labels: labels.bytes.map(Int32.init), pixels: images.bytes, origin: origin)
  }

  private func open(_ names: [String]) throws(CNNError) -> IDXFile {
    guard let file = Self.find(names, in: path) else {
      throw CNNError("\(names[0]) is missing (it may be gzipped, with .gz behind its name)", at: path)
    }
    return try IDXFile(path: file)
  }

  static let fashionClassNames = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
  ]

  /// IDX files hold no names: Fashion-MNIST is known by its folder's name; classes are numbers otherwise, at least the
  /// ten digits of MNIST, so that training and test files agree where one lacks the last class.
  private func classNames(_ labels: [UInt8]) -> [String] {
    isFashionMNIST ? Self.fashionClassNames : (0..<max(10, Int(labels.max() ?? 0) + 1)).map(String.init)
  }

  /// `…/fashion-mnist`, and `…/FashionMNIST/raw` as torchvision lays it out.
  private var isFashionMNIST: Bool {
    path.split(separator: "/").suffix(2).contains { $0.lowercased().filter(\.isLetter) == "fashionmnist" }
  }
}
