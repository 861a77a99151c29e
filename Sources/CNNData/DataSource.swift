import CNNSupport
import Glibc

/// Where labelled images come from. One conformance per format; `dataSource(_:)` chooses.
///
/// Opening a source reads no images. The test images are read by `loadTest()` alone: nothing that trains, tunes or
/// calibrates calls it.
public protocol DataSource: Sendable {
  /// What the user called it.
  var name: String { get }
  /// The images to learn from; a validation split is taken from these.
  func loadTraining() throws(CNNError) -> Dataset
  /// The images that are only for the report.
  func loadTest() throws(CNNError) -> Dataset
}

/// The folder that Debian's package dataset-fashion-mnist installs.
public let fashionMNISTFolder = "/usr/share/datasets/fashion-mnist"

/// The source that `name` means: `fashion-mnist`, or the path of a folder. (A folder of that name in the working
/// directory is `./fashion-mnist`.)
public func dataSource(_ name: String) throws(CNNError) -> any DataSource {
  if name == "fashion-mnist" {
    guard isFolder(fashionMNISTFolder) else {
      throw CNNError(
        "there is no \(fashionMNISTFolder)", at: name,
        advice: "apt install dataset-fashion-mnist, or give the path of a folder with its files")
    }
    return IDXFolder(name: name, path: fashionMNISTFolder)
  }
  guard isFolder(name) else {
    throw CNNError("no such folder", at: name, advice: "give the path of a folder with data, or fashion-mnist")
  }
  guard IDXFolder.looksLikeOne(name) else {
    throw CNNError(
      "holds no data in a known format", at: name, advice: "expected is \(IDXFolder.trainingImages[0]), plain or .gz")
  }
  return IDXFolder(name: name, path: name)
}

private func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
