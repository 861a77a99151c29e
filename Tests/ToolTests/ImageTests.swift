import CNNSupport
import Foundation
import Testing

/// Whole PNG and JPEG files, written by encoders that are not ours or by ImageFiles.swift, against decoders and formulas that
/// are not CImages'.
struct ImageTests {
  // MARK: PNG

  /// The formula of image_samples.py.
  func sample(_ x: Int, _ y: Int, _ channel: Int, bits: Int) -> Int {
    ((x * 4001 + y * 7919 + channel * 12007) % 65536) >> (16 - bits)
  }

  /// A sample of `bits` bits as 8: the nearest to value · 255 / (2^bits − 1).
  func byte(_ value: Int, bits: Int) -> Int {
    let largest = (1 << bits) - 1
    return (value * 255 * 2 + largest) / (2 * largest)
  }

  @Test(arguments: [
    ("grey1", 1, 1), ("grey2", 1, 2), ("grey4", 1, 4), ("grey8", 1, 8), ("grey16", 1, 16), ("grey1-interlaced", 1, 1),
    ("greyalpha8", 2, 8), ("greyalpha16", 2, 16), ("greyalpha8-interlaced", 2, 8), ("greyalpha16-interlaced", 2, 16),
    ("rgb8", 3, 8), ("rgb16", 3, 16), ("rgb8-interlaced", 3, 8), ("rgb16-interlaced", 3, 16),
    ("rgba8", 4, 8), ("rgba16", 4, 16), ("rgba8-interlaced", 4, 8), ("rgba16-interlaced", 4, 16),
  ])
  func png(name: String, channels: Int, bits: Int) throws {
    try expectPNG(name, channels: channels) { x, y, channel in byte(sample(x, y, channel, bits: bits), bits: bits) }
  }

  @Test(arguments: [1, 2, 4, 8])
  func palette(bits: Int) throws {
    try expectPNG("palette\(bits)", channels: 3) { x, y, channel in
      sample(sample(x, y, 0, bits: bits), 3, channel, bits: 8)
    }
    try expectPNG("palette\(bits)-alpha", channels: 4) { x, y, channel in
      let index = sample(x, y, 0, bits: bits)
      return channel == 3 ? 255 - index : sample(index, 3, channel, bits: 8)
    }
  }

  /// One colour is declared transparent: an alpha channel appears, 0 there and 255 elsewhere.
  @Test(arguments: [("grey8-transparent", 1), ("rgb8-transparent", 3)])
  func transparentColour(name: String, colours: Int) throws {
    try expectPNG(name, channels: colours + 1) { x, y, channel in
      if channel < colours { return sample(x, y, channel, bits: 8) }
      return (0..<colours).allSatisfy { sample(x, y, $0, bits: 8) == sample(5, 3, $0, bits: 8) } ? 0 : 255
    }
  }

  func expectPNG(_ name: String, channels: Int, _ expected: (Int, Int, Int) -> Int) throws {
    let image = try DecodedImage(try Samples.data("Images", name + ".png"))
    #expect(image == DecodedImage(width: 13, height: 7, channels: channels, expected))
  }

  /// All of PngSuite, against pypng and Pillow (Tools/vectors/png_suite.py).
  @Test func pngSuite() throws {
    let lines = String(decoding: try Samples.data("PngSuite", "expected.txt"), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == Samples.names("PngSuite", ".png").count && lines.count == 175)
    for line in lines {
      let fields = line.split(separator: " ").map(String.init)
      let data = try Samples.data("PngSuite", fields[0] + ".png")
      if fields[1] == "damaged" {
        #expect(throws: DecodedImage.Failure.self, "\(fields[0])") { try DecodedImage(data) }
      } else {
        let image = try DecodedImage(data)
        let found = [image.width, image.height, image.channels].map(String.init)
        #expect(found == Array(fields[1..<4]), "\(fields[0])")
        #expect(crc32(image.bytes) == UInt32(fields[4], radix: 16), "\(fields[0])")
      }
    }
  }

