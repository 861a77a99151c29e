import CNNModel
import CNNPasses
import Testing

@Suite struct CancelReshapesTests {
  private func check(
    _ shape: [Int] = [1, 6, 4, 5], _ make: (inout RandomGraph) -> String
  ) throws -> [String] {
    var net = RandomGraph(seed: 30, input: shape)
    return try PassCheck(.cancelReshapes, net.finished { make(&$0) }).kinds
  }

  @Test func pairsAreOneOrNone() throws {
    #expect(try check { $0.reshape($0.flatten($0.unary(.tanh, "input")), 6, 20) } == ["Tanh", "Reshape"])
    #expect(try check { $0.flatten($0.reshape($0.unary(.tanh, "input"), 6, 20)) } == ["Tanh", "Flatten"])
    #expect(try check { $0.reshape($0.reshape($0.reshape($0.unary(.tanh, "input"), 120), 20, 6), 6, 4, 5) } == ["Tanh"])
    #expect(try check([1, 6]) { $0.flatten($0.reshape($0.unary(.tanh, "input"), 3, 2)) } == ["Tanh"])
    #expect(try check { $0.reshape($0.unary(.tanh, "input"), 120) } == ["Tanh", "Flatten"])
  }

  @Test func transposesOfSinglePixelsAreReshapes() throws {
    #expect(try check([1, 6, 1, 1]) { $0.last($0.unary(.tanh, "input")) } == ["Tanh", "Reshape"])
    #expect(try check([1, 6, 1, 1]) { $0.flatten($0.last($0.unary(.tanh, "input"))) } == ["Tanh", "Flatten"])
    #expect(try check([1, 6, 1, 2]) { $0.last($0.unary(.tanh, "input")) } == ["Tanh", "Transpose"])
    #expect(try check([1, 1, 3, 2]) { $0.last($0.unary(.tanh, "input")) } == ["Tanh", "Reshape"])
  }

  @Test func operatorsThatDoNotMindTheShapeComeFirst() throws {
    // As a network of one-dimensional convolutions has it.
    #expect(
      try check([1, 6, 1, 8]) {
        let x = $0.reshape($0.conv("input", 6), 6, 8)
        let y = $0.append(.add, [x, $0.normals([6, 1])])
        let z = $0.reshape($0.conv($0.reshape($0.relu(y), 6, 1, 8), 6), 6, 8)
        return $0.conv($0.reshape($0.append(.add, [$0.relu(y), z]), 6, 1, 8), 3)
      } == ["Conv", "Add", "Relu", "Conv", "Relu", "Add", "Conv"])
    #expect(
      try check([1, 6]) {
        let x = $0.reshape($0.gemm("input", 12), 3, 4)
        return $0.gemm($0.flatten($0.append(.mul, [$0.normals([3, 4]), $0.unary(.sigmoid, x)])), 5)
      } == ["Gemm", "Sigmoid", "Mul", "Gemm"])
  }

  @Test func constantsThatMindTheShapeKeepIt() throws {
    // One for each column.
    let kinds = try check { $0.reshape($0.append(.mul, [$0.reshape("input", 6, 20), $0.normals([20])]), 6, 4, 5) }
    #expect(kinds == ["Reshape", "Mul", "Reshape"])
  }

  @Test func gemmsOfSqueezeAndExciteAreConvolutions() throws {
    func gate(_ net: inout RandomGraph) -> String {
      let x = net.conv("input", 8)
      let y = net.relu(net.gemm(net.flatten(net.globalAveragePool(x)), 3))
      let z = net.unary(.sigmoid, net.append(.add, [net.gemm(y, 8, bias: false), net.normals([8])]))
      return net.append(.mul, [x, net.reshape(z, 8, 1, 1)])
    }
    #expect(try check { gate(&$0) } == ["Conv", "GlobalAveragePool", "Conv", "Relu", "Conv", "Add", "Sigmoid", "Mul"])
    // With the mean of an exporter.
    var net = RandomGraph(seed: 31, input: [1, 6, 4, 5])
    let y = net.gemm(net.append(.reduce(.mean, axes: [2, 3], keepDims: false), ["input"]), 6)
    let graph = try net.finished { $0.append(.mul, ["input", $0.reshape(y, 6, 1, 1)]) }
    var after = graph
    after.run(Pass.forImport)
    #expect(after.kinds == ["GlobalAveragePool", "Conv", "Mul"])
    #expect(try PassCheck(.recogniseGlobalPools, graph).rewrites == 1)
  }

  @Test func classifiersKeepTheirGemm() throws {
    #expect(
      try check { $0.softmax($0.gemm($0.flatten($0.globalAveragePool("input")), 3)) } == [
        "GlobalAveragePool", "Flatten", "Gemm", "Softmax",
      ])
    // The vector has another reader.
    #expect(
      try check {
        let y = $0.gemm($0.flatten($0.globalAveragePool("input")), 6)
        return $0.append(.mul, ["input", $0.reshape($0.append(.add, [y, $0.unary(.tanh, y)]), 6, 1, 1)])
      }.contains("Gemm"))
  }

  @Test func outputsKeepTheirShape() throws {
    var net = RandomGraph(seed: 32, input: [1, 6, 4, 5])
    let flat = net.flatten(net.relu("input"))
    let y = net.reshape(net.unary(.tanh, flat), 6, 4, 5)
    let check = try PassCheck(.cancelReshapes, net.finished(y, flat))
    #expect(check.after.tensors[flat]!.shape == [1, 120])
    // An input as an output needs something that copies it.
    let same = net.reshape(net.flatten("input"), 6, 4, 5)
    #expect(try PassCheck(.cancelReshapes, net.finished(same)).kinds == ["Reshape"])
  }
}
