import CNNModel
import CNNPasses
import Testing

/// Passes that only take away.
@Suite struct CleanupTests {
  private static let shape = [1, 4, 6, 5]

  /// The kinds that are left of what `make` appends between two convolutions.
  private func left(
    _ pass: Pass, _ make: (inout RandomGraph, String) -> String
  ) throws -> [String] {
    var net = RandomGraph(seed: 10, input: Self.shape)
    let x = net.conv("input", 4)
    let y = make(&net, x)
    return Array(try PassCheck(pass, net.finished { $0.append(.unary(.tanh), [y]) }).kinds.dropFirst().dropLast())
  }

  static let identities: [OperatorKind] = [
    .dropout(ratio: 0.3), .concat(), .clip(min: -.infinity, max: .infinity), .transpose([0, 1, 2, 3]),
    .reshape(shape), .slice(Slice(starts: [0, 0, 0, 0], sizes: shape)),
    .pad(Padding(begins: [0, 0, 0, 0], ends: [0, 0, 0, 0], mode: .edge)),
    .resize(Resize(mode: .linear, height: 6, width: 5, scaleY: 1, scaleX: 1)),
    .resize(Resize(mode: .nearest(.floor), coordinates: .asymmetric, height: 6, width: 5, scaleY: 1, scaleX: 1)),
    .depthToSpace(blockSize: 1), .spaceToDepth(blockSize: 1), .maxPool(Window(1)), .averagePool(Window(1)),
  ]

  @Test(arguments: identities.indices) func identitiesGo(index: Int) throws {
    #expect(try left(.removeIdentities) { $0.append(Self.identities[index], [$1]) } == [])
  }

  @Test func neutralOperandsGo() throws {
    #expect(try left(.removeIdentities) { $0.mul($0.add($1, 0), 1) } == [])
    #expect(try left(.removeIdentities) { $0.append(.add, [$0.normals([1, 4, 1, 1], deviation: 0), $1]) } == [])
    #expect(try left(.removeIdentities) { $0.append(.sub, [$1, $0.number(0)]) } == [])
    #expect(try left(.removeIdentities) { $0.append(.div, [$1, $0.number(1)]) } == [])
    #expect(try left(.removeIdentities) { $0.append(.sub, [$0.number(0), $1]) } == ["Sub"])
    #expect(try left(.removeIdentities) { $0.append(.div, [$0.number(1), $0.unary(.sigmoid, $1)]) }.last == "Div")
    #expect(try left(.removeIdentities) { $0.append(.mul, [$1, $0.number(2)]) } == ["Mul"])
    // It makes the result larger.
    #expect(
      try left(.removeIdentities) {
        $0.append(.add, [$0.globalAveragePool($1), $0.normals([1, 4, 2, 1], deviation: 0)])
      } == ["GlobalAveragePool", "Add"])
  }

  @Test func poolsOfOnePixelGo() throws {
    let one = Window(kernelHeight: 6, kernelWidth: 5)
    for kind in [
      OperatorKind.globalAveragePool, .globalMaxPool, .reduce(.mean, axes: [2, 3]), .reduce(.sum, axes: [2]),
    ] {
      #expect(try left(.removeIdentities) { $0.append(kind, [$0.append(.averagePool(one), [$1])]) } == ["AveragePool"])
      #expect(try left(.removeIdentities) { $0.append(kind, [$1]) } == [kind.name])
    }
  }

  @Test func whatChangesSomethingStays() throws {
    let kinds: [OperatorKind] = [
      .clip(min: 0, max: .infinity), .slice(Slice(starts: [0, 0, 5, 0], sizes: Self.shape, steps: [1, 1, -1, 1])),
      .slice(Slice(starts: [0, 1, 0, 0], sizes: [1, 3, 6, 5])), .averagePool(Window(3, padding: 1)),
      .pad(Padding(begins: [0, 0, 1, 0], ends: [0, 0, -1, 0])),
    ]
    for kind in kinds { #expect(try left(.removeIdentities) { $0.append(kind, [$1]) } == [kind.name]) }
  }

  @Test func duplicatesAreMerged() throws {
    var net = RandomGraph(seed: 11, input: Self.shape)
    let x = net.conv("input", 4)
    let (a, b) = (net.unary(.sigmoid, x), net.unary(.sigmoid, x))
    // What reads duplicates may be a duplicate then.
    let (c, d) = (net.append(.mul, [a, a]), net.append(.mul, [a, b]))
    let other = net.unary(.tanh, x)
    let sum = net.append(.add, [net.append(.sub, [c, other]), d])
    let check = try PassCheck(.mergeDuplicates, net.finished(sum))
    #expect(check.rewrites == 2)
    #expect(check.kinds == ["Conv", "Sigmoid", "Mul", "Tanh", "Sub", "Add"])
  }

  @Test func duplicatesThatAreOutputsStay() throws {
    var net = RandomGraph(seed: 12, input: Self.shape)
    let (a, b) = (net.relu("input"), net.relu("input"))
    #expect(try PassCheck(.mergeDuplicates, net.finished(a, b)).rewrites == 0)
    let sum = net.add(a, b)
    var graph = try net.finished(a, sum)
    #expect(try PassCheck(.mergeDuplicates, graph).kinds == ["Relu", "Add"])
    // Only one of them is clamped.
    graph.operators[2].activation = .relu
    graph.operators.append(Operator("again", .add, inputs: [a, b], outputs: ["again"]))
    graph.tensors["again"] = graph.tensors[a]
    graph.outputs = [graph.operators[2].output, "again"]
    #expect(try PassCheck(.mergeDuplicates, graph).kinds == ["Relu", "Add+", "Add"])
  }

  @Test func nestedConcatsAreOne() throws {
    var net = RandomGraph(seed: 13, input: Self.shape)
    let x = net.conv("input", 4)
    let inner = net.append(.concat(), [net.append(.concat(), [x, "input"]), net.relu(x)])
    let check = try PassCheck(.mergeConcats, net.finished { $0.append(.concat(), ["input", inner, x]) })
    #expect(check.rewrites == 2 && check.kinds == ["Conv", "Relu", "Concat"])
    // Along another axis, or read by others too.
    for axis in [2, 1] {
      net = RandomGraph(seed: 13, input: Self.shape)
      let other = net.append(.concat(axis: axis), ["input", net.relu("input")])
      #expect(try PassCheck(.mergeConcats, net.finished { $0.append(.concat(), [other, other]) }).rewrites == 0)
    }
  }

  @Test(arguments: [(5, 3), (1, 4), (7, 1)]) func matricesAreGemm(rows: Int, columns: Int) throws {
    var net = RandomGraph(seed: 14, input: [1, rows])
    let y = net.append(.matMul, ["input", net.normals([rows, columns])])
    let shifted = net.append(.add, [y, net.normals([columns])])
    let graph = try net.finished { $0.append(.concat(), [shifted, "input"]) }
    var check = try PassCheck(.matMulToGemm, graph)
    #expect(check.kinds == ["Gemm", "Add", "Concat"])
    check = try PassCheck(.foldScale, check.after)
    #expect(check.kinds == ["Gemm", "Concat"])
  }

  @Test func matricesOfMatricesAreNot() throws {
    var net = RandomGraph(seed: 15, input: [1, 3, 4])
    let y = net.append(.matMul, ["input", net.normals([4, 5])])
    #expect(try PassCheck(.matMulToGemm, net.finished(y)).rewrites == 0)
  }
}

