import CNNModel
import CNNSupport
import Testing

struct ShapeTests {
  /// Places where a window of `size` may begin, counted one by one.
  static func count(_ input: Int, _ size: Int, _ stride: Int, _ before: Int, _ after: Int, ceilMode: Bool) -> Int {
    var count = 0
    var start = 0
    // Whole windows; in ceil mode also one that sticks out behind, if it begins before the padding there.
    while start + size <= input + before + after || ceilMode && start < input + before && count > 0 {
      // A window that follows one reaching the end would only see what was seen.
      if start > 0 && start - stride + size >= input + before + after { break }
      count += 1
      start += stride
    }
    return count
  }

  @Test func windowsAreCountedRight() throws {
    var random = Random(seed: 21)
    var seen = 0
    for _ in 0..<5000 {
      let window = Window(
        kernelHeight: 1 + random.below(5), kernelWidth: 1, strideY: 1 + random.below(4),
        padTop: random.below(3), padBottom: random.below(3), dilationY: 1 + random.below(3))
      let height = 1 + random.below(12)
      let size = (window.kernelHeight - 1) * window.dilationY + 1
      // Ceil mode is for pools, whose padding is less than their window.
      let ceilMode = random.below(2) == 0 && max(window.padTop, window.padBottom) < size
      let expected = Self.count(
        height, size, window.strideY, window.padTop, window.padBottom, ceilMode: ceilMode)
      let counted = try? window.outputSize(of: [1, 1, height, 1], ceilMode: ceilMode)
      #expect(counted == (expected > 0 ? [expected, 1] : nil), "\(window) over \(height), ceil \(ceilMode)")
      seen += expected > 0 ? 1 : 0
    }
    #expect(seen > 2000)
  }

  @Test func poolsMeetTheInputEverywhere() {
    var random = Random(seed: 22)
    var refused = 0
    for _ in 0..<3000 {
      let window = Window(
        kernelHeight: 1 + random.below(3), kernelWidth: 1, strideY: 1 + random.below(3),
        padTop: random.below(4), padBottom: random.below(4), dilationY: 1 + random.below(4))
      let height = 1 + random.below(5)
      guard let size = try? window.outputSize(of: [1, 1, height, 1], ceilMode: false) else { continue }
      let meets = (0..<size[0]).allSatisfy { y in
        (0..<window.kernelHeight).contains { k in
          (0..<height).contains(y * window.strideY - window.padTop + k * window.dilationY)
        }
      }
      let isLess = max(window.padTop, window.padBottom) < (window.kernelHeight - 1) * window.dilationY + 1
      let isTaken = (try? OperatorKind.maxPool(window).outputShape([[1, 1, height, 1]])) != nil
      #expect(isTaken == (meets && isLess), "\(window) over \(height)")
      refused += isTaken ? 0 : 1
    }
    #expect(refused > 100)
  }

  @Test func shapesOfTheOtherOperators() throws {
    let image = [1, 6, 5, 7]
    #expect(
      try OperatorKind.conv(Window(3, stride: 2, padding: 1)).outputShape([image, [9, 6, 3, 3], [9]]) == [1, 9, 3, 4])
    #expect(try OperatorKind.conv(Window(1), group: 3).outputShape([image, [9, 2, 1, 1], nil]) == [1, 9, 5, 7])
    #expect(try OperatorKind.gemm.outputShape([[1, 8], [3, 8]]) == [1, 3])
    #expect(
      try OperatorKind.batchNormalization(epsilon: 0).outputShape([image] + .init(repeating: [6], count: 4)) == image)
    #expect(try OperatorKind.flatten.outputShape([image]) == [1, 210])
    #expect(try OperatorKind.globalAveragePool.outputShape([image]) == [1, 6, 1, 1])
    #expect(try OperatorKind.softmax.outputShape([[1, 10]]) == [1, 10])
    let misfits: [(OperatorKind, [[Int]?])] = [
      (.conv(Window(3)), [image, [9, 5, 3, 3]]), (.conv(Window(3)), [image, [9, 6, 3, 2]]),
      (.conv(Window(3)), [image, [9, 6, 3, 3], [8]]), (.conv(Window(3), group: 4), [image, [9, 6, 3, 3]]),
      (.conv(Window(3)), [[1, 6], [9, 6, 3, 3]]), (.gemm, [[1, 8], [3, 9]]), (.gemm, [[1, 8]]),
      (.gemm, [nil, [3, 9]]),
      (.batchNormalization(epsilon: 0), [image, [6], [6], [6], [5]]), (.add, [image, [1, 6, 5, 2]]),
      (.softmax, [[1]]),
      (.maxPool(Window(9)), [image]), (.maxPool(Window(2, padding: 2)), [image]), (.flatten, [[3]]),
    ]
    for (kind, shapes) in misfits { #expect(throws: CNNError.self) { try kind.outputShape(shapes) } }
  }

  /// LeCun's LeNet as Caffe has it: 431,080 parameters, 2,293,000 multiply-adds, the published numbers.
  @Test func lenetHasThePublishedSize() throws {
    let lenet = Sequential {
      Conv2d(20, kernel: 5)
      MaxPool(2)
      Conv2d(50, kernel: 5)
      MaxPool(2)
      Flatten()
      Linear(500)
      ReLU()
      Linear(10)
    }
    let graph = try lenet.graph(input: ImageSize("28x28x1"), seed: 0)
    #expect(graph.parameterCount == 431_080 && graph.multiplyAdds == 2_293_000)
  }
}
