import CNNModel
import CNNPasses
import Testing

@Suite struct RecogniseActivationsTests {
  private func check(_ make: (inout RandomGraph, String) -> String) throws -> [String] {
    var net = RandomGraph(seed: 8, input: [1, 3, 5, 7])
    let x = net.append(.unary(.leakyRelu(alpha: 0.5)), ["input"])
    return Array(
      try PassCheck(.recogniseActivations, net.finished { make(&$0, x) }).kinds.dropFirst())
  }

  @Test func sigmoidGatesAreSwish() throws {
    #expect(try check { $0.append(.mul, [$1, $0.unary(.sigmoid, $1)]) } == ["Swish"])
    #expect(try check { $0.append(.mul, [$0.unary(.sigmoid, $1), $1]) } == ["Swish"])
    #expect(try check { $0.append(.mul, [$0.unary(.sigmoid, $0.mul($1, 1.702)), $1]) } == ["Swish"])
    // Shifted, of something else, read by others.
    #expect(try check { $0.append(.mul, [$0.unary(.sigmoid, $0.add($1, 1)), $1]) } == ["Add", "Sigmoid", "Mul"])
    #expect(try check { $0.append(.mul, [$0.unary(.sigmoid, "input"), $1]) } == ["Sigmoid", "Mul"])
    #expect(
      try check {
        let gate = $0.unary(.sigmoid, $1)
        return $0.add($0.append(.mul, [$1, gate]), gate)
      } == ["Sigmoid", "Mul", "Add"])
  }

  @Test func clampedLinesAreHardSigmoid() throws {
    #expect(try check { $0.mul($0.clip($0.add($1, 3), 0, 6), 1 / 6) } == ["HardSigmoid"])
    #expect(try check { $0.append(.div, [$0.clip($0.add($1, 3), 0, 6), $0.number(6)]) } == ["HardSigmoid"])
    #expect(try check { $0.clip($0.add($0.mul($1, 0.2), 0.5), 0, 1) } == ["HardSigmoid"])
    #expect(try check { $0.clip($0.append(.sub, [$0.number(0.5), $0.mul($1, 0.2)]), 0, 1) } == ["HardSigmoid"])
    // Another height, another floor, nothing but a clamp.
    #expect(try check { $0.mul($0.clip($0.add($1, 3), 0, 6), 0.2) } == ["Add", "Clip", "Mul"])
    #expect(try check { $0.mul($0.clip($0.add($1, 3), -1, 6), 1 / 6) } == ["Add", "Clip", "Mul"])
    #expect(try check { $0.clip($1, 0, 1) } == ["Clip"])
    // A convolution computes the line and the clamp by itself.
    #expect(
      try check { $0.clip($0.add($0.mul($0.conv($1, 3), 0.5), 0.5), 0, 1) } == ["Conv", "Mul", "Add", "Clip"])
  }

  @Test func hardSigmoidGatesAreHardSwish() throws {
    let usual = UnaryFunction.hardSigmoid(alpha: 1 / 6, beta: 0.5)
    #expect(try check { $0.append(.mul, [$1, $0.unary(usual, $1)]) } == ["HardSwish"])
    #expect(
      try check { $0.append(.mul, [$0.unary(.hardSigmoid(alpha: 0.16666667, beta: 0.5), $1), $1]) } == ["HardSwish"])
    #expect(try check { $0.append(.mul, [$1, $0.mul($0.clip($0.add($1, 3), 0, 6), 1 / 6)]) } == ["HardSwish"])
    #expect(
      try check {
        $0.append(.div, [$0.append(.mul, [$1, $0.clip($0.add($1, 3), 0, 6)]), $0.number(6)])
      } == ["HardSwish"])
    #expect(
      try check { $0.append(.mul, [$1, $0.unary(.hardSigmoid(alpha: 0.2, beta: 0.5), $1)]) } == ["HardSigmoid", "Mul"])
    #expect(try check { $0.append(.mul, ["input", $0.unary(usual, $1)]) } == ["HardSigmoid", "Mul"])
    #expect(
      try check {
        $0.append(.div, [$0.append(.mul, [$1, $0.clip($0.add($1, 2), 0, 6)]), $0.number(6)])
      } == ["Add", "Clip", "Mul", "Div"])
  }

  @Test func squeezeAndExciteGetsItsHardSigmoid() throws {
    let found = try check { net, x in
      let gate = net.conv(net.globalAveragePool(x), 3, kernel: 1)
      return net.append(.mul, [x, net.append(.div, [net.clip(net.add(gate, 3), 0, 6), net.number(6)])])
    }
    #expect(found == ["GlobalAveragePool", "Conv", "HardSigmoid", "Mul"])
  }
}

@Suite struct RecogniseGlobalPoolsTests {
  private func check(_ make: (inout RandomGraph) -> String) throws -> [String] {
    var net = RandomGraph(seed: 9, input: [1, 5, 4, 6])
    return try PassCheck(.recogniseGlobalPools, net.finished { make(&$0) }).kinds
  }

  private let whole = Window(kernelHeight: 4, kernelWidth: 6)

  @Test func reductionsOverPixelsArePools() throws {
    #expect(try check { $0.append(.reduce(.mean, axes: [2, 3]), ["input"]) } == ["GlobalAveragePool"])
    #expect(
      try check { $0.append(.reduce(.mean, axes: [2, 3], keepDims: false), ["input"]) } == [
        "GlobalAveragePool", "Flatten",
      ])
    #expect(try check { $0.append(.reduce(.max, axes: [2, 3]), ["input"]) } == ["GlobalMaxPool"])
    #expect(try check { $0.append(.averagePool(whole), ["input"]) } == ["GlobalAveragePool"])
    #expect(try check { $0.append(.maxPool(whole), ["input"]) } == ["GlobalMaxPool"])
  }

  @Test func othersAreNot() throws {
    #expect(try check { $0.append(.reduce(.sum, axes: [2, 3]), ["input"]) } == ["ReduceSum"])
    #expect(try check { $0.append(.reduce(.mean, axes: [1, 3]), ["input"]) } == ["ReduceMean"])
    #expect(try check { $0.append(.averagePool(Window(4)), ["input"]) } == ["AveragePool"])
    var padded = whole
    padded.padTop = 1
    #expect(try check { $0.append(.averagePool(padded), ["input"]) } == ["AveragePool"])
    let dilated = Window(kernelHeight: 2, kernelWidth: 3, dilationY: 3, dilationX: 2)
    #expect(try check { $0.append(.maxPool(dilated), ["input"]) } == ["MaxPool"])
  }
}
