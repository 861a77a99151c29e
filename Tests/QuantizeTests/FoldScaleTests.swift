import CNNModel
import CNNPasses
import Testing

@Suite struct FoldScaleTests {
  enum Layer: CaseIterable { case conv, grouped, convTranspose, gemm }

  /// A network input of random size, and the layer over it.
  private func layer(_ layer: Layer, _ net: inout RandomGraph, _ x: String, padding: Int = 0) -> String {
    switch layer {
    case .conv: net.conv(x, 6, padding: padding)
    case .grouped: net.conv(x, 6, padding: padding, group: 2, bias: false)
    case .convTranspose: net.convTranspose(x, 6, group: 2)
    case .gemm: net.gemm(x, 6)
    }
  }

  private func input(_ layer: Layer, _ seed: UInt64) -> [Int] {
    layer == .gemm ? [1, 4 + Int(seed % 3)] : [1, 4, 5 + Int(seed % 3), 6]
  }

  /// The constant for each channel of x, or one number.
  private func constant(_ net: inout RandomGraph, _ x: String, perChannel: Bool) -> String {
    let shape = net.graph.tensors[x]!.shape
    let sizes = perChannel ? [shape[1]] + shape.dropFirst(2).map { _ in 1 } : [1]
    return net.normals(sizes, deviation: 0.3, mean: 1.5)
  }

  @Test(arguments: Layer.allCases, BinaryFunction.allCases)
  func arithmeticGoesIntoTheLayerBefore(kind: Layer, function: BinaryFunction) throws {
    for (seed, perChannel) in [(UInt64(1), true), (2, false), (3, true)] {
      for constantFirst in [false, true] where function != .div || !constantFirst {
        var net = RandomGraph(seed: seed, input: input(kind, seed))
        let y = layer(kind, &net, "input")
        let c = constant(&net, y, perChannel: perChannel)
        let check = try PassCheck(
          .foldScale, net.finished { $0.append(.binary(function), constantFirst ? [c, y] : [y, c]) }, seed: seed)
        #expect(check.rewrites == 1 && check.after.operators.count == 1)
      }
    }
  }

  @Test(arguments: Layer.allCases, BinaryFunction.allCases)
  func arithmeticGoesIntoTheLayerBehind(kind: Layer, function: BinaryFunction) throws {
    for (seed, perChannel) in [(UInt64(1), true), (2, false), (3, true)] {
      var net = RandomGraph(seed: seed, input: input(kind, seed))
      let c = constant(&net, "input", perChannel: perChannel)
      let scaled = net.append(.binary(function), ["input", c])
      let check = try PassCheck(.foldScale, net.finished { layer(kind, &$0, scaled) }, seed: seed)
      // The edges of a transposed convolution see less than the whole window.
      let shifts = function == .add || function == .sub
      #expect(check.rewrites == (kind == .convTranspose && shifts ? 0 : 1))
    }
  }

  @Test(arguments: [true, false]) func normalisationGoesIntoTheLayerBehindUnlessItPads(pads: Bool) throws {
    var net = RandomGraph(seed: 4, input: [1, 4, 7, 6])
    let normal = net.batchNormalization("input")
    let check = try PassCheck(.foldScale, net.finished { $0.conv(normal, 5, padding: pads ? 1 : 0) })
    #expect(check.kinds == (pads ? ["BatchNormalization", "Conv"] : ["Conv"]))
    // A scale alone may stand before padding, which is 0.
    let scaled = net.mul("input", -0.5)
    #expect(try PassCheck(.foldScale, net.finished { $0.conv(scaled, 5, padding: 1) }).kinds == ["Conv"])
  }

  @Test(arguments: [[1, 3, 4, 5], [1, 7]]) func pairsBecomeOneNormalisation(shape: [Int]) throws {
    var net = RandomGraph(seed: 5, input: shape)
    let scaled = net.append(.mul, ["input", constant(&net, "input", perChannel: true)])
    let shifted = net.append(.sub, [constant(&net, "input", perChannel: true), scaled])
    let check = try PassCheck(.foldScale, net.finished { $0.relu(shifted) })
    #expect(check.kinds == ["BatchNormalization", "Relu"])
  }

  @Test func nothingIsFoldedThatOthersReadOrThatVaries() throws {
    func expectNothing(_ make: (inout RandomGraph) -> [String]) throws {
      var net = RandomGraph(seed: 6, input: [1, 3, 6, 6])
      let outputs = make(&net)
      var graph = net.graph
      graph.outputs = outputs
      #expect(try PassCheck(.foldScale, graph).rewrites == 0)
    }
    // The convolution has another reader, or is an output.
    try expectNothing {
      let y = $0.conv("input", 3)
      return [$0.add($0.mul(y, 2), $0.relu(y))]
    }
    try expectNothing {
      let y = $0.conv("input", 3)
      return [y, $0.mul(y, 2)]
    }
    // A constant for each column, a constant that makes the result larger, a division by the result.
    try expectNothing { [$0.append(.mul, [$0.conv("input", 3), $0.normals([6])])] }
    try expectNothing {
      let y = $0.globalAveragePool($0.conv("input", 3))
      return [$0.append(.add, [y, $0.normals([1, 3, 2, 2])])]
    }
    try expectNothing { [$0.append(.div, [$0.number(2), $0.unary(.sigmoid, $0.conv("input", 3))])] }
    // An activation between.
    try expectNothing { [$0.mul($0.relu($0.conv("input", 3)), -2)] }
    try expectNothing { [$0.conv($0.relu($0.mul("input", -2)), 3)] }
  }

  @Test func activationsStayBehind() throws {
    var net = RandomGraph(seed: 7, input: [1, 3, 6, 6])
    let y = net.conv("input", 4)
    let scaled = net.mul(y, -1.5)
    var graph = try net.finished(scaled)
    graph.operators[1].activation = .relu
    let check = try PassCheck(.foldScale, graph)
    #expect(check.kinds == ["Conv+"])
    // An activation of the convolution itself comes before the scale.
    (graph.operators[0].activation, graph.operators[1].activation) = (.relu, .none)
    #expect(try PassCheck(.foldScale, graph).rewrites == 0)
  }
}