  /// Every colour type and depth, interlaced or not, with and without transparency, of random sizes and samples.
  @Test(arguments: PNGFile.ColourType.allCases)
  func randomPNG(type: PNGFile.ColourType) throws {
    var random = Random(seed: UInt64(type.rawValue))
    for depth in type.depths {
      for trial in 0..<24 {
        let (width, height) = (Int.random(in: 1...21, using: &random), Int.random(in: 1...21, using: &random))
        // Few values, so that the transparent one is there.
        let largest = (1 << depth) - 1
        let values = (0..<3).map { _ in Int.random(in: 0...largest, using: &random) }
        let samples = DecodedImage(width: width, height: height, channels: type.samples) { _, _, _ in
          Int.random(in: 0..<3, using: &random)
        }
        let value = { (x: Int, y: Int, c: Int) in values[samples[x, y, c]] }
        let colours = (0..<(type == .palette ? 1 << depth : 0)).map { _ in
          (0..<4).map { _ in Int.random(in: 0...255, using: &random) }
        }
        let transparent = trial % 2 == 1 && type != .greyAlpha && type != .rgba
        var between: [PNGFile.Chunk] = []
        if type == .palette {
          let palette = colours.flatMap { $0.prefix(3).map { UInt8($0) } }
          between.append(PNGFile.Chunk(type: "PLTE", bytes: palette))
          if transparent { between.append(PNGFile.Chunk(type: "tRNS", bytes: colours.map { UInt8($0[3]) })) }
        } else if transparent {
          let key = (0..<type.samples).flatMap { _ in [UInt8(values[0] >> 8), UInt8(values[0] & 255)] }
          between.append(PNGFile.Chunk(type: "tRNS", bytes: key))
        }
        let file = PNGFile(
          width: width, height: height, depth: depth, colourType: type, interlaced: trial % 4 > 1, between: between,
          sample: value)
        let channels = (type == .palette ? 3 : type.samples) + (transparent ? 1 : 0)
        let expected = DecodedImage(width: width, height: height, channels: channels) { x, y, c in
          if type == .palette { return colours[value(x, y, 0)][c] }
          if c < type.samples { return byte(value(x, y, c), bits: depth) }
          return (0..<type.samples).allSatisfy { value(x, y, $0) == values[0] } ? 0 : 255
        }
        #expect(try DecodedImage(file.data) == expected, "depth \(depth), trial \(trial)")
      }
    }
  }

  /// The rule of CImages.h, at every value there is.
  @Test func sixteenBitsAreRounded() throws {
    let file = PNGFile(width: 256, height: 256, depth: 16, colourType: .grey) { x, y, _ in y * 256 + x }
    let expected = DecodedImage(width: 256, height: 256, channels: 1) { x, y, _ in ((y * 256 + x) * 255 + 32767) / 65535
    }
    #expect(try DecodedImage(file.data) == expected)
  }

  /// Gamma, background, a profile, text, time: pixels are as they are without.
  @Test func otherChunksAreIgnored() throws {
    var file = PNGFile(try Samples.data("Images", "rgba8.png"))
    let plain = try DecodedImage(file.data)
    let others: [PNGFile.Chunk] = [
      .init(type: "gAMA", bytes: bigEndian(200000)), .init(type: "sRGB", bytes: [0]),
      .init(type: "sBIT", bytes: [3, 3, 3, 3]),
      .init(type: "iCCP", bytes: Array("name\0\0nonsense".utf8)), .init(type: "bKGD", bytes: [0, 9, 0, 9, 0, 9]),
      .init(type: "tEXt", bytes: Array("Title\0nonsense".utf8)),
      .init(type: "acTL", bytes: bigEndian(2) + bigEndian(0)),
      .init(type: "prVt", bytes: [1, 2, 3]),
    ]
    file.chunks.insert(contentsOf: others, at: 1)
    #expect(try DecodedImage(file.data) == plain)
    #expect(try DecodedImage(file.data + Data("bytes behind the end".utf8)) == plain)
  }

  /// An index beyond the palette is black.
  @Test func paletteIsTooShort() throws {
    let palette = PNGFile.Chunk(type: "PLTE", bytes: [10, 20, 30, 40, 50, 60])
    let file = PNGFile(width: 4, height: 1, depth: 2, colourType: .palette, between: [palette]) { x, _, _ in x }
    #expect(try DecodedImage(file.data).bytes == [10, 20, 30, 40, 50, 60, 0, 0, 0, 0, 0, 0])
  }

  // MARK: JPEG

  @Test(arguments: [
    ("grey", 1), ("grey-progressive", 1), ("rgb", 3), ("rgb-420", 3), ("rgb-progressive", 3), ("cmyk", 3),
    ("orientation1", 3), ("orientation2", 3), ("orientation3", 3), ("orientation4", 3), ("orientation5", 3),
    ("orientation6", 3), ("orientation7", 3), ("orientation8", 3),
  ])
  func jpeg(name: String, channels: Int) throws {
    let image = try DecodedImage(try Samples.data("Images", name + ".jpg"))
    let expected = DecodedImage(width: 40, height: 24, channels: channels) { x, y, channel in
      [5 * x + 20, 9 * y + 10, 230 - 3 * x - 2 * y][channel]
    }
    // What quality 98 loses; with half the colour resolution, more. A wrong turn or colour order is off by 50 and more.
    let largest = try #require(image.difference(from: expected))
    #expect(largest <= (name.hasSuffix("420") ? 12 : 6), "largest difference \(largest)")
  }

  static let jpegs = Samples.names("JPEG", ".jpg")

