import CNNData
import CNNSupport
import Testing

@Suite struct AugmentationTests {
  private let data: Dataset
  /// No pixel becomes exactly 0 with it.
  private let normalization = Normalization(mean: [0.1234, 0.4321], deviation: [0.3, 0.2])
  private let channels = 2
  private let height = 9
  private let width = 11

  init() throws { data = try randomDataset(count: 5, channels: 2, height: 9, width: 11, seed: 1) }

  /// The images of an epoch in which each comes again and again.
  private func images(_ augmentation: String, count: Int, batch: Int = 64, seed: UInt64 = 1, epoch: Int = 3) throws
    -> [[Float]]
  {
    let loader = try BatchLoader(
      data, normalization, augmentation: Augmentation(augmentation), batch: batch, order: (0..<count).map { $0 % 5 },
      seed: seed, epoch: epoch)
    var images: [[Float]] = []
    while let batch = try loader.next() {
      for index in 0..<batch.count {
        images.append(Array(batch.images[index * data.imageValues..<(index + 1) * data.imageValues]))
      }
    }
    return images
  }

  /// Image `number` normalised; each pixel comes from where `source` says, nil being black.
  private func image(_ number: Int, _ source: (_ y: Int, _ x: Int) -> (y: Int, x: Int)?) throws -> [Float] {
    try data.withImage(number) { pixels in
      (0..<channels).flatMap { channel in
        (0..<height * width).map { index in
          let pixel = source(index / width, index % width).map { pixels[(channel * height + $0.y) * width + $0.x] } ?? 0
          return (Float(pixel) / 255 - normalization.mean[channel]) / normalization.deviation[channel]
        }
      }
    }
  }

  /// How often each of `count` equally likely things should come in `draws`: within five standard deviations.
  private func isEven(_ counts: [Int], of count: Int, draws: Int) -> Bool {
    let share = 1 / Double(count)
    let deviation = (Double(draws) * share * (1 - share)).squareRoot()
    return counts.count == count && counts.allSatisfy { abs(Double($0) - Double(draws) * share) < 5 * deviation }
  }

