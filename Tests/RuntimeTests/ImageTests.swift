import CCNNRT
import CNNModel
import CNNSupport
import Testing

/// Pixels to inputs, against plain formulas.
struct ImageTests {
  struct Pixels {
    var width, height, channels: Int
    var bytes: [UInt8]

    init(_ width: Int, _ height: Int, _ channels: Int, _ value: (Int, Int, Int) -> UInt8) {
      (self.width, self.height, self.channels) = (width, height, channels)
      bytes = []
      for y in 0..<height { for x in 0..<width { for c in 0..<channels { bytes.append(value(x, y, c)) } } }
    }

    static func random(_ width: Int, _ height: Int, _ channels: Int, _ random: inout Random) -> Pixels {
      var r = random
      defer { random = r }
      return Pixels(width, height, channels) { _, _, _ in UInt8(r.below(256)) }
    }
  }

  /// What the network sees, as pixel values: mean 0, deviation 1/255 and rounding undo the normalisation.
  static func seen(_ image: Pixels, _ recipe: Recipe, rowBytes: Int? = nil) throws -> [[Float]] {
    var graph = DataTests.identity([1, recipe.channels, recipe.height, recipe.width])
    graph.recipe = recipe
    let session = try OpenSession(OpenModel(graph)) { $0.batch = 2 }
    try image.bytes.withUnsafeBufferPointer { bytes in
      var i = sized(cnnrt_image(), \.size)
      i.pixels = bytes.baseAddress
      (i.width, i.height, i.channels) = (UInt32(image.width), UInt32(image.height), UInt32(image.channels))
      i.row_bytes = Int64(rowBytes ?? image.width * image.channels)
      if i.row_bytes < 0 { i.pixels += (image.height - 1) * image.width * image.channels }
      try check { cnnrt_session_set_image_at(session.handle, 1, &i, $0) }
    }
    try session.run()
    let floats = TensorData(type: .float32, bytes: try session.outputs(graph)[0]).floats!
    let plane = recipe.width * recipe.height
    #expect(floats.prefix(recipe.channels * plane).allSatisfy { $0 == 0 }, "the other image of the batch is untouched")
    return (0..<recipe.channels).map { c in
      Array(floats[(recipe.channels + c) * plane..<(recipe.channels + c + 1) * plane])
    }
  }

  static func recipe(_ width: Int, _ height: Int, _ order: Recipe.ChannelOrder, _ resize: Recipe.Resize = .stretch)
    -> Recipe
  {
    let count = order == .grey ? 1 : 3
    return Recipe(
      width: width, height: height, channelOrder: order, resize: resize, mean: [Float](repeating: 0, count: count),
      deviation: [Float](repeating: 1, count: count))
  }

  static func levels(_ floats: [Float]) -> [Int] { floats.map { Int(($0 * 255).rounded()) } }

  @Test func sameSizeIsCopied() throws {
    var random = Random(seed: 1)
    let rgb = Pixels.random(7, 5, 3, &random)
    for (order, map) in [(Recipe.ChannelOrder.rgb, [0, 1, 2]), (.bgr, [2, 1, 0])] {
      for resize in [Recipe.Resize.stretch, .crop(shorter: 7), .letterbox(fill: [0, 0, 0])]
      where resize != .crop(shorter: 7) {
        let seen = try Self.seen(rgb, Self.recipe(7, 5, order, resize))
        for c in 0..<3 {
          #expect(Self.levels(seen[c]) == (0..<35).map { Int(rgb.bytes[3 * $0 + map[c]]) })
          // The value itself is the formula's.
          #expect(seen[c] == (0..<35).map { Float(rgb.bytes[3 * $0 + map[c]]) / 255 })
        }
      }
    }
    // Bottom-up rows.
    let flipped = try Self.seen(rgb, Self.recipe(7, 5, .rgb), rowBytes: -21)
    #expect(Self.levels(flipped[1]) == (0..<35).map { Int(rgb.bytes[3 * ((4 - $0 / 7) * 7 + $0 % 7) + 1]) })
  }