  /// Pillow's pixels (Tools/vectors/jpeg_samples.py). Versions of libjpeg may round otherwise.
  @Test(arguments: jpegs)
  func jpegAsPillow(name: String) throws {
    let image = try DecodedImage(try Samples.data("JPEG", name))
    let expected = try DecodedImage(try Samples.data("JPEG", name.replacing(".jpg", with: ".png")))
    let largest = try #require(image.difference(from: expected), "other sizes")
    #expect(largest <= 2)
  }

  // MARK: EXIF

  /// Whatever is in the file, its orientation turns exactly the pixels that it has without.
  @Test(arguments: jpegs.filter { !$0.hasPrefix("turned") })
  func orientationTurnsPixels(name: String) throws {
    let file = JPEGFile(try Samples.data("JPEG", name))
    let plain = try DecodedImage(file.data)
    for orientation in 1...8 {
      let expected = plain.turned(orientation)
      for (bigEndian, entriesBefore, directory) in [(false, 0, 8), (true, 0, 8), (false, 5, 8), (true, 3, 21)] {
        let exif = Exif(
          orientation: orientation, bigEndian: bigEndian, entriesBefore: entriesBefore, directory: directory)
        #expect(try DecodedImage(file.with(JPEGFile.exifMarker, exif.bytes).data) == expected, "\(exif)")
      }
    }
  }

  /// An EXIF that makes no sense: the pixels as they are stored.
  @Test func malformedExifIsIgnored() throws {
    let file = JPEGFile(try Samples.data("JPEG", "odd-420.jpg"))
    let plain = try DecodedImage(file.data)
    func expectPlain(_ exif: [UInt8], _ what: String) {
      let image = try? DecodedImage(file.with(JPEGFile.exifMarker, exif).data)
      #expect(image == plain, "\(what)")
    }
    for isBig in [false, true] {
      let exif = Exif(orientation: 6, bigEndian: isBig)
      for orientation in [0, 9, 255, 256, 1536, 65535] {
        expectPlain(Exif(orientation: orientation, bigEndian: isBig).bytes, "orientation \(orientation)")
      }
      expectPlain(Exif(orientation: 6, bigEndian: isBig, type: 4).bytes, "a LONG")
      expectPlain(Exif(orientation: 6, bigEndian: isBig, count: 2).bytes, "two values")
      expectPlain(Exif(orientation: 6, bigEndian: isBig, count: 0).bytes, "no value")
      for count in 0..<(exif.bytes.count - 4) { expectPlain(Array(exif.bytes.prefix(count)), "\(count) bytes") }
      for index in 0..<8 {
        var bytes = exif.bytes
        bytes[index] ^= 0x40  // "Exif\0\0", "II*\0": the tags of nothing
        expectPlain(bytes, "byte \(index)")
      }
      for offset in [0, 6, 25, 26, 0x7FFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFF] as [UInt32] {
        var bytes = exif.bytes
        bytes.replaceSubrange(10..<14, with: isBig ? bigEndian(offset) : bigEndian(offset).reversed())
        expectPlain(bytes, "directory at \(offset)")
      }
    }
    // More entries than there are: those that are there count.
    let short = Exif(orientation: 6, entriesMissing: 60000)
    #expect(try DecodedImage(file.with(JPEGFile.exifMarker, short.bytes).data) == plain.turned(6))
  }

  /// XMP is in a segment of the same number. Of two EXIFs the first counts.
  @Test func otherSegmentsDoNotHideExif() throws {
    let file = JPEGFile(try Samples.data("JPEG", "odd-444.jpg"))
    let plain = try DecodedImage(file.data)
    let xmp = Array("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>".utf8)
    let (six, three) = (Exif(orientation: 6).bytes, Exif(orientation: 3).bytes)
    let marker = JPEGFile.exifMarker
    #expect(try DecodedImage(file.with(marker, xmp).with(marker, six).data) == plain.turned(6))
    #expect(try DecodedImage(file.with(marker, six).with(marker, xmp).data) == plain.turned(6))
    #expect(try DecodedImage(file.with(marker, three).with(marker, six).data) == plain.turned(6))
    #expect(try DecodedImage(file.with(marker, []).with(0xE2, six).data) == plain)
  }

  /// Random bytes in the EXIF: one of the eight turns.
  @Test func randomExif() throws {
    let file = JPEGFile(try Samples.data("JPEG", "odd-444.jpg"))
    let plain = try DecodedImage(file.data)
    let turns = (1...8).map(plain.turned)
    var random = Random(seed: 7)
    for trial in 0..<3000 {
      var bytes = Exif(orientation: 1 + trial % 8, bigEndian: trial % 2 == 0, entriesBefore: trial % 5).bytes
      for _ in 0...(trial % 6) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      bytes = Array(bytes.prefix(Int.random(in: bytes.count / 2...bytes.count, using: &random)))
      #expect(turns.contains(try DecodedImage(file.with(JPEGFile.exifMarker, bytes).data)), "\(bytes)")
    }
  }
}
