import CNNData
import CNNSupport
import Testing

@Suite struct SplitTests {
  @Test func splitsPartTheImages() throws {
    var random = Random(seed: 3)
    for (count, validation) in [(10, 3), (100, 0), (60, 59)] {
      let split = try Split(count: count, validation: validation, using: &random)
      #expect(split.validation.count == validation)
      #expect((split.training + split.validation).sorted() == Array(0..<count))
      #expect(split.training == split.training.sorted())
      #expect(split.validation == split.validation.sorted())
    }
    var (one, same, other) = (Random(seed: 4), Random(seed: 4), Random(seed: 5))
    let split = try Split(count: 100, validation: 10, using: &one)
    #expect(try Split(count: 100, validation: 10, using: &same) == split)
    #expect(try Split(count: 100, validation: 10, using: &other) != split)
  }

  @Test func splitsMustLeaveImagesToLearnFrom() {
    var random = Random(seed: 6)
    for validation in [-1, 10, 11] {
      #expect(throws: CNNError.self) { try Split(count: 10, validation: validation, using: &random) }
    }
  }

  @Test func sharesAreCounts() throws {
    for (count, share, validation) in [(10, 0.0, 0), (10, 0.26, 3), (60_000, 0.1, 6000), (7, 0.5, 4), (3, 0.1, 0)] {
      var (one, same) = (Random(seed: 8), Random(seed: 8))
      let split = try Split(count: count, share: share, using: &one)
      #expect(split.validation.count == validation)
      #expect(try Split(count: count, validation: validation, using: &same) == split)
    }
    var random = Random(seed: 9)
    for share in [-0.1, 1, 1.5, .nan, .infinity] {
      #expect(throws: CNNError.self) { try Split(count: 10, share: share, using: &random) }
    }
    #expect(throws: CNNError.self, "nothing would be left") { try Split(count: 2, share: 0.9, using: &random) }
  }

  /// Each image is set aside as often as any other.
  @Test func imagesAreChosenEvenly() throws {
    var random = Random(seed: 10)
    var counts = [Int](repeating: 0, count: 20)
    for _ in 0..<4000 {
      for image in try Split(count: 20, validation: 5, using: &random).validation { counts[image] += 1 }
    }
    // Binomial, 4000 times 1/4: mean 1000, deviation 27.
    #expect(counts.allSatisfy { abs($0 - 1000) < 5 * 27 })
  }
}
