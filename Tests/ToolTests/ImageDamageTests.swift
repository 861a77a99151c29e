import CNNSupport
import Foundation
import Testing

/// Files that are cut, changed, or say what is not so: an error with a sentence, never half an image, a crash or much memory.
struct ImageDamageTests {
  static let files =
    Samples.names("Images").map { ["Images", $0] } + Samples.names("JPEG", ".jpg").map { ["JPEG", $0] }

  func data(_ file: [String]) throws -> Data { try Samples.data(file[0], file[1]) }

  /// - Parameter message: what the sentence contains
  func expectError(_ data: Data, maxPixels: UInt64 = 1_000_000, _ message: String = "", _ what: String = "") {
    let error = #expect(throws: DecodedImage.Failure.self, "\(what)") { try DecodedImage(data, maxPixels: maxPixels) }
    guard let error else { return }
    #expect(
      (message.isEmpty || error.message.contains(message)) && error.message.count > 5, "\(what): \(error.message)")
    #expect(!error.message.contains("\n"))
  }

  // MARK: Any file

  /// Cut at every length.
  @Test(arguments: files)
  func truncated(file: [String]) throws {
    let data = try data(file)
    for count in 0..<data.count { expectError(data.prefix(count), "", "\(count) of \(data.count) bytes") }
  }

  /// Any one byte changed: pixels or an error, nothing else.
  @Test(arguments: files)
  func damaged(file: [String]) throws {
    var data = try data(file)
    for index in data.indices {
      for change in [0x01, 0x80, 0xFF] as [UInt8] {
        data[index] ^= change
        if let image = try? DecodedImage(data, maxPixels: 10_000) { #expect(image.width * image.height <= 10_000) }
        data[index] ^= change
      }
    }
  }

  @Test func otherFilesAreNamed() throws {
    expectError(Data("GIF89a and more".utf8), "is neither a PNG nor a JPEG; convert it")
    expectError(Data(), "is empty")
    expectError(PNGFile.signature, "is a damaged PNG (the file ends early)")
    expectError(Data([0xFF, 0xD8, 0xFF]), "is a damaged or unsupported JPEG (")
  }

  // MARK: Sizes

  @Test func limitIsCheckedBeforeAllocating() throws {
    let (png, jpeg) = (try Samples.data("Images", "rgb8.png"), try Samples.data("Images", "rgb.jpg"))
    #expect(try DecodedImage(png, maxPixels: 13 * 7).width == 13)
    #expect(try DecodedImage(jpeg, maxPixels: 40 * 24).width == 40)
    expectError(
      png, maxPixels: 13 * 7 - 1, "is an image of 13 x 7 pixels, more than the 90 that are allowed; make it smaller")
    expectError(jpeg, maxPixels: 40 * 24 - 1, "is an image of 40 x 24 pixels, more than the 959 that are allowed")
    expectError(png, maxPixels: 0, "more than the 0 that are allowed")
  }

  /// Small files that say that they are huge, and what the error says of them.
  static func bombs() throws -> [(what: String, data: Data, message: String)] {
    var bombs: [(what: String, data: Data, message: String)] = []
    for type in PNGFile.ColourType.allCases {
      for interlaced in [false, true] {
        for (width, height, message) in [
          (0, 5, "damaged"), (5, 0, "damaged"), (0x7FFF_FFFF, 0x7FFF_FFFF, "a side longer than the 1000000"),
          (0x7FFF_FFFF, 1, "a side longer than the 1000000"), (1, 0x7FFF_FFFF, "a side longer than the 1000000"),
          (0x8000_0000, 1, "damaged"), (0xFFFF_FFFF, 0xFFFF_FFFF, "damaged"), (1_000_001, 1, "a side longer than"),
          (1_000_000, 101, "more than the 100000000"), (10001, 10000, "more than the 100000000"),
        ] {
          var file = PNGFile(width: 1, height: 1, depth: 8, colourType: type, interlaced: interlaced) { _, _, _ in 0 }
          file.chunks[0] = PNGFile.header(
            width: width, height: height, depth: type.depths.last!, colourType: type, interlaced: interlaced)
          if type == .palette { file.chunks.insert(.init(type: "PLTE", bytes: [1, 2, 3]), at: 1) }
          bombs.append(("\(type) \(width) x \(height)", file.data, message))
        }
      }
    }
    var jpeg = JPEGFile(try Samples.data("JPEG", "odd-444.jpg"))
    for (width, height, message) in [
      (0, 9, "JPEG ("), (17, 0, "JPEG ("), (65535, 65535, "JPEG ("),
      (65500, 65500, "more than the 100000000 that are allowed"),
      (17, 65500, "JPEG ("),
    ] {
      jpeg.setSize(width: width, height: height)
      bombs.append(("JPEG \(width) x \(height)", jpeg.data, message))
    }
    // Before its first pixel a progressive JPEG takes 2 bytes per coefficient: that too is limited.
    jpeg = JPEGFile(try Samples.data("JPEG", "odd-444-progressive.jpg"))
    jpeg.setSize(width: 10000, height: 10000)
    bombs.append(
      ("progressive", jpeg.data, "is a JPEG that needs more memory to decode than is allowed; make it smaller"))
    return bombs
  }

  @Test func bombsAreRefused() throws {
    for bomb in try Self.bombs() { expectError(bomb.data, maxPixels: 100_000_000, bomb.message, bomb.what) }
  }

  /// With less memory than they would take, they are refused in the same words: nothing was allocated for them. Where the size is
  /// allowed but too much for the machine, that is said.
  @Test func bombsTakeNoMemory() throws {
    try InferToolTests().withBundle(InferToolTests.pixelSoftmax()) { folder, model in
      let bombs = try Self.bombs()
      for (index, bomb) in bombs.enumerated() { try bomb.data.write(to: folder.appending(path: "bomb\(index)")) }
      var large = PNGFile(width: 1, height: 1, depth: 8, colourType: .rgba) { _, _, _ in 0 }
      large.chunks[0] = PNGFile.header(width: 9999, height: 9999, colourType: .rgba)
      try large.data.write(to: folder.appending(path: "large"))
      let names = bombs.indices.map { "bomb\($0)" } + ["large"]
      let result = try Tool(name: "cnn-infer").run(
        ["-m", model.path] + names, in: folder, shell: "ulimit -v 360000; exec \"$0\" \"$@\"")
      #expect(result.exitCode == 1 && !result.crashed)
      let lines = result.error.split(separator: "\n")
      try #require(lines.count == names.count)
      for (line, bomb) in zip(lines, bombs) { #expect(line.contains(bomb.message), "\(bomb.what): \(line)") }
      #expect(lines.last == "cnn-infer: large: is too large for this machine's memory")
    }
  }

  // MARK: PNG

  static let pngs =
    Samples.names("Images", ".png").map { ["Images", $0] }
    + Samples.names("PngSuite", ".png").filter { !$0.hasPrefix("x") }.map { ["PngSuite", $0] }

  /// Cut at each chunk's beginning, within its length, type, data and checksum.
  @Test func cutAtEveryChunk() throws {
    for name in Self.pngs {
      let data = try data(name)
      var start = 8
      for chunk in PNGFile(data).chunks {
        let count = chunk.bytes.count
        for cut in [0, 2, 4, 6, 8, 8 + count / 2, 8 + count, 10 + count] {
          expectError(data.prefix(start + cut), "", "\(name) cut \(cut) bytes into \(chunk.type)")
        }
        start += 12 + count
      }
      #expect(start == data.count, "\(name)")
    }
  }

  /// A checksum that is wrong, in whichever chunk.
  @Test func wrongChecksums() throws {
    for name in Self.pngs {
      let file = PNGFile(try data(name))
      for index in file.chunks.indices {
        for wrong in [1, 0x8000_0000, 0xFFFF_FFFF] as [UInt32] {
          var damaged = file
          damaged.chunks[index].wrongCRC = wrong
          expectError(damaged.data, "CRC error", "\(name), \(file.chunks[index].type)")
        }
      }
    }
  }

  /// A chunk that must be there is not, is there twice, or is too early.
  @Test func chunksOutOfPlace() throws {
    for name in Self.pngs {
      let file = PNGFile(try data(name))
      let isPalette = file.chunks[0].bytes[9] == PNGFile.ColourType.palette.rawValue
      for type in ["IHDR", "IDAT", "IEND"] + (isPalette ? ["PLTE"] : []) {
        var without = file
        without.chunks.removeAll { $0.type == type }
        expectError(without.data, "is a damaged PNG", "\(name) without \(type)")
      }
      var twice = file
      twice.chunks.insert(file.chunks[0], at: 1)
      expectError(twice.data, "is a damaged PNG (IHDR", "\(name): IHDR twice")
      var late = file
      late.chunks.insert(late.chunks.removeFirst(), at: late.chunks.count - 1)
      expectError(late.data, "is a damaged PNG", "\(name): IHDR late")
    }
  }

  /// Fewer or other pixels than the header says, with checksums that are right.
  @Test func wrongSizes() throws {
    for type in PNGFile.ColourType.allCases {
      for depth in type.depths {
        for interlaced in [false, true] {
          let palette = PNGFile.Chunk(type: "PLTE", bytes: [UInt8](repeating: 7, count: 3 << depth))
          var file = PNGFile(
            width: 11, height: 9, depth: depth, colourType: type, interlaced: interlaced,
            between: type == .palette ? [palette] : []
          ) { x, _, _ in x % 2 }
          #expect(try DecodedImage(file.data).width == 11)
          for (width, height) in [(11, 10), (110, 9), (1100, 900)] {
            file.chunks[0] = PNGFile.header(
              width: width, height: height, depth: depth, colourType: type, interlaced: interlaced)
            expectError(file.data, "is a damaged PNG (", "\(type) \(depth) \(width) x \(height)")
          }
        }
      }
    }
  }

  /// What the header may not say: depths, colour types, methods.
  @Test func wrongHeaders() throws {
    let file = PNGFile(width: 3, height: 2, depth: 8, colourType: .rgb) { _, _, _ in 1 }
    for (index, values) in [
      (8, [0, 1, 2, 3, 4, 5, 7, 9, 15, 17, 255]), (9, [1, 5, 7, 255]), (10, [1, 255]), (11, [1, 64, 255]),
      (12, [2, 255]),
    ] as [(Int, [UInt8])] {
      for value in values {
        var wrong = file
        wrong.chunks[0].bytes[index] = value
        expectError(wrong.data, "is a damaged PNG", "byte \(index) of the header: \(value)")
      }
    }
    for count in 0..<13 {
      var short = file
      short.chunks[0].bytes.removeLast(13 - count)
      expectError(short.data, "is a damaged PNG", "a header of \(count) bytes")
    }
  }

  /// Bytes of the compressed data changed, the checksum mended: pixels or an error.
  @Test func damagedData() throws {
    var random = Random(seed: 3)
    for name in Self.pngs {
      let file = PNGFile(try data(name))
      let index = file.chunks.firstIndex { $0.type == "IDAT" }!
      if file.chunks[index].bytes.isEmpty { continue }
      for _ in 0..<40 {
        var damaged = file
        let byte = Int.random(in: 0..<file.chunks[index].bytes.count, using: &random)
        damaged.chunks[index].bytes[byte] = UInt8.random(in: 0...255, using: &random)
        if let image = try? DecodedImage(damaged.data) { #expect(image.channels <= 4) }
      }
    }
  }

  // MARK: JPEG

  static let wholeJPEGs = Samples.names("JPEG", ".jpg")

  /// Cut within the scans and ended properly all the same: the missing blocks, scans and bits are noticed.
  @Test(arguments: wholeJPEGs)
  func cutButEnded(name: String) throws {
    let file = JPEGFile(try Samples.data("JPEG", name))
    for count in 0..<(file.scans.count - 2) {
      var cut = file
      cut.scans = Array(file.scans.prefix(count)) + [0xFF, 0xD9]
      expectError(cut.data, "JPEG", "\(count) of \(file.scans.count) bytes of the scans")
    }
  }

  /// A piece between two restart markers is missing.
  @Test func restartIsLost() throws {
    for name in Self.wholeJPEGs where name.contains("restart-4") || name.contains("restart-rows") {
      var file = JPEGFile(try Samples.data("JPEG", name))
      let markers = (0..<(file.scans.count - 1)).filter {
        file.scans[$0] == 0xFF && (0xD0...0xD7).contains(file.scans[$0 + 1])
      }
      try #require(markers.count > 3)
      file.scans.removeSubrange(markers[1]..<markers[2])
      expectError(file.data, "is a damaged or unsupported JPEG (", name)
    }
  }

  /// A component in a scan of its own: all three there, and one not.
  @Test func separateScans() throws {
    var file = JPEGFile(try Samples.data("Images", "grey.jpg"))
    let grey = try DecodedImage(file.data)
    // Grey becomes the first of three components, whose scan is then repeated for the others.
    file.segments[file.frame].bytes.replaceSubrange(5..., with: [3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    let scan = Array(file.scans.dropLast(2))
    try #require(scan[4] == 1 && scan[5] == 1)  // one component, number 1
    let scans = (1...3).map { component in scan[..<5] + [UInt8(component)] + scan[6...] }
    file.scans = scans.flatMap { $0 } + [0xFF, 0xD9]
    // JFIF: Y, Cb, Cr to R, G, B.
    let expected = DecodedImage(width: grey.width, height: grey.height, channels: 3) { x, y, channel in
      let (light, chroma) = (Double(grey[x, y, 0]), Double(grey[x, y, 0]) - 128)
      let values = [light + 1.402 * chroma, light - (0.344136 + 0.714136) * chroma, light + 1.772 * chroma]
      return Int(min(max(values[channel].rounded(), 0), 255))
    }
    let largest = try #require(try DecodedImage(file.data).difference(from: expected))
    #expect(largest <= 1)
    for missing in 0..<3 {
      file.scans = scans.indices.filter { $0 != missing }.flatMap { scans[$0] } + [0xFF, 0xD9]
      expectError(file.data, "is a JPEG whose last scans are missing", "without component \(missing + 1)")
    }
  }

  @Test func tooManyScans() throws {
    var file = JPEGFile(try Samples.data("Images", "grey-progressive.jpg"))
    let second = file.scans.indices.dropFirst().first { file.scans[$0] == 0xFF && file.scans[$0 + 1] == 0xC4 }!
    let first = Array(file.scans[..<second])
    file.scans = Array(repeating: first, count: 120).flatMap { $0 } + file.scans[second...]
    expectError(file.data, "is a JPEG of more than 100 scans")
  }
}
