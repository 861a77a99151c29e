import CNNData
import CNNSupport
import Foundation
import Testing

@Suite struct IDXFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// The error that reading these bytes gives; it must name the file.
  func error(_ bytes: [UInt8], limit: Int = IDXFile.defaultLimit) throws -> String {
    let path = try folder.write("file", bytes)
    let error = try #require(throws: CNNError.self) { try IDXFile(path: path, limit: limit) }
    #expect(error.description.hasPrefix(path))
    return error.description
  }

  @Test func plainAndGzippedAreReadAlike() throws {
    var random = Random(seed: 1)
    for shape in [[7], [3, 5], [2, 3, 4], [2, 3, 4, 5], [0, 28, 28], [5000, 1000]] {
      let elements = random.bytes(shape.reduce(1, *))
      let plain = try IDXFile(path: folder.write("plain", idx(shape, elements)))
      let packed = try IDXFile(path: folder.write("packed.gz", gzip(idx(shape, elements))))
      #expect(plain.shape == shape)
      #expect(packed.shape == shape)
      #expect(plain.bytes == elements)
      #expect(packed.bytes == elements)
    }
  }

  @Test func everyTruncationIsNoticed() throws {
    var random = Random(seed: 2)
    let plain = idx([3, 4], random.bytes(12))
    for count in 0..<plain.count { _ = try error(Array(plain.prefix(count))) }
    let packed = try gzip(plain)
    for count in 0..<packed.count { _ = try error(Array(packed.prefix(count))) }
  }

  /// Elements with much repetition, so that gzip leaves no bits without a meaning.
  @Test func everyDamagedByteOfAGzippedFileIsNoticed() throws {
    let packed = try gzip(idx([300], (0..<300).map { UInt8($0 * $0 / 7 % 50) }))
    for index in 10..<packed.count {  // behind gzip's header, parts of which say nothing of the data
      var damaged = packed
      damaged[index] ^= 0x10
      _ = try error(damaged)
    }
  }

  @Test func errorsSayWhatIsWrong() throws {
    #expect(try error([]).contains("not an IDX file"))
    #expect(try error(Array("P5 28 28 255".utf8)).contains("not an IDX file"))
    #expect(try error([0, 0, 0x0D, 1, 0, 0, 0, 0]).contains("type 0xd"))
    #expect(try error([0, 0, 8, 0]).contains("rank 0"))
    #expect(try error([0, 0, 8, 255]).contains("rank 255"))
    #expect(try error([0, 0, 8, 2, 0, 0, 0, 1]).contains("inside its header"))
    #expect(try error(idx([2, 3], [1, 2, 3, 4, 5])).contains("promises 6 bytes, 5 are there"))
    #expect(try error(idx([2, 3], [1, 2, 3, 4, 5, 6, 7])).contains("longer than the 6 bytes"))
    #expect(try error(gzip(idx([2, 3], [1, 2, 3, 4, 5, 6, 7]))).contains("longer than the 6 bytes"))
    #expect(try error(gzip(idx([4], [1, 2, 3, 4])).dropLast(9)).contains("gzip stream ends too early"))
    #expect(try error(idx([4, 5], []), limit: 19).contains("4×5 bytes, more than the limit of 19"))
  }

  @Test func sizesThatOverflowOrExceedTheLimitAreRefused() throws {
    #expect(try error(idx([1 << 31, 1 << 31, 1 << 31, 4], [])).contains("limit"))
    #expect(try error(idx([0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], [])).contains("limit"))
    // Within the limit, but not there: memory grows with the file, not with the promise.
    #expect(try error(idx([1 << 30], [1])).contains("1 are there"))
  }

  @Test func whatCannotBeOpenedIsSaid() throws {
    let missing = "\(folder.path)/missing"
    let error = try #require(throws: CNNError.self) { try IDXFile(path: missing) }
    #expect(error.description == "\(missing): cannot be opened: No such file or directory")
    let directory = try #require(throws: CNNError.self) { try IDXFile(path: folder.path) }
    #expect(directory.description == "\(folder.path): cannot be read: Is a directory")
  }

  @Test func anyBytesGiveAnErrorOrAnArray() throws {
    var random = Random(seed: 4)
    for _ in 0..<500 {
      // Half of them begin like IDX, so that the sizes are reached.
      let start: [UInt8] = random.next() % 2 == 0 ? [] : [0, 0, 8, UInt8(random.next() % 6)]
      let path = try folder.write("any", start + random.bytes(Int(random.next() % 40)))
      if let file = try? IDXFile(path: path, limit: 1 << 20) { #expect(file.bytes.count == file.shape.reduce(1, *)) }
    }
  }
}
