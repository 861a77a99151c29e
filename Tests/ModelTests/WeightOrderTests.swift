import CNNModel
import CNNSupport
import Testing

/// A convolution's attributes, and where FORMAT.md's text puts each of its weights, computed without `WeightOrder`.
struct WeightPlaces {
  var outputs, inputs, group: Int
  var window: Window
  var isTransposed = false

  private var plane: Int { window.kernelHeight * window.kernelWidth }
  private func ceiling(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }

  var shape: [Int] {
    (isTransposed ? [inputs, outputs / group] : [outputs, inputs / group]) + [window.kernelHeight, window.kernelWidth]
  }

  var order: WeightOrder {
    isTransposed
      ? WeightOrder(transposed: shape, window: window, group: group)
      : WeightOrder(conv: shape, window: window, group: group)
  }

  var isDepthwise: Bool { !isTransposed && group > 1 && group == inputs && group == outputs }

  /// Row-major index of the weight from input channel `ic` to output channel `oc`; nil between groups.
  func plain(_ oc: Int, _ ic: Int, _ ky: Int, _ kx: Int) -> Int? {
    let (perOutput, perInput) = (outputs / group, inputs / group)
    guard oc / perOutput == ic / perInput else { return nil }
    let row = isTransposed ? ic * perOutput + oc % perOutput : oc * perInput + ic % perInput
    return row * plane + ky * window.kernelWidth + kx
  }

  /// Elements, and the place of a weight in kernel order.
  func place(lanes: Int, _ oc: Int, _ ic: Int, _ ky: Int, _ kx: Int) -> Int {
    if isDepthwise {
      let row = ceiling(window.kernelWidth, lanes)
      return (((oc / 16 * window.kernelHeight + ky) * row + kx / lanes) * 16 + oc % 16) * lanes + kx % lanes
    }
    if !isTransposed && group == 1 && inputs <= 4 && window.dilationX == 1 {
      let row = ceiling(window.kernelWidth * inputs, lanes)
      let column = kx * inputs + ic
      let steps = window.kernelHeight * row
      return ((oc / 16 * steps + ky * row + column / lanes) * 16 + oc % 16) * lanes + column % lanes
    }
    // Phases before this tap's, then blocks of outputs, blocks of inputs, taps.
    let own = phase(ky, kx)
    var base = 0
    for p in 0..<own { base += (0..<ceiling(outputs, 16)).reduce(0) { $0 + elements($1, taps(p).count, lanes) } }
    let count = taps(own).count
    base += (0..<oc / 16).reduce(0) { $0 + elements($1, count, lanes) }
    let blocks = inputBlocks(oc / 16)
    for block in blocks where block < ic / 16 { base += steps(block, lanes) * count * 16 * lanes }
    let tap = taps(own).firstIndex { $0 == (ky, kx) }!
    base += tap * steps(ic / 16, lanes) * 16 * lanes
    return base + (ic % 16 / lanes * 16 + oc % 16) * lanes + ic % 16 % lanes
  }

  var phases: Int { isTransposed ? window.strideY * window.strideX : 1 }

  func phase(_ ky: Int, _ kx: Int) -> Int {
    guard isTransposed else { return 0 }
    return ky * window.dilationY % window.strideY * window.strideX + kx * window.dilationX % window.strideX
  }

  private func taps(_ wanted: Int) -> [(Int, Int)] {
    var taps: [(Int, Int)] = []
    for ky in 0..<window.kernelHeight {
      for kx in 0..<window.kernelWidth where phase(ky, kx) == wanted { taps.append((ky, kx)) }
    }
    return taps
  }

  private func inputBlocks(_ block: Int) -> ClosedRange<Int> {
    let (perOutput, perInput) = (outputs / group, inputs / group)
    let last = min(16 * block + 15, outputs - 1) / perOutput
    return 16 * block / perOutput * perInput / 16...((last + 1) * perInput - 1) / 16
  }