  @Test func flipMirrorsOneInTwo() throws {
    let plain = try (0..<5).map { number in try image(number) { ($0, $1) } }
    let mirrored = try (0..<5).map { number in try image(number) { ($0, width - 1 - $1) } }
    var flips = 0
    for (position, image) in try images("flip", count: 2000).enumerated() {
      if image == mirrored[position % 5] { flips += 1 } else { #expect(image == plain[position % 5]) }
    }
    #expect(isEven([flips, 2000 - flips], of: 2, draws: 2000))
  }

  @Test(arguments: [("shift:2", true), ("crop:2", false)])
  func imagesMoveByUpToSoManyPixels(text: String, repeatsBorder: Bool) throws {
    var moved: [[Float]: (number: Int, move: Int)] = [:]
    for number in 0..<5 {
      for move in 0..<25 {
        let image = try image(number) { y, x in
          let (fromY, fromX) = (y + move / 5 - 2, x + move % 5 - 2)
          if repeatsBorder { return (min(max(fromY, 0), height - 1), min(max(fromX, 0), width - 1)) }
          return 0..<height ~= fromY && 0..<width ~= fromX ? (fromY, fromX) : nil
        }
        moved[image] = (number, move)
      }
    }
    #expect(moved.count == 125)
    var counts = [Int](repeating: 0, count: 25)
    for (position, image) in try images(text, count: 5000).enumerated() {
      let found = try #require(moved[image])
      #expect(found.number == position % 5)
      counts[found.move] += 1
    }
    #expect(isEven(counts, of: 25, draws: 5000))
  }

  /// Each pixel of the image is the square's centre equally often; what lies outside is cut off.
  @Test(arguments: [1, 4, 5, 8]) func cutoutCutsASquare(size: Int) throws {
    let plain = try (0..<5).map { number in try image(number) { ($0, $1) } }
    var holes: [Set<Int>: Int] = [:]
    for y in 0..<height {
      for x in 0..<width {
        let rows = y - size / 2..<y - size / 2 + size
        let columns = x - size / 2..<x - size / 2 + size
        holes[Set((0..<height * width).filter { rows.contains($0 / width) && columns.contains($0 % width) })] =
          y * width + x
      }
    }
    #expect(holes.count == height * width)
    var counts = [Int](repeating: 0, count: height * width)
    for (position, image) in try images("cutout:\(size)", count: 5000).enumerated() {
      let cut = image.indices.filter { image[$0] == 0 }
      let hole = Set(cut.filter { $0 < height * width })
      #expect(Set(cut) == hole.union(hole.map { $0 + height * width }))
      counts[try #require(holes[hole])] += 1
      #expect(image.indices.allSatisfy { image[$0] == 0 || image[$0] == plain[position % 5][$0] })
    }
    #expect(isEven(counts, of: height * width, draws: 5000))
  }

  /// Each alone changes nothing that the others draw.
  @Test func changesAreMadeInOrder() throws {
    let all = try images("cutout:3,crop:1,shift:1,flip", count: 8)
    let flips = try zip(0..., images("flip", count: 8)).map { position, flipped in
      try flipped != image(position % 5) { ($0, $1) }
    }
    for (position, result) in all.enumerated() {
      let hole = Set(result.indices.filter { result[$0] == 0 })
      let candidates = try (0..<81).map { move in
        try image(position % 5) { y, x in
          let (cropY, cropX) = (y + move / 27 - 1, x + move / 9 % 3 - 1)
          guard 0..<height ~= cropY, 0..<width ~= cropX else { return nil }
          let shifted = (
            min(max(cropY + move / 3 % 3 - 1, 0), height - 1), min(max(cropX + move % 3 - 1, 0), width - 1)
          )
          return flips[position] ? (shifted.0, width - 1 - shifted.1) : shifted
        }
      }
      #expect(
        candidates.contains { candidate in
          result.indices.allSatisfy { hole.contains($0) || candidate[$0] == result[$0] }
        })
    }
  }

  // MARK: Mixup

  /// Classes 0, 1 and 2 are pixels of 0, 100 and 255: an image tells what it is made of.
  private func mixed(_ alpha: String, count: Int, batch: Int) throws -> [Batch] {
    let grey = try Dataset(
      channels: 1, height: 1, width: 2, classNames: ["black", "grey", "white"], labels: [0, 1, 2],
      pixels: [0, 0, 100, 100, 255, 255], origin: "")
    let loader = try BatchLoader(
      grey, Normalization(mean: [0], deviation: [1]), augmentation: Augmentation("mixup:\(alpha)"), batch: batch,
      order: (0..<count).map { $0 % 3 }, seed: 9)
    var batches: [Batch] = []
    while let batch = try loader.next() { batches.append(batch) }
    return batches
  }

  @Test func mixupMixesImagesAndTargetsAlike() throws {
    for batch in try mixed("0.4", count: 500, batch: 30) {
      #expect(batch.targets.count == batch.count * 3)
      var shares: Set<Float> = []
      for index in 0..<batch.count {
        let target = Array(batch.targets[index * 3..<index * 3 + 3])
        #expect(abs(target.reduce(0, +) - 1) < 1e-6)
        #expect(target.count { $0 > 0 } <= 2)
        for pixel in batch.images[index * 2..<index * 2 + 2] {
          #expect(abs(pixel - (target[1] * 100 / 255 + target[2])) < 1e-6)
        }
        #expect(target[Int(batch.labels[index])] >= 0.5)
        if target.max()! < 1 { shares.insert(target[index % 3]) }
      }
      #expect(shares.count <= 1, "one share for the batch")
    }
  }

  /// Mean and variance of Beta(α, α): 1/2 and 1 / (4 (2 α + 1)); and its median on each side of 1/4 for α = 1, uniform.
  @Test(arguments: [0.05, 0.2, 1, 5]) func sharesAreFromBeta(alpha: Double) throws {
    // Two images in a batch: partners differ one time in two, and then the share is seen.
    let grey = try Dataset(
      channels: 1, height: 1, width: 1, classNames: ["a", "b"], labels: [0, 1], pixels: [0, 1], origin: "")
    let loader = try BatchLoader(
      grey, Normalization(mean: [0], deviation: [1]), augmentation: Augmentation("mixup:\(alpha)"), batch: 2,
      order: (0..<20_000).map { $0 % 2 }, seed: 5)
    var shares: [Double] = []
    while let batch = try loader.next() {
      // Both are 1 where an image is its own partner, or nearly so.
      if batch.targets[0] != 1 || batch.targets[3] != 1 { shares.append(Double(batch.targets[0])) }
    }
    if alpha >= 0.2 { #expect(abs(shares.count - 5000) < 300) }
    guard alpha >= 1 else {
      // Small α: nearly all or nothing. (Shares of 1 to the last bit are not seen.)
      #expect(shares.count { $0 < 0.1 || $0 > 0.9 } > shares.count / 2)
      return
    }
    let count = Double(shares.count)
    let mean = shares.reduce(0, +) / count
    let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    let expected = 1 / (4 * (2 * alpha + 1))
    #expect(abs(mean - 0.5) < 5 * (expected / count).squareRoot())
    #expect(abs(variance / expected - 1) < 0.1)
    if alpha == 1 { #expect(abs(Double(shares.count { $0 < 0.25 }) / count - 0.25) < 0.03) }
  }

  // MARK: Chance

  @Test func aDrawDependsOnSeedEpochAndPositionAlone() throws {
    let text = "flip,shift:2,cutout:3"
    let images = try images(text, count: 100)
    #expect(try self.images(text, count: 100) == images)
    #expect(try self.images(text, count: 100, batch: 7) == images)
    #expect(Array(try self.images(text, count: 200).prefix(100)) == images)
    #expect(try self.images(text, count: 100, seed: 2) != images)
    #expect(try self.images(text, count: 100, epoch: 4) != images)
    #expect(Set(stride(from: 0, to: 100, by: 5).map { images[$0] }).count > 15, "the same image looks different")
  }

  // MARK: Text

  @Test func textIsParsedAndWrittenBack() throws {
    for text in ["none", "flip", "shift:2", "crop:4,cutout:8", "flip,shift:2,cutout:8,mixup:0.2"] {
      #expect(try Augmentation(text).description == text)
    }
    #expect(try Augmentation("") == Augmentation())
    let parsed = try Augmentation("mixup:0.2,cutout:8,shift:2,flip")
    #expect((parsed.flip, parsed.shift, parsed.crop, parsed.cutout, parsed.mixup) == (true, 2, 0, 8, 0.2))
  }

  @Test(arguments: [
    ("flop", "“flop” is unknown"), ("flip:2", "“flip” takes no value"), ("flip,flip", "“flip” is there twice"),
    ("shift", "“shift” needs a number of pixels, 1 to 1024"), ("shift:", "“shift” needs"), ("crop:0", "“crop” needs"),
    ("cutout:-3", "“cutout” needs"), ("shift:2.5", "“shift” needs"), ("shift:1025", "“shift” needs"),
    ("mixup:0", "“mixup” needs a number above 0, at most 100"), ("mixup:nan", "“mixup” needs"),
    ("mixup:101", "“mixup” needs"), ("mixup:inf", "“mixup” needs"), ("flip,", "“” is unknown"), (",", "“” is unknown"),
    ("flip, shift:2", "“ shift” is unknown"),
  ]) func errorsSayWhatIsAllowed(text: String, what: String) throws {
    let error = try #require(throws: CNNError.self) { try Augmentation(text) }
    #expect(error.description.hasPrefix("augmentation “\(text)”: \(what)"))
    #expect(
      error.description.hasSuffix(
        "allowed are flip, shift:PIXELS, crop:PIXELS, cutout:SIZE and mixup:ALPHA, with commas between"))
  }

  @Test func imagesMustNotBeMovedOutOfSight() throws {
    for text in ["shift:9", "crop:100", "cutout:9"] {
      let error = try #require(throws: CNNError.self) { try images(text, count: 5) }
      #expect(error.description.contains("as much as the images have, which are 11×9"))
    }
    _ = try images("shift:8,crop:8,cutout:8", count: 50)
  }
}
