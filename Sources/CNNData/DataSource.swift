import CNNSupport

/// Where labelled images come from. One conformance per format; `dataSource(_:)` chooses.
///
/// Opening a source reads no images. The test images are read by `loadTest()` alone: nothing that trains, tunes or
/// calibrates calls it.
public protocol DataSource: Sendable {
  /// What the user called it.
  var name: String { get }
  /// The images to learn from; a validation split is taken from these.
  func loadTraining() throws(CNNError) -> Dataset
  /// False: `loadTest` is an error.
  var hasTestImages: Bool { get }
  /// The images that are only for the report.
  func loadTest() throws(CNNError) -> Dataset
}

extension DataSource {
  public var hasTestImages: Bool { true }
}

/// The folder that Debian's package dataset-fashion-mnist installs.
public let fashionMNISTFolder = "/usr/share/datasets/fashion-mnist"

/// What the tools say of their option --data.
public let dataSourceHelp = """
  Images: fashion-mnist (Debian's package dataset-fashion-mnist); a folder of IDX files, of CIFAR's binary files, of \
  .npy files, or with a folder of PNG and JPEG files for each class; or an .npz file.
  """

/// The source that `name` means: `fashion-mnist`, or the path of a folder or an `.npz` file. (A folder of that name in
/// the working directory is `./fashion-mnist`.) What is in a folder says which format it is.
public func dataSource(_ name: String, _ options: DataOptions = DataOptions()) throws(CNNError) -> any DataSource {
  if name == "fashion-mnist" {
    guard isFolder(fashionMNISTFolder) else {
      throw CNNError(
        "there is no \(fashionMNISTFolder)", at: name,
        advice: "apt install dataset-fashion-mnist, or give the path of a folder with its files")
    }
    return IDXFolder(name: name, path: fashionMNISTFolder)
  }
  guard isFolder(name) || NumPySource.looksLikeOne(name) else {
    throw isFile(name)
      ? CNNError("is a file", at: name, advice: "give the path of a folder with data, or of an .npz file")
      : CNNError("no such folder", at: name, advice: "give the path of a folder with data, or fashion-mnist")
  }
  if IDXFolder.looksLikeOne(name) { return IDXFolder(name: name, path: name) }
  if let folder = CIFARFolder(name: name, path: name) { return folder }
  if NumPySource.looksLikeOne(name) { return NumPySource(name: name, path: name) }
  if ImageFolder.looksLikeOne(name) { return ImageFolder(name: name, path: name, options: options) }
  throw CNNError(
    "holds no data in a known format", at: name,
    advice: """
      expected are \(IDXFolder.trainingImages[0]), plain or .gz; CIFAR's data_batch_1.bin or train.bin; x_train.npy or \
      images.npy; or a folder of PNG and JPEG files for each class
      """)
}