@Suite struct FoldPaddingTests {
  private func fold(_ value: Float, _ kind: OperatorKind, positive: Bool = false) throws -> [String] {
    var net = RandomGraph(seed: 16, input: [1, 3, 7, 6])
    let x = positive ? net.relu("input") : "input"
    let padded = net.append(
      .pad(Padding(begins: [0, 0, 1, 0], ends: [0, 0, 1, 2], mode: .constant(value))), [x])
    return try PassCheck(.foldPadding, net.finished { $0.append(kind, [padded]) }).kinds
  }

  @Test func averagesThatCountPadding() throws {
    let window = Window(3, stride: 2)
    #expect(try fold(0, .averagePool(window)) == ["AveragePool"])
    #expect(try fold(0, .averagePool(Window(4, padding: 1), countIncludePad: true)) == ["AveragePool"])
    #expect(try fold(0, .averagePool(Window(3, padding: 1))) == ["Pad", "AveragePool"])
    #expect(try fold(1, .averagePool(window)) == ["Pad", "AveragePool"])
    #expect(try fold(0, .averagePool(window, ceilMode: true)) == ["Pad", "AveragePool"])
  }

  @Test func maximaOfWhatIsNotBelow() throws {
    let pool = OperatorKind.maxPool(Window(3, stride: 2))
    #expect(try fold(0, pool) == ["Pad", "MaxPool"])
    #expect(try fold(0, pool, positive: true) == ["Relu", "MaxPool"])
    #expect(try fold(0.5, pool, positive: true) == ["Relu", "Pad", "MaxPool"])
    #expect(try fold(-.greatestFiniteMagnitude, pool) == ["MaxPool"])
    // A window that lies in the padding has its value.
    #expect(try fold(-.greatestFiniteMagnitude, .maxPool(Window(1))) == ["Pad", "MaxPool"])
  }

  @Test func transposedConvolutionsKeepTheirs() throws {
    var net = RandomGraph(seed: 17, input: [1, 3, 7, 6])
    let padded = net.append(.pad(Padding(begins: [0, 0, 1, 1], ends: [0, 0, 1, 1])), ["input"])
    #expect(try PassCheck(.foldPadding, net.finished { $0.convTranspose(padded, 4) }).rewrites == 0)
  }
}