  @Test func channels() throws {
    var random = Random(seed: 2)
    func luma(_ p: [UInt8]) -> Int { (299 * Int(p[0]) + 587 * Int(p[1]) + 114 * Int(p[2]) + 500) / 1000 }
    func over(_ c: UInt8, _ a: UInt8) -> UInt8 { UInt8((Double(c) * Double(a) / 255).rounded()) }
    for count in 1...4 {
      let image = Pixels.random(16, 16, count, &random)
      let grey = try Self.seen(image, Self.recipe(16, 16, .grey))[0]
      let rgb = try Self.seen(image, Self.recipe(16, 16, .rgb))
      for i in 0..<256 {
        var p = Array(image.bytes[count * i..<count * (i + 1)])
        if count % 2 == 0 {
          let a = p.removeLast()
          p = p.map { over($0, a) }
        }
        if p.count == 1 { p = [p[0], p[0], p[0]] }
        #expect(Self.levels(grey)[i] == (count < 3 ? Int(p[0]) : luma(p)))
        #expect((0..<3).map { Self.levels(rgb[$0])[i] } == p.map(Int.init))
      }
    }
  }

  /// The triangle filter in double precision, without rounding between the axes.
  static func resized(_ image: Pixels, _ c: Int, _ width: Int, _ height: Int, _ x: Int, _ y: Int) -> Double {
    func weights(_ i: Int, _ n: Int, _ m: Int) -> [Double] {
      let scale = Double(n) / Double(m)
      let support = max(1, scale), center = (Double(i) + 0.5) * scale
      let w = (0..<n).map { max(0, 1 - abs(Double($0) + 0.5 - center) / support) }
      let sum = w.reduce(0, +)
      return w.map { $0 / sum }
    }
    let (wx, wy) = (weights(x, image.width, width), weights(y, image.height, height))
    var sum = 0.0
    for j in 0..<image.height where wy[j] > 0 {
      for i in 0..<image.width where wx[i] > 0 {
        sum += wy[j] * wx[i] * Double(image.bytes[(j * image.width + i) * image.channels + c])
      }
    }
    return sum
  }

