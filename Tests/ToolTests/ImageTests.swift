import CImages
import Foundation
import Testing

/// Files written by encoders that are not ours (Tools/vectors/image_samples.py), whose pixels follow a formula.
struct ImageTests {
  static let folder = Tool.projectRoot.appending(path: "Tests/Samples/Images")

  struct Pixels {
    var width = 0, height = 0, channels = 0
    var bytes: [UInt8] = []

    subscript(x: Int, y: Int, channel: Int) -> Int { Int(bytes[(y * width + x) * channels + channel]) }
  }

  struct DecodeError: Error { var message: String }

  func decode(_ data: Data, maxPixels: UInt64 = 1_000_000) throws -> Pixels {
    var pixels = images_pixels()
    var error = images_error()
    let failed = data.withUnsafeBytes {
      images_decode($0.bindMemory(to: UInt8.self).baseAddress, $0.count, maxPixels, &pixels, &error)
    }
    if failed != 0 {
      #expect(pixels.bytes == nil)
      throw DecodeError(
        message: withUnsafeBytes(of: error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    defer { images_free(&pixels) }
    let (width, height, channels) = (Int(pixels.width), Int(pixels.height), Int(pixels.channels))
    let bytes = UnsafeBufferPointer(start: pixels.bytes, count: width * height * channels)
    return Pixels(width: width, height: height, channels: channels, bytes: Array(bytes))
  }

  func file(_ name: String) throws -> Data { try Data(contentsOf: Self.folder.appending(path: name)) }

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
    let pixels = try decode(try file(name + ".png"))
    try expectPNG(pixels, channels: channels) { x, y, channel in byte(sample(x, y, channel, bits: bits), bits: bits) }
  }

  @Test(arguments: [1, 2, 4, 8])
  func palette(bits: Int) throws {
    let opaque = try decode(try file("palette\(bits).png"))
    try expectPNG(opaque, channels: 3) { x, y, channel in sample(sample(x, y, 0, bits: bits), 3, channel, bits: 8) }
    let alpha = try decode(try file("palette\(bits)-alpha.png"))
    try expectPNG(alpha, channels: 4) { x, y, channel in
      let index = sample(x, y, 0, bits: bits)
      return channel == 3 ? 255 - index : sample(index, 3, channel, bits: 8)
    }
  }

  /// One colour is declared transparent: an alpha channel appears, 0 there and 255 elsewhere.
  @Test(arguments: [("grey8-transparent", 1), ("rgb8-transparent", 3)])
  func transparentColour(name: String, colours: Int) throws {
    let pixels = try decode(try file(name + ".png"))
    try expectPNG(pixels, channels: colours + 1) { x, y, channel in
      if channel < colours { return sample(x, y, channel, bits: 8) }
      return (0..<colours).allSatisfy { sample(x, y, $0, bits: 8) == sample(5, 3, $0, bits: 8) } ? 0 : 255
    }
    #expect(pixels[5, 3, colours] == 0)
  }

  func expectPNG(_ pixels: Pixels, channels: Int, _ expected: (Int, Int, Int) -> Int) throws {
    try #require(pixels.width == 13 && pixels.height == 7 && pixels.channels == channels)
    for y in 0..<7 {
      for x in 0..<13 {
        for channel in 0..<channels {
          #expect(pixels[x, y, channel] == expected(x, y, channel), "x \(x) y \(y) channel \(channel)")
        }
      }
    }
  }

  // MARK: JPEG

  @Test(arguments: [
    ("grey", 1), ("grey-progressive", 1), ("rgb", 3), ("rgb-420", 3), ("rgb-progressive", 3), ("cmyk", 3),
    ("orientation1", 3), ("orientation2", 3), ("orientation3", 3), ("orientation4", 3), ("orientation5", 3),
    ("orientation6", 3), ("orientation7", 3), ("orientation8", 3),
  ])
  func jpeg(name: String, channels: Int) throws {
    let pixels = try decode(try file(name + ".jpg"))
    try #require(pixels.width == 40 && pixels.height == 24 && pixels.channels == channels)
    var largest = 0
    for y in 0..<24 {
      for x in 0..<40 {
        let expected = [5 * x + 20, 9 * y + 10, 230 - 3 * x - 2 * y]
        for channel in 0..<channels { largest = max(largest, abs(pixels[x, y, channel] - expected[channel])) }
      }
    }
    // What quality 98 loses; with half the colour resolution, more. A wrong turn or colour order is off by 50 and more.
    #expect(largest <= (name.hasSuffix("420") ? 12 : 6), "largest difference \(largest)")
  }

  // MARK: What is not an image

  static let allFiles = try! FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()

  /// Every file, cut at every length, is an error with a sentence, and never half an image.
  @Test(arguments: allFiles)
  func truncated(name: String) throws {
    let data = try file(name)
    for count in 0..<data.count {
      let error = #expect(throws: DecodeError.self, "\(count) of \(data.count) bytes") {
        try decode(data.prefix(count))
      }
      #expect((error?.message.count ?? 0) > 5)
    }
  }

  /// Any one byte changed: pixels or an error, nothing else.
  @Test(arguments: allFiles)
  func damaged(name: String) throws {
    var data = try file(name)
    for index in data.indices {
      for change in [0x01, 0x80, 0xFF] as [UInt8] {
        data[index] ^= change
        if let pixels = try? decode(data, maxPixels: 10_000) {
          #expect(pixels.width * pixels.height <= 10_000)
        }
        data[index] ^= change
      }
    }
  }

  @Test func limitIsCheckedBeforeAllocating() throws {
    #expect(try decode(try file("rgb8.png"), maxPixels: 13 * 7).width == 13)
    #expect(throws: DecodeError.self) { try decode(try file("rgb8.png"), maxPixels: 13 * 7 - 1) }
    #expect(throws: DecodeError.self) { try decode(try file("rgb.jpg"), maxPixels: 40 * 24 - 1) }
  }

  @Test func otherFilesAreNamed() throws {
    let gif = #expect(throws: DecodeError.self) { try decode(Data("GIF89a and more".utf8)) }
    #expect(gif?.message == "is neither a PNG nor a JPEG")
    let empty = #expect(throws: DecodeError.self) { try decode(Data()) }
    #expect(empty?.message == "is empty")
  }
}
