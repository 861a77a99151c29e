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
    for index in data.pixels.indices {
      var pixels = data.pixels
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
      let normalization = Normalization(of: data, images: images)
      for channel in 0..<channels {
        let values = images.flatMap { image in
          data.withImage(image) { pixels in (0..<20).map { Double(pixels[channel * 20 + $0]) / 255 } }
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
      let normalization = Normalization(of: data, images: [0, 1])
      #expect(normalization.deviation == [1])
      #expect(abs(normalization.table(channel: 0)[Int(value)]) < 1e-7)
    }
  }

  @Test func batchesHoldTheNormalisedImages() throws {
    let data = try randomDataset(count: 7, channels: 3, height: 3, width: 5, seed: 3)
    let normalization = Normalization(mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.25, 2])
    var batch = Batch(normalization)
    for images in [[3, 0, 6, 3], [1], [], [5, 4, 2]] {
      batch.fill(from: data, images: images)
      #expect(batch.count == images.count)
      #expect(batch.labels == images.map { data.labels[$0] })
      var expected: [Float] = []
      for image in images {
        for index in 0..<45 {
          let value = Float(data.pixels[image * 45 + index]) / 255
          expected.append((value - normalization.mean[index / 15]) / normalization.deviation[index / 15])
        }
      }
      #expect(batch.images == expected)
    }
  }
}
