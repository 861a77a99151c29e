import Glibc

/// Where labelled images come from. One conformance per format; `dataSource(_:)` chooses.
///
/// Opening a source reads no images. The test images are read by `loadTest()` alone: nothing that trains, tunes or
/// calibrates calls it.
public protocol DataSource: Sendable {
  /// What the user called it.
  var name: String { get }
  /// The images to learn from; a validation split is taken from these.
  func loadTraining() throws(DataError) -> Dataset
  /// The images that are only for the report.
  func loadTest() throws(DataError) -> Dataset
}

/// The folder that Debian's package dataset-fashion-mnist installs.
public let fashionMNISTFolder = "/usr/share/datasets/fashion-mnist"

/// The source that `name` means: `fashion-mnist`, or the path of a folder. (A folder of that name in the working
/// directory is `./fashion-mnist`.)
public func dataSource(_ name: String) throws(DataError) -> any DataSource {
  if name == "fashion-mnist" {
    guard isFolder(fashionMNISTFolder) else {
      throw DataError(
        "fashion-mnist: there is no \(fashionMNISTFolder); install it (apt install dataset-fashion-mnist), or give the "
          + "path of a folder with the four files")
    }
    return IDXFolder(name: name, path: fashionMNISTFolder)
  }
  guard isFolder(name) else {
    throw DataError("\(name): there is no such folder; give the path of a folder with data, or fashion-mnist")
  }
  guard IDXFolder.looksLikeOne(name) else {
    throw DataError("\(name): no data in a known format: expected \(IDXFolder.trainingImages[0]) (IDX, plain or .gz)")
  }
  return IDXFolder(name: name, path: name)
}

private func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
