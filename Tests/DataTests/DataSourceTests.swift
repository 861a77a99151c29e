import CNNData
import CNNSupport
import Foundation
import Testing

@Suite struct DataSourceTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  func write(
    _ name: String, images: [Int], labels: [UInt8], suffix: String = "", set: String = "train"
  ) throws -> String {
    let elements = (0..<images.reduce(1, *)).map { UInt8(truncatingIfNeeded: $0 * 7) }
    func pack(_ bytes: [UInt8]) throws -> [UInt8] { suffix == ".gz" ? try gzip(bytes) : bytes }
    _ = try folder.write("\(name)/\(set)-images-idx3-ubyte\(suffix)", pack(idx(images, elements)))
    _ = try folder.write("\(name)/\(set)-labels-idx1-ubyte\(suffix)", pack(idx([labels.count], labels)))
    return "\(folder.path)/\(name)"
  }

  @Test func aFolderOfIDXFiles() throws {
    for suffix in ["", ".gz"] {
      let path = try write("digits\(suffix)", images: [3, 4, 5], labels: [7, 0, 9], suffix: suffix)
      let data = try dataSource(path).loadTraining()
      #expect((data.count, data.channels, data.height, data.width) == (3, 1, 4, 5))
      #expect(data.labels == [7, 0, 9])
      #expect(data.classNames == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
      #expect(try data.pixels == (0..<60).map { UInt8(truncatingIfNeeded: $0 * 7) })
    }
  }

  @Test func imagesWithChannelsAndMoreThanTenClasses() throws {
    let data = try dataSource(write("letters", images: [2, 3, 4, 5], labels: [25, 3])).loadTraining()
    #expect((data.channels, data.height, data.width) == (3, 4, 5))
    #expect(data.classNames == (0..<26).map(String.init))
    #expect(try data.withImage(1) { Array($0) } == (60..<120).map { UInt8(truncatingIfNeeded: $0 * 7) })
  }

  @Test(arguments: ["fashion-mnist", "FashionMNIST/raw", "Fashion_MNIST/"])
  func fashionMNISTIsKnownByItsFolder(name: String) throws {
    let data = try dataSource(write(name, images: [2, 2, 2], labels: [9, 0])).loadTraining()
    #expect(data.classNames[9] == "Ankle boot")
    #expect(data.classNames[0] == "T-shirt/top")
    let tooLarge = try dataSource(write(name, images: [1, 2, 2], labels: [10]))
    let error = try #require(throws: CNNError.self) { try tooLarge.loadTraining() }
    #expect(error.description.contains("image 0 has label 10, but there are 10 classes"))
  }

  @Test func trainingNeedsNoTestFiles() throws {
    let path = try write("half", images: [2, 2, 2], labels: [1, 2])
    let source = try dataSource(path)
    #expect(try source.loadTraining().count == 2)
    let error = try #require(throws: CNNError.self) { try source.loadTest() }
    #expect(
      error.description == "\(path): t10k-images-idx3-ubyte is missing (it may be gzipped, with .gz behind its name)")
  }

  @Test func testImagesComeFromTheTestFiles() throws {
    let path = try write("whole", images: [2, 2, 2], labels: [1, 2])
    _ = try write("whole", images: [3, 2, 2], labels: [4, 5, 6], set: "t10k")
    #expect(try dataSource(path).loadTest().labels == [4, 5, 6])
  }

  @Test func foldersThatDoNotFitAreRefused() throws {
    func error(_ images: [Int], _ labels: [UInt8]) throws -> String {
      let source = try dataSource(write("bad", images: images, labels: labels))
      return try #require(throws: CNNError.self) { try source.loadTraining() }.description
    }
    #expect(try error([2, 4, 4], [1]).contains("2 images, but 1 labels"))
    #expect(try error([2, 4], [1, 2]).contains("has rank 2"))
    #expect(try error([0, 4, 4], []).contains("has no images"))
    #expect(try error([2, 0, 4], [1, 2]).contains("images without pixels"))
  }

  @Test func namesThatMeanNothingAreRefused() throws {
    let missing = try #require(throws: CNNError.self) { try dataSource("\(folder.path)/nowhere") }
    #expect(missing.description.contains("no such folder"))
    let empty = try #require(throws: CNNError.self) { try dataSource(folder.path) }
    #expect(empty.description.contains("no data in a known format"))
  }

  static let isInstalled = FileManager.default.fileExists(atPath: fashionMNISTFolder)

  /// Published facts about Fashion-MNIST: first labels, 6,000 images per class, mean 0.2860 and deviation 0.3530.
  @Test(.enabled(if: isInstalled)) func fashionMNISTAsPublished() throws {
    let data = try dataSource("fashion-mnist").loadTraining()
    #expect((data.count, data.channels, data.height, data.width) == (60_000, 1, 28, 28))
    #expect(data.labels.prefix(4) == [9, 0, 0, 3])
    #expect((0..<10).allSatisfy { label in data.labels.count { $0 == label } == 6_000 })
    let normalization = try Normalization(of: data, images: Array(0..<data.count))
    #expect(abs(normalization.mean[0] - 0.2860) < 1e-4)
    #expect(abs(normalization.deviation[0] - 0.3530) < 1e-4)
  }
}
