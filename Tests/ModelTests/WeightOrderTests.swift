import CNNModel
import CNNSupport
import Testing

struct WeightOrderTests {
  /// Where FORMAT.md puts weight (oc, ic, ky, kx), by its formulas, in elements.
  static func place(_ o: WeightOrder, lanes: Int, _ oc: Int, _ ic: Int, _ ky: Int, _ kx: Int) -> Int {
    func ceiling(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
    // The step in the block of output channels, and how many steps that has.
    let step, steps, column: Int
    if o.inputChannels <= 4 && o.dilationX == 1 {
      let row = ceiling(o.kernelWidth * o.inputChannels, lanes)
      column = kx * o.inputChannels + ic
      step = ky * row + column / lanes
      steps = o.kernelHeight * row
    } else {
      let full = 16 / lanes
      let blocks = ceiling(o.inputChannels, 16)
      let last = ceiling(o.inputChannels - 16 * (blocks - 1), lanes)
      let plane = o.kernelHeight * o.kernelWidth
      let here = ic / 16 == blocks - 1 ? last : full
      column = ic % 16
      step = ic / 16 * plane * full + (ky * o.kernelWidth + kx) * here + column / lanes
      steps = plane * ((blocks - 1) * full + last)
    }
    return ((oc / 16 * steps + step) * 16 + oc % 16) * lanes + column % lanes
  }

  static func randomOrder(_ random: inout Random) -> WeightOrder {
    WeightOrder(
      outputChannels: 1 + random.below(40), inputChannels: 1 + random.below(random.below(2) == 0 ? 5 : 40),
      kernelHeight: 1 + random.below(5), kernelWidth: 1 + random.below(5), dilationX: 1 + random.below(2))
  }

  @Test(arguments: [1, 4]) func everyWeightIsWhereTheFormatSays(lanes: Int) throws {
    var random = Random(seed: 5)
    for _ in 0..<200 {
      let order = Self.randomOrder(&random)
      let count = order.outputChannels * order.inputChannels * order.kernelHeight * order.kernelWidth
      let packed = order.pack(Array(1...Int32(count)), lanes: lanes)
      #expect(packed.count == order.packedCount(lanes: lanes))
      #expect(packed.filter { $0 != 0 }.count == count)
      var next: Int32 = 1
      var right = true
      for oc in 0..<order.outputChannels {
        for ic in 0..<order.inputChannels {
          for ky in 0..<order.kernelHeight {
            for kx in 0..<order.kernelWidth {
              right = right && packed[Self.place(order, lanes: lanes, oc, ic, ky, kx)] == next
              next += 1
            }
          }
        }
      }
      #expect(right, "\(order)")
      #expect(order.unpack(packed, lanes: lanes) == Array(1...Int32(count)))
    }
  }

  @Test func unpackRefusesWhatPackDoesNotGive() throws {
    let order = WeightOrder(outputChannels: 3, inputChannels: 5, kernelHeight: 1, kernelWidth: 1, dilationX: 1)
    var packed = order.pack([Int8](repeating: 1, count: 15), lanes: 4)
    #expect(order.unpack(packed, lanes: 4) != nil)
    #expect(order.unpack(Array(packed.dropLast()), lanes: 4) == nil)
    let padding = try #require(packed.lastIndex(of: 0))
    packed[padding] = 1
    #expect(order.unpack(packed, lanes: 4) == nil)
  }
}
