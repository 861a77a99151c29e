import CNNData
import Testing

@Suite struct ShuffleTests {
  @Test func permutationsHoldEveryNumberOnce() {
    var generator = SplitMix(state: 1)
    for count in [0, 1, 2, 3, 10, 1000] {
      #expect(permutation(of: count, using: &generator).sorted() == Array(0..<count))
    }
  }

  /// Pins the algorithm, since a seed stands for a run: with the smallest draws every swap is with the first place, with
  /// the largest none changes anything.
  @Test func theAlgorithmIsFisherYatesFromTheEnd() {
    var smallest = Constant(value: 0)
    #expect(permutation(of: 6, using: &smallest) == [1, 2, 3, 4, 5, 0])
    var largest = Constant(value: .max)
    #expect(permutation(of: 6, using: &largest) == [0, 1, 2, 3, 4, 5])
    var middle = Constant(value: 1 << 63)  // half of last + 1: 2, 2, 1, 1
    #expect(permutation(of: 5, using: &middle) == [0, 3, 1, 4, 2])
  }

  @Test func allOrdersAreEquallyLikely() {
    var generator = SplitMix(state: 2)
    var counts: [[Int]: Double] = [:]
    for _ in 0..<24_000 { counts[permutation(of: 4, using: &generator), default: 0] += 1 }
    #expect(counts.count == 24)
    let chiSquare = counts.values.reduce(0) { $0 + ($1 - 1000) * ($1 - 1000) / 1000 }
    #expect(chiSquare < 49.7)  // 23 degrees of freedom, 0.1 %
  }

  @Test func splitsPartTheImages() throws {
    var generator = SplitMix(state: 3)
    for (count, validation) in [(10, 3), (100, 0), (60, 59)] {
      let split = try Split(count: count, validation: validation, using: &generator)
      #expect(split.validation.count == validation)
      #expect((split.training + split.validation).sorted() == Array(0..<count))
      #expect(split.training == split.training.sorted())
      #expect(split.validation == split.validation.sorted())
    }
    var (one, same, other) = (SplitMix(state: 4), SplitMix(state: 4), SplitMix(state: 5))
    let split = try Split(count: 100, validation: 10, using: &one)
    #expect(try Split(count: 100, validation: 10, using: &same) == split)
    #expect(try Split(count: 100, validation: 10, using: &other) != split)
  }

  @Test func splitsMustLeaveImagesToLearnFrom() {
    var generator = SplitMix(state: 6)
    for validation in [-1, 10, 11] {
      #expect(throws: DataError.self) { try Split(count: 10, validation: validation, using: &generator) }
    }
  }
}
