import CNNSupport

/// Arrays of NumPy: an `.npz` archive, or a folder of `.npy` files. Images are [N, H, W], [N, H, W, C] or [N, C, H, W],
/// uint8 or real numbers (`Dataset` says what these mean); labels are integers, [N] or [N, 1]. The arrays are known by the
/// names that Keras, MedMNIST and scikit-learn give them (`x_train` and `y_train`, `train_images` and `train_labels`,
/// `images` and `labels`, …).
public struct NumPySource: DataSource {
  public let name: String
  public let path: String

  private typealias Pair = (images: String, labels: String)

  private static let trainingPairs: [Pair] = [
    ("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"), ("images", "labels"), ("x", "y"),
    ("X", "y"), ("data", "target"), ("data", "labels"),
  ]
  private static let testPairs: [Pair] = [
    ("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"), ("x_val", "y_val"),
    ("val_images", "val_labels"),
  ]

  public init(name: String, path: String) { (self.name, self.path) = (name, path) }

  static func looksLikeOne(_ path: String) -> Bool {
    if isFile(path) { return path.hasSuffix(".npz") }
    return trainingPairs.contains { isFile("\(path)/\($0.images).npy") }
  }

  public func loadTraining() throws(CNNError) -> Dataset {
    let store = try ArrayStore(path)
    let pair = try trainingPair(store)
    let labels = try labels(pair.labels, store)
    return try dataset(store, pair, labels, classes: Int(labels.max() ?? 0) + 1)
  }

  public var hasTestImages: Bool {
    guard let store = try? ArrayStore(path) else { return true }
    return Self.testPairs.contains { store.has($0.images) && store.has($0.labels) }
  }

  /// The training labels say how many classes there are.
  public func loadTest() throws(CNNError) -> Dataset {
    let store = try ArrayStore(path)
    guard let pair = Self.testPairs.first(where: { store.has($0.images) && store.has($0.labels) }) else {
      throw CNNError("has no test images", at: path, advice: "expected are \(Self.list(Self.testPairs))")
    }
    let training = try labels(try trainingPair(store).labels, store)
    return try dataset(store, pair, try labels(pair.labels, store), classes: Int(training.max() ?? 0) + 1)
  }

  private static func list(_ pairs: [Pair]) -> String {
    pairs.map { "\($0.images) with \($0.labels)" }.joined(separator: ", or ")
  }

  private func trainingPair(_ store: ArrayStore) throws(CNNError) -> Pair {
    if let pair = Self.trainingPairs.first(where: { store.has($0.images) && store.has($0.labels) }) { return pair }
    let lonely = Self.trainingPairs.first { store.has($0.images) }
    throw CNNError(
      lonely.map { "has \($0.images), but not its labels, \($0.labels)" } ?? "has no arrays with known names", at: path,
      advice: "expected are \(Self.list(Self.trainingPairs))")
  }
}

// MARK: Arrays to images and labels

extension NumPySource {
  private func labels(_ key: String, _ store: ArrayStore) throws(CNNError) -> [Int32] {
    let array = try store.array(key)
    guard array.shape.count == 1 || array.shape.count == 2 && array.shape[1] == 1 else {
      throw CNNError(
        "has the shape \(text(array.shape)); labels have (N,)", at: store.place(key),
        advice: array.shape.count == 2 ? "save array.argmax(axis=1) if there is a column per class" : "")
    }
    guard let numbers = array.integers else {
      throw CNNError(
        "has elements of type \(array.element.rawValue); labels are integers", at: store.place(key),
        advice: "save array.astype('int64')")
    }
    if let index = numbers.firstIndex(where: { !(0..<Self.mostClasses ~= $0) }) {
      throw CNNError(
        "label \(index) is \(numbers[index]); classes are numbered from 0, at most \(Self.mostClasses)",
        at: store.place(key))
    }
    return numbers.map { Int32($0) }
  }

  private static let mostClasses = 65_536