  private func steps(_ block: Int, _ lanes: Int) -> Int { ceiling(min(16, inputs - 16 * block), lanes) }

  private func elements(_ block: Int, _ taps: Int, _ lanes: Int) -> Int {
    inputBlocks(block).reduce(0) { $0 + steps($1, lanes) } * taps * 16 * lanes
  }

  static func random(_ random: inout Random) -> WeightPlaces {
    let group = [1, 1, 2, 3, 5, 17, 32][random.below(7)]
    let isDepthwise = random.below(3) == 0
    let inputs = group * (isDepthwise ? 1 : 1 + random.below(group == 1 && random.below(2) == 0 ? 4 : 24))
    let outputs = group * (isDepthwise ? 1 : 1 + random.below(group > 4 ? 3 : 40))
    return WeightPlaces(
      outputs: outputs, inputs: inputs, group: group,
      window: Window(
        kernelHeight: 1 + random.below(4), kernelWidth: 1 + random.below(5), strideY: 1 + random.below(3),
        strideX: 1 + random.below(3), dilationY: 1 + random.below(2), dilationX: 1 + random.below(2)),
      isTransposed: random.below(3) == 0)
  }
}

struct WeightOrderTests {
  @Test(arguments: [1, 4]) func everyWeightIsWhereTheFormatSays(lanes: Int) throws {
    var random = Random(seed: 5)
    for _ in 0..<250 {
      let places = WeightPlaces.random(&random)
      let (order, window) = (places.order, places.window)
      let count = places.shape.reduce(1, *)
      let packed = order.pack(Array(1...Int32(count)), lanes: lanes)
      #expect(packed.count == order.packedCount(lanes: lanes))
      #expect(packed.filter { $0 != 0 }.count == count)
      var right = true
      for oc in 0..<places.outputs {
        for ic in 0..<places.inputs {
          for ky in 0..<window.kernelHeight {
            for kx in 0..<window.kernelWidth {
              guard let plain = places.plain(oc, ic, ky, kx) else { continue }
              right = right && packed[places.place(lanes: lanes, oc, ic, ky, kx)] == Int32(plain + 1)
            }
          }
        }
      }
      #expect(right, "\(places)")
      #expect(order.unpack(packed, lanes: lanes) == Array(1...Int32(count)))
    }
  }

  /// FORMAT.md's own examples.
  @Test func sizesOfTheDocumentation() {
    let wide = WeightOrder(conv: [20, 10, 3, 3], window: Window(3))
    #expect(wide.packedCount(lanes: 1) == 2 * 9 * 10 * 16 && wide.packedCount(lanes: 4) == 2 * 9 * 3 * 64)
    let grey = WeightOrder(conv: [20, 1, 3, 3], window: Window(3))
    #expect(grey.packedCount(lanes: 1) == 2 * 3 * 3 * 16 && grey.packedCount(lanes: 4) == 2 * 3 * 1 * 64)
  }

  @Test func everyWeightBelongsToItsChannel() {
    var random = Random(seed: 6)
    for _ in 0..<100 {
      let places = WeightPlaces.random(&random)
      var channels = [Int](repeating: -1, count: places.shape.reduce(1, *))
      places.order.forEachOutputChannel(ofWeights: channels.count) { channels[$0] = $1 }
      for oc in 0..<places.outputs {
        for ic in 0..<places.inputs {
          if let plain = places.plain(oc, ic, 0, 0) { #expect(channels[plain] == oc) }
        }
      }
    }
  }

  @Test func unpackRefusesWhatPackDoesNotGive() throws {
    let order = WeightOrder(gemm: [3, 5])
    var packed = order.pack([Int8](repeating: 1, count: 15), lanes: 4)
    #expect(order.unpack(packed, lanes: 4) != nil)
    #expect(order.unpack(Array(packed.dropLast()), lanes: 4) == nil)
    let padding = try #require(packed.lastIndex(of: 0))
    packed[padding] = 1
    #expect(order.unpack(packed, lanes: 4) == nil)
  }
}
