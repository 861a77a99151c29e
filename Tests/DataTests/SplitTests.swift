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
}