  private func dataset(
    _ store: ArrayStore, _ pair: Pair, _ labels: [Int32], classes: Int
  ) throws(CNNError) -> Dataset {
    let array = try store.array(pair.images)
    let place = store.place(pair.images)
    let layout = try ImageLayout(array.shape, place: place)
    let names = (0..<classes).map(String.init)
    guard array.shape[0] == labels.count else {
      throw CNNError("\(array.shape[0]) images, but \(labels.count) labels in \(pair.labels)", at: place)
    }
    func make(pixels: [UInt8]) throws(CNNError) -> Dataset {
      try Dataset(
        channels: layout.channels, height: layout.height, width: layout.width, classNames: names, labels: labels,
        pixels: layout.planar(pixels), origin: place)
    }
    func make(values: [Float]) throws(CNNError) -> Dataset {
      try Dataset(
        channels: layout.channels, height: layout.height, width: layout.width, classNames: names, labels: labels,
        values: layout.planar(values), origin: place)
    }
    switch array.element {
    case .uint8: return try make(pixels: array.bytes)
    case .float32: return try make(values: array.elements(Float.self))
    case .float64: return try make(values: array.elements(Double.self).map { Float($0) })
    default:
      throw CNNError(
        "has elements of type \(array.element.rawValue); images are uint8, float32 or float64", at: place,
        advice: "save array.astype('uint8') if the values are 0 to 255")
    }
  }
}

/// Where an image's pixels are in an array of images.
private struct ImageLayout {
  let channels, height, width: Int
  private let channelsLast: Bool

  /// Grey or RGB: 1 or 3 channels.
  init(_ shape: [Int], place: String) throws(CNNError) {
    guard 3...4 ~= shape.count else {
      throw CNNError(
        "has the shape \(text(shape)); images have (N, H, W), (N, H, W, C) or (N, C, H, W)", at: place)
    }
    if shape.count == 3 {
      (channels, height, width, channelsLast) = (1, shape[1], shape[2], false)
      return
    }
    let (first, last) = ([1, 3].contains(shape[1]), [1, 3].contains(shape[3]))
    guard first != last else {
      throw CNNError(
        "has the shape \(text(shape)), in which \(first ? "two axes" : "no axis") may be the channels", at: place,
        advice: "save (N, H, W) for grey, or (N, 3, H, W)")
    }
    channelsLast = last
    (channels, height, width) = last ? (shape[3], shape[1], shape[2]) : (shape[1], shape[2], shape[3])
  }

  /// [N, C, H, W].
  func planar<T>(_ values: [T]) -> [T] {
    guard channelsLast, channels > 1 else { return values }
    let plane = height * width
    return [T](unsafeUninitializedCapacity: values.count) { buffer, count in
      for image in stride(from: 0, to: values.count, by: plane * channels) {
        for channel in 0..<channels {
          for pixel in 0..<plane {
            buffer.initializeElement(
              at: image + channel * plane + pixel, to: values[image + pixel * channels + channel])
          }
        }
      }
      count = values.count
    }
  }
}

private func text(_ shape: [Int]) -> String {
  "(" + shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? ",)" : ")")
}

extension NumPyArray {
  /// nil if they are not integers; what is too large for Int is -1.
  fileprivate var integers: [Int]? {
    switch element {
    case .uint8: elements(UInt8.self).map { Int($0) }
    case .int8: elements(Int8.self).map { Int($0) }
    case .uint16: elements(UInt16.self).map { Int($0) }
    case .int16: elements(Int16.self).map { Int($0) }
    case .uint32: elements(UInt32.self).map { Int($0) }
    case .int32: elements(Int32.self).map { Int($0) }
    case .uint64: elements(UInt64.self).map { Int(exactly: $0) ?? -1 }
    case .int64: elements(Int64.self).map { Int($0) }
    case .float32, .float64: nil
    }
  }
}

// MARK: Arrays by name

/// An archive, or a folder: arrays by name. Only those that are asked for are read.
private enum ArrayStore {
  case folder(String)
  case archive(ZipArchive)

  init(_ path: String) throws(CNNError) {
    self = isFolder(path) ? .folder(path) : .archive(try ZipArchive(path: path))
  }

  func has(_ key: String) -> Bool {
    switch self {
    case .folder(let path): isFile("\(path)/\(key).npy")
    case .archive(let archive): archive.entries.contains { $0.name == "\(key).npy" }
    }
  }

  func place(_ key: String) -> String {
    switch self {
    case .folder(let path): "\(path)/\(key).npy"
    case .archive(let archive): archive.place("\(key).npy")
    }
  }

  func array(_ key: String) throws(CNNError) -> NumPyArray {
    switch self {
    case .folder:
      let file = try CompressedFile(path: place(key))
      return try NumPyArray(place: place(key)) { count throws(CNNError) in try file.read(upTo: count) }
    case .archive(let archive):
      let entry = archive.entries.first { $0.name == "\(key).npy" }!
      return try archive.read(entry) { read throws(CNNError) in try NumPyArray(place: place(key), read: read) }
    }
  }
}
