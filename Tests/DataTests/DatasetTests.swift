import CNNData
import CNNSupport
import Testing

@Suite struct DatasetTests {
  @Test func fingerprintSeesEveryByte() throws {
    let data = try randomDataset(count: 3, channels: 2, height: 2, width: 3, seed: 1)
    func changed(_ labels: [Int32], _ pixels: [UInt8], height: Int = 2, width: Int = 3) throws -> UInt32 {
      try Dataset(
        channels: 2, height: height, width: width, classNames: data.classNames, labels: labels, pixels: pixels,
        origin: ""
      ).fingerprint
    }
    #expect(try changed(data.labels, data.pixels) == data.fingerprint)
    #expect(try changed(data.labels, data.pixels, height: 3, width: 2) != data.fingerprint)
    for index in 0..<data.count * data.imageValues {
      var pixels = try data.pixels
      pixels[index] ^= 1
      #expect(try changed(data.labels, pixels) != data.fingerprint)
    }
    for index in data.labels.indices {
      var labels = data.labels
      labels[index] = (labels[index] + 1) % 3
      #expect(try changed(labels, data.pixels) != data.fingerprint)
    }
  }

  /// Against sums over the pixels themselves.
  @Test func normalizationIsThatOfTheNamedImages() throws {
    for channels in [1, 3] {
      let data = try randomDataset(count: 9, channels: channels, height: 5, width: 4, seed: 2)
      let images = [0, 3, 4, 8]
      let normalization = try Normalization(of: data, images: images)
      for channel in 0..<channels {
        let values = try images.flatMap { image in
          try data.withImage(image) { pixels in (0..<20).map { Double(pixels[channel * 20 + $0]) / 255 } }
        }
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        #expect(abs(Double(normalization.mean[channel]) - mean) < 1e-6)
        #expect(abs(Double(normalization.deviation[channel]) - variance.squareRoot()) < 1e-6)
      }
    }
  }

  @Test func aChannelOfOneValueBecomesZero() throws {
    for value in [UInt8(0), 77, 255] {
      let data = try Dataset(
        channels: 1, height: 3, width: 3, classNames: ["a"], labels: [0, 0], pixels: .init(repeating: value, count: 18),
        origin: "")
      let normalization = try Normalization(of: data, images: [0, 1])
      #expect(normalization.deviation == [1])
      #expect(abs(normalization.table(channel: 0)[Int(value)]) < 1e-7)
    }
  }

  @Test func batchesHoldTheNormalisedImages() throws {
    let data = try randomDataset(count: 7, channels: 3, height: 3, width: 5, seed: 3)
    let pixels = try data.pixels
    let normalization = Normalization(mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.25, 2])
    var batch = Batch(normalization)
    for images in [[3, 0, 6, 3], [1], [], [5, 4, 2]] {
      try batch.fill(from: data, images: images)
      #expect(batch.count == images.count)
      #expect(batch.labels == images.map { data.labels[$0] })
      var expected: [Float] = []
      for image in images {
        for index in 0..<45 {
          let value = Float(pixels[image * 45 + index]) / 255
          expected.append((value - normalization.mean[index / 15]) / normalization.deviation[index / 15])
        }
      }
      #expect(batch.images == expected)
    }
  }

  /// Against the formula, and against the rule that follows from it.
  @Test func balancedWeightsMakeClassesEqual() throws {
    let labels: [Int32] = [0, 1, 1, 2, 2, 2, 2, 0, 1]
    let data = try Dataset(
      channels: 1, height: 1, width: 1, classNames: ["a", "b", "c"], labels: labels,
      pixels: .init(repeating: 0, count: 9),
      origin: "")
    #expect(try data.balancedClassWeights(of: Array(0..<9)) == [9 / 6, 9 / 9, 9 / 12])
    let some = [1, 3, 4, 7]
    let weights = try data.balancedClassWeights(of: some)
    for label in 0..<3 {
      #expect(abs(weights[label] * Float(some.count { labels[$0] == label }) - 4.0 / 3) < 1e-6)
    }
    let error = try #require(throws: CNNError.self) { try data.balancedClassWeights(of: [0, 7]) }
    #expect(error.description.contains("no image to learn from in b, c"))
  }

  @Test func realNumbersAreUsedAsTheyAre() throws {
    var random = Random(seed: 5)
    let values = (0..<5 * 2 * 3 * 4).map { _ in random.uniform(-40, 700) }
    let labels: [Int32] = [0, 1, 0, 1, 1]
    func dataset(_ values: [Float]) throws -> Dataset {
      try Dataset(
        channels: 2, height: 3, width: 4, classNames: ["a", "b"], labels: labels, values: values, origin: "floats")
    }
    let data = try dataset(values)
    let normalization = try Normalization(of: data, images: [1, 2, 4])
    var batch = Batch(normalization)
    try batch.fill(from: data, images: [4, 0])
    func pixels(_ image: Int, _ channel: Int) -> ArraySlice<Float> {
      values[(image * 2 + channel) * 12..<(image * 2 + channel + 1) * 12]
    }
    var expected: [Float] = []
    for (image, channel) in [(4, 0), (4, 1), (0, 0), (0, 1)] {
      let (mean, deviation) = (normalization.mean[channel], normalization.deviation[channel])
      expected += pixels(image, channel).map { ($0 - mean) / deviation }
    }
    #expect(batch.images == expected)
    for channel in 0..<2 {
      let own = [1, 2, 4].flatMap { pixels($0, channel) }.map(Double.init)
      let mean = own.reduce(0, +) / 36
      let squares: Double = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      #expect(abs(Double(normalization.mean[channel]) - mean) < 1e-4)
      #expect(abs(Double(normalization.deviation[channel]) - (squares / 36).squareRoot()) < 1e-4)
    }
    var broken = values
    broken[55] = .nan
    let error = try #require(throws: CNNError.self) { try dataset(broken) }
    #expect(error.description == "floats: image 2 has a value that is not a finite number")
    #expect(try dataset(values.map { $0 + 1 }).fingerprint != data.fingerprint)
  }

  /// The exporter takes bytes.
  @Test func bytesStandForRealNumbersFromZeroToOne() throws {
    let values = (0..<256).map { Float($0) / 255 }
    func dataset(_ values: [Float]) throws -> Dataset {
      try Dataset(channels: 1, height: 16, width: 16, classNames: ["a"], labels: [0], values: values, origin: "")
    }
    #expect(try dataset(values).withImage(0) { Array($0) } == (0..<256).map(UInt8.init))
    var outside = values
    outside[9] = 1.01
    let error = try #require(throws: CNNError.self) { try dataset(outside).withImage(0) { _ in } }
    #expect(error.description == "image 0: has the value 1.01; pictures have values from 0 to 1")
  }
}