  @Test func stretchIsTheTriangleFilter() throws {
    var random = Random(seed: 3)
    for _ in 0..<60 {
      let image = Pixels.random(1 + random.below(40), 1 + random.below(40), 3, &random)
      let (w, h) = (1 + random.below(20), 1 + random.below(20))
      let seen = try Self.seen(image, Self.recipe(w, h, .rgb))
      for c in 0..<3 {
        for y in 0..<h {
          for x in 0..<w {
            let exact = Self.resized(image, c, w, h, x, y)
            #expect(
              abs(Double(seen[c][y * w + x]) * 255 - exact) <= 0.51, "\(image.width)×\(image.height) to \(w)×\(h)")
          }
        }
      }
    }
  }

  /// The weights of a mean sum to one: what is flat stays flat, at any ratio.
  @Test func flatStaysFlat() throws {
    for (w, h) in [(1, 1), (1, 3000), (3000, 1), (65535, 1), (1, 65535), (255, 257), (14, 14)] {
      for value in [0, 1, 127, 254, 255] {
        for resize in [Recipe.Resize.stretch, .crop(shorter: 31)] {
          let image = Pixels(w, h, 1) { _, _, _ in UInt8(value) }
          let seen = try Self.seen(image, Self.recipe(31, 28, .grey, resize))[0]
          #expect(Self.levels(seen).allSatisfy { $0 == value }, "\(w)×\(h), \(value)")
        }
      }
    }
  }

  @Test func cropTakesTheMiddle() throws {
    var random = Random(seed: 4)
    // The shorter side has its size already: pixels are copied from the middle.
    for (w, h) in [(40, 20), (20, 40), (41, 20), (20, 20), (20, 33)] {
      let image = Pixels.random(w, h, 1, &random)
      let seen = try Self.seen(image, Self.recipe(16, 12, .grey, .crop(shorter: 20)))[0]
      let (left, top) = ((w - 16) / 2, (h - 12) / 2)
      #expect(Self.levels(seen) == (0..<16 * 12).map { Int(image.bytes[(top + $0 / 16) * w + left + $0 % 16]) })
    }
  }

  @Test func letterboxFillsTheRest() throws {
    var random = Random(seed: 5)
    let wide = Pixels.random(20, 10, 3, &random)
    let seen = try Self.seen(wide, Self.recipe(20, 20, .bgr, .letterbox(fill: [10, 20, 30])))
    for c in 0..<3 {
      for y in 0..<20 {
        for x in 0..<20 {
          let expected = 5..<15 ~= y ? Int(wide.bytes[((y - 5) * 20 + x) * 3 + 2 - c]) : 10 * (c + 1)
          #expect(Self.levels(seen[c])[y * 20 + x] == expected)
        }
      }
    }
    let tall = Pixels(1, 1000, 1) { _, _, _ in 200 }
    let thin = try Self.seen(tall, Self.recipe(9, 9, .grey, .letterbox(fill: [7])))[0]
    #expect(Self.levels(thin) == (0..<81).map { $0 % 9 == 4 ? 200 : 7 })
  }

  @Test func normalisedAndQuantized() throws {
    let quantization = Quantization(scale: 0.02, zeroPoint: 120)
    var graph = DataTests.identity([1, 3, 16, 16], quantization: quantization)
    graph.recipe = Recipe(
      width: 16, height: 16, channelOrder: .rgb, resize: .stretch, mean: [0.485, 0.456, 0.406],
      deviation: [0.229, 0.224, 0.225])
    let session = try OpenSession(OpenModel(graph))
    let image = Pixels(16, 16, 3) { x, y, _ in UInt8(16 * y + x) }
    try image.bytes.withUnsafeBufferPointer { bytes in
      var i = sized(cnnrt_image(), \.size)
      i.pixels = bytes.baseAddress
      (i.width, i.height, i.channels, i.row_bytes) = (16, 16, 3, 48)
      try check { cnnrt_session_set_image(session.handle, &i, $0) }
    }
    try session.run()
    let seen = try session.outputs(graph)[0]
    for c in 0..<3 {
      for p in 0..<256 {
        let x = (Float(p) / 255 - graph.recipe!.mean[c]) / graph.recipe!.deviation[c]
        let q = min(max((x / 0.02).rounded(.toNearestOrEven), -120), 135) + 120
        #expect(seen[c * 256 + p] == max(UInt8(q), 120), "relu of it")
      }
    }
  }

  @Test func wrongImagesAreRefused() throws {
    var graph = DataTests.identity([1, 1, 4, 4])
    let without = try OpenSession(OpenModel(graph))
    graph.recipe = Self.recipe(4, 4, .grey)
    let session = try OpenSession(OpenModel(graph))
    let bytes = [UInt8](repeating: 1, count: 64)
    func status(_ session: OpenSession, _ change: (inout cnnrt_image) -> Void) -> cnnrt_status {
      bytes.withUnsafeBufferPointer { bytes in
        var i = sized(cnnrt_image(), \.size)
        i.pixels = bytes.baseAddress
        (i.width, i.height, i.channels, i.row_bytes) = (4, 4, 4, 16)
        change(&i)
        return cnnrt_session_set_image(session.handle, &i, nil)
      }
    }
    #expect(status(session) { _ in } == CNNRT_OK)
    #expect(status(without) { _ in } == CNNRT_ERROR_STATE)
    #expect(status(session) { $0.pixels = nil } == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(status(session) { $0.width = 0 } == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(status(session) { $0.height = 65536 } == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(status(session) { $0.channels = 5 } == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(status(session) { $0.row_bytes = 15 } == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_session_set_image_at(session.handle, 1, nil, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
  }
}
