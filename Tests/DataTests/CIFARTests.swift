import CNNData
import CNNSupport
import Foundation
import Testing

@Suite struct CIFARTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// A file of images with these labels, all else random.
  private func write(_ name: String, _ labels: [[UInt8]], seed: UInt64) throws -> [UInt8] {
    var random = Random(seed: seed)
    var pixels: [UInt8] = []
    var bytes: [UInt8] = []
    for label in labels {
      let image = random.bytes(3072)
      bytes += label + image
      pixels += image
    }
    _ = try folder.write(name, bytes)
    return pixels
  }

  /// All five training files, each with two images.
  private func writeTen(_ prefix: String = "") throws -> [UInt8] {
    try (1...5).flatMap { file in
      try write("\(prefix)data_batch_\(file).bin", [[UInt8(file)], [UInt8(10 - file)]], seed: UInt64(file))
    }
  }

  @Test(arguments: ["", "cifar-10-batches-bin/"]) func ten(prefix: String) throws {
    let pixels = try writeTen(prefix)
    let data = try dataSource(folder.path).loadTraining()
    #expect((data.channels, data.height, data.width) == (3, 32, 32))
    #expect(data.labels == [1, 9, 2, 8, 3, 7, 4, 6, 5, 5])
    #expect(try data.pixels == pixels)
    #expect(data.classNames.count == 10 && data.classNames[3] == "cat" && data.classNames[9] == "truck")

    let test = try write("\(prefix)test_batch.bin", [[0], [7], [7]], seed: 9)
    _ = try folder.write("\(prefix)batches.meta.txt", Array("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n".utf8))
    let source = try dataSource(folder.path)
    #expect(try source.loadTest().labels == [0, 7, 7])
    #expect(try source.loadTest().pixels == test)
    #expect(try source.loadTraining().classNames == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"])
  }

  /// Coarse and fine labels: the fine ones.
  @Test(arguments: ["", "cifar-100-binary/"]) func hundred(prefix: String) throws {
    let pixels = try write("\(prefix)train.bin", [[19, 99], [0, 3]], seed: 1)
    let test = try write("\(prefix)test.bin", [[1, 42]], seed: 2)
    var source = try dataSource(folder.path)
    #expect(try source.loadTraining().labels == [99, 3])
    #expect(try source.loadTraining().pixels == pixels)
    #expect(try source.loadTest().labels == [42])
    #expect(try source.loadTest().pixels == test)
    #expect(try source.loadTest().classNames[42] == "42")
    _ = try folder.write("\(prefix)fine_label_names.txt", Array((0..<100).map { "fine\($0)\r\n" }.joined().utf8))
    source = try dataSource(folder.path)
    #expect(try source.loadTest().classNames[42] == "fine42")
  }

  @Test func trainingOpensNoTestFile() throws {
    _ = try writeTen()
    _ = try write("test/test_batch.bin", [[1]], seed: 1)
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/test_batch.bin", withDestinationPath: "\(folder.path)/test/test_batch.bin")
    let watch = OpenWatch(["\(folder.path)/test", "\(folder.path)/test/test_batch.bin"])
    let source = try dataSource(folder.path)
    let data = try source.loadTraining()
    _ = try Normalization(of: data, images: Array(0..<data.count))
    #expect(!watch.sawOpening)
    _ = try source.loadTest()
    #expect(watch.sawOpening)
  }

  @Test func errorsSayWhichFileAndWhy() throws {
    func error(_ expected: String) throws {
      let error = try #require(throws: CNNError.self) { try dataSource(folder.path).loadTraining() }
      #expect(error.description.hasPrefix(folder.path) && error.description.contains(expected), "\(error)")
    }
    _ = try writeTen()
    let file = try folder.write("data_batch_3.bin", .init(repeating: 1, count: 3073 * 2 - 1))
    try error("data_batch_3.bin: has 6145 bytes, which are not whole images of 3073 bytes each")
    _ = try folder.write("data_batch_3.bin", [])
    try error("has 0 bytes")
    _ = try folder.write("data_batch_3.bin", .init(repeating: 10, count: 3073))
    try error("image 0 has label 10, but there are 10 classes")
    try FileManager.default.removeItem(atPath: file)
    try error("data_batch_3.bin: cannot be opened: No such file")
    _ = try writeTen()
    _ = try folder.write("batches.meta.txt", Array("airplane\n".utf8))
    try error("batches.meta.txt: has 1 names of classes, not 10")
  }
}
