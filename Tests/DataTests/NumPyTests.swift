import CNNData
import CNNSupport
import Foundation
import Testing

@Suite struct NumPyTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// The formula of data_samples.py.
  private func values(_ count: Int, first: Int) -> [UInt8] { (0..<count).map { UInt8(($0 * 37 + first) % 256) } }

  /// [N, H, W, C] → [N, C, H, W]
  private func planar(_ pixels: [UInt8], plane: Int) -> [UInt8] {
    pixels.indices.map { index in
      let (image, channel, pixel) = (index / (3 * plane), index / plane % 3, index % plane)
      return pixels[(image * plane + pixel) * 3 + channel]
    }
  }

  // MARK: NumPy's own files

  @Test(arguments: ["stored", "deflated"]) func archives(name: String) throws {
    let source = try dataSource(sample("Arrays/\(name).npz"))
    let data = try source.loadTraining()
    #expect((data.count, data.channels, data.height, data.width) == (6, 3, 4, 5))
    #expect(data.labels == [0, 2, 1, 1, 0, 2])
    #expect(data.classNames == ["0", "1", "2"])
    #expect(try data.pixels == planar(values(360, first: 1), plane: 20))
    #expect(source.hasTestImages)
    let test = try source.loadTest()
    #expect(test.labels == [2, 0, 1])
    #expect(try test.pixels == planar(values(180, first: 2), plane: 20))
  }

  @Test func medMNISTsNames() throws {
    let source = try dataSource(sample("Arrays/medmnist.npz"))
    let data = try source.loadTraining()
    #expect((data.count, data.channels, data.height, data.width) == (6, 1, 4, 5))
    #expect(data.labels == [0, 2, 1, 1, 0, 2])
    let all = values(360, first: 1)
    #expect(try data.pixels == stride(from: 0, to: 360, by: 3).map { all[$0] })
    #expect(!source.hasTestImages)
    let error = try #require(throws: CNNError.self) { try source.loadTest() }
    #expect(error.description.contains("medmnist.npz: has no test images; expected are x_test with y_test, or"))
  }

  @Test(arguments: ["float32", "float64"]) func realNumbers(name: String) throws {
    let data = try dataSource(sample("Arrays/\(name).npz")).loadTraining()
    let pixels = values(120, first: 3)
    #expect(try data.pixels == pixels)
    var batch = Batch(Normalization(mean: [0], deviation: [1]))
    try batch.fill(from: data, images: 0..<6)
    #expect(batch.images == pixels.map { Float($0) / 255 })
  }

  /// Versions 1, 2 and 3 of the format; grey images in a folder of arrays.
  @Test(arguments: 1...3) func versionsAndFolders(version: Int) throws {
    let file = try Data(contentsOf: URL(filePath: sample("Arrays/version\(version).npy")))
    _ = try folder.write("images.npy", Array(file))
    _ = try folder.write("labels.npy", npy("<i4", [2], [1, 0, 0, 0, 0, 0, 0, 0]))
    let data = try dataSource(folder.path).loadTraining()
    #expect((data.count, data.channels, data.height, data.width) == (2, 1, 3, 4))
    #expect(data.labels == [1, 0])
    #expect(try data.pixels == values(24, first: version))
  }

  @Test(arguments: [
    ("fortran", "is in Fortran's order; save numpy.ascontiguousarray(array)"),
    (
      "big-endian",
      "has elements of type '>f4'; read are |u1 |i1 <u2 <i2 <u4 <i4 <u8 <i8 <f4 <f8; save array.astype('<f4')"
    ),
    ("strings", "has elements of type '<U1'"), ("fields", "has elements with several fields"),
    ("scalar", "has the shape ()"),
  ]) func whatIsNotReadIsSaid(name: String, expected: String) throws {
    let file = try Data(contentsOf: URL(filePath: sample("Arrays/\(name).npy")))
    #expect(try error(images: Array(file)).contains(expected))
  }

  // MARK: Files of our own

  /// Version 1.
  private func npy(_ type: String, _ shape: [Int], _ bytes: [UInt8], header: String? = nil) -> [UInt8] {
    let sizes = shape.map { "\($0)," }.joined(separator: " ")
    let text = header ?? "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(sizes)), }\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count & 255), UInt8(text.utf8.count >> 8)]
      + Array(text.utf8) + bytes
  }

  private func error(images: [UInt8], labels: [UInt8]? = nil) throws -> String {
    _ = try folder.write("images.npy", images)
    _ = try folder.write("labels.npy", labels ?? npy("|u1", [2], [0, 1]))
    let error = try #require(throws: CNNError.self) { try dataSource(folder.path).loadTraining() }
    #expect(error.description.hasPrefix(folder.path))
    return error.description
  }

  @Test func labelsOfEveryIntegerType() throws {
    _ = try folder.write("x.npy", npy("|u1", [3, 1, 2], [1, 2, 3, 4, 5, 6]))
    for (type, size) in [("u1", 1), ("i1", 1), ("u2", 2), ("i2", 2), ("u4", 4), ("i4", 4), ("u8", 8), ("i8", 8)] {
      let bytes = [5, 0, 100].flatMap { [$0] + [UInt8](repeating: 0, count: size - 1) }
      for shape in [[3], [3, 1]] {
        _ = try folder.write("y.npy", npy((size == 1 ? "|" : "<") + type, shape, bytes))
        let data = try dataSource(folder.path).loadTraining()
        #expect(data.labels == [5, 0, 100] && data.classNames.count == 101)
      }
    }
  }

  @Test func channelsFirstAndLast() throws {
    let pixels = values(2 * 3 * 8 * 9, first: 0)
    _ = try folder.write("y_train.npy", npy("|u1", [2], [0, 1]))
    _ = try folder.write("x_train.npy", npy("|u1", [2, 8, 9, 3], pixels))
    #expect(try dataSource(folder.path).loadTraining().pixels == planar(pixels, plane: 72))
    _ = try folder.write("x_train.npy", npy("|u1", [2, 3, 8, 9], pixels))
    #expect(try dataSource(folder.path).loadTraining().pixels == pixels)
    #expect(try dataSource(folder.path).loadTraining().height == 8)
  }

  @Test func shapesAndLabelsMustFit() throws {
    let four = npy("|u1", [2, 1, 2], [1, 2, 3, 4])
    #expect(try error(images: npy("|u1", [4], [1, 2, 3, 4])).contains("has the shape (4,); images have (N, H, W), "))
    #expect(try error(images: npy("|u1", [2, 3, 1, 3], .init(repeating: 0, count: 18))).contains("two axes may be"))
    #expect(try error(images: npy("|u1", [2, 5, 1, 5], .init(repeating: 0, count: 50))).contains("no axis may be"))
    #expect(try error(images: npy("|u1", [1, 1, 2], [1, 2])).contains("1 images, but 2 labels in labels"))
    #expect(try error(images: npy("<i2", [2, 1, 1], [1, 2, 3, 4])).contains("images are uint8, float32 or float64"))
    #expect(try error(images: npy("|u1", [2, 0, 2], [])).contains("images without pixels"))
    #expect(
      try error(images: npy("<f4", [2, 1, 1], [0, 0, 128, 127, 0, 0, 0, 0])).contains("image 0 has a value that is"))
    #expect(
      try error(images: four, labels: npy("<f4", [2], .init(repeating: 0, count: 8))).contains("labels are integers"))
    #expect(try error(images: four, labels: npy("|u1", [2, 2], [0, 1, 1, 0])).contains("array.argmax(axis=1)"))
    #expect(try error(images: four, labels: npy("|i1", [2], [0, 255])).contains("label 1 is -1; classes are"))
    #expect(try error(images: four, labels: npy("<u4", [2], [0, 0, 0, 0, 0, 0, 1, 0])).contains("label 1 is 65536"))
    #expect(
      try error(images: four, labels: npy("<u8", [2], .init(repeating: 255, count: 16))).contains("label 0 is -1"))
  }

  /// The training labels say how many there are.
  @Test func testLabelsMustBeOfTheTrainingClasses() throws {
    for (key, labels) in [("train", [0, 1] as [UInt8]), ("test", [0, 2])] {
      _ = try folder.write("x_\(key).npy", npy("|u1", [2, 1, 1], [1, 2]))
      _ = try folder.write("y_\(key).npy", npy("|u1", [2], labels))
    }
    let error = try #require(throws: CNNError.self) { try dataSource(folder.path).loadTest() }
    #expect(error.description.contains("x_test.npy: image 1 has label 2, but there are 2 classes"))
  }

  @Test func headersThatLieAreRefused() throws {
    func header(_ text: String) -> [UInt8] { npy("", [], [], header: text) }
    let whole = npy("|u1", [2, 1, 2], [1, 2, 3, 4])
    for count in 0..<whole.count { _ = try error(images: Array(whole.prefix(count))) }
    #expect(try error(images: whole + [0]).contains("longer than the 4 bytes"))
    #expect(try error(images: npy("<f8", [1 << 40, 1 << 40, 4], [])).contains("more than the limit of"))
    #expect(try error(images: npy("|u1", [1 << 20, 1 << 10, 2], [1])).contains("cut short: the header promises"))
    #expect(try error(images: header("{'descr': '|u1', 'fortran_order': False, }")).contains("no 'shape'"))
    #expect(
      try error(images: header("{'descr': '|u1', 'shape': (2,1,-1), 'fortran_order': False}")).contains("(2,1,-1)"))
    #expect(try error(images: header("{'descr': '|u1', 'shape': (9999999999999999999999,)}")).contains("the shape"))
    #expect(try error(images: header("{'descr': '|u1', 'shape': (2")).contains("has no shape"))
    #expect(try error(images: header("")).contains("no 'descr'"))
    #expect(try error(images: [0x93] + Array("NUMPY".utf8) + [9, 0, 0, 0]).contains("version 9.0"))
    #expect(
      try error(images: [0x93] + Array("NUMPY".utf8) + [2, 0, 255, 255, 255, 127]).contains("header of 2147483647"))
  }

  /// No byte of an archive can change without an error, or else nothing changes.
  @Test(arguments: ["stored", "deflated"]) func damagedArchives(name: String) throws {
    let bytes = try Array(Data(contentsOf: URL(filePath: sample("Arrays/\(name).npz"))))
    let original = try dataSource(sample("Arrays/\(name).npz")).loadTraining().fingerprint
    for count in stride(from: 0, to: bytes.count, by: 7) {
      let path = try folder.write("cut.npz", Array(bytes.prefix(count)))
      #expect(throws: CNNError.self) { try dataSource(path).loadTraining() }
    }
    var refused = 0
    for index in stride(from: 0, to: bytes.count, by: 3) {
      var damaged = bytes
      damaged[index] ^= 0x10
      let path = try folder.write("damaged.npz", damaged)
      do { #expect(try dataSource(path).loadTraining().fingerprint == original) } catch { refused += 1 }
    }
    #expect(refused > bytes.count / 3 / 10)
  }

  /// Damaged test images are not noticed by who does not ask for them.
  @Test func trainingReadsNoTestArray() throws {
    var bytes = try Array(Data(contentsOf: URL(filePath: sample("Arrays/stored.npz"))))
    let test = values(180, first: 2)
    // The last: the formula repeats itself in the training images.
    let start = try #require((0..<bytes.count - 180).last { Array(bytes[$0..<$0 + 180]) == test })
    bytes[start + 100] ^= 1
    let source = try dataSource(try folder.write("test-damaged.npz", bytes))
    #expect(try source.loadTraining().count == 6)
    let error = try #require(throws: CNNError.self) { try source.loadTest() }
    #expect(error.description.contains("test-damaged.npz, x_test.npy: is damaged: its checksum"))
  }

  @Test func namesThatAreNotKnown() throws {
    _ = try folder.write("images.npy", npy("|u1", [2, 1, 1], [1, 2]))
    let lonely = try #require(throws: CNNError.self) { try dataSource(folder.path).loadTraining() }
    #expect(lonely.description.contains("has images, but not its labels, labels"))
    let alone = try #require(throws: CNNError.self) { try dataSource("\(folder.path)/images.npy") }
    #expect(alone.description.contains("is a file; give the path of a folder with data, or of an .npz file"))
    let zip = try folder.write("not.npz", Array("PK but no zip".utf8))
    let error = try #require(throws: CNNError.self) { try dataSource(zip).loadTraining() }
    #expect(error.description.contains("not a zip archive, or cut short"))
  }

  @Test func anyBytesGiveAnErrorOrImages() throws {
    var random = Random(seed: 4)
    let whole = try Array(Data(contentsOf: URL(filePath: sample("Arrays/deflated.npz"))))
    for _ in 0..<300 {
      var bytes = whole
      for _ in 0..<1 + random.below(8) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      let path = try folder.write("any.npz", bytes)
      do { _ = try dataSource(path).loadTraining() } catch {}
    }
  }
}
