import CNNONNX
import CNNSupport
import Testing

/// Nodes of old opsets against the newest form of the same, written by hand.
struct UpgradeTests {
  typealias Form = (inout GraphWriter) -> String

  private let shape = [2, 6, 3, 5]

  private func graph(_ form: Form, knowsRank: Bool = true, _ shape: [Int]) -> ONNXGraph {
    var writer = GraphWriter(shape.map { Optional($0) })
    if !knowsRank { writer.graph.inputs[0].shape = nil }
    return writer.output(form(&writer))
  }

  /// What `old` computes when it is upgraded is what `new` does.
  private func same(_ old: Form, _ new: Form, knowsRank: Bool = true, _ shape: [Int]? = nil) throws {
    let shape = shape ?? self.shape
    var upgraded = graph(old, knowsRank: knowsRank, shape)
    try upgraded.upgradeOpset()
    let x = ONNXTensor.random(shape)
    let result = try #require(try evaluate(upgraded, ["x": x]))
    let expected = try #require(try evaluate(graph(new, shape), ["x": x]))
    #expect(Difference.between(result[0], expected[0]) == nil)
  }

  private func upgraded(_ form: Form) throws -> ONNXGraph {
    var graph = graph(form, shape)
    try graph.upgradeOpset()
    return graph
  }

  @Test func attributesBecomeInputs() throws {
    let cases: [(Form, Form)] = [
      (
        { g in g("Clip", "x", attributes: ["min": .float(-1), "max": .float(2)], opset: 6) },
        { g in g("Clip", "x", g.number(-1), g.number(2)) }
      ),
      ({ g in g("Clip", "x", attributes: ["max": .float(2)], opset: 6) }, { g in g("Clip", "x", "", g.number(2)) }),
      (
        { g in
          g(
            "Slice", "x", attributes: ["starts": .ints([1, 0]), "ends": .ints([9, -1]), "axes": .ints([1, 3])], opset: 1
          )
        },
        { g in g("Slice", "x", g.list(1, 0), g.list(9, -1), g.list(1, 3)) }
      ),
      (
        { g in
          let pads = ONNXAttribute.ints([0, 1, 0, 2, 0, 0, 1, 3])
          return g("Pad", "x", attributes: ["pads": pads, "value": .float(7)], opset: 2)
        },
        { g in g("Pad", "x", g.list(0, 1, 0, 2, 0, 0, 1, 3), g.number(7)) }
      ),
      (
        { g in
          g("Pad", "x", attributes: ["paddings": .ints([0, 0, 1, 1, 0, 0, 1, 1]), "mode": .string("edge")], opset: 1)
        },
        { g in g("Pad", "x", g.list(0, 0, 1, 1, 0, 0, 1, 1), attributes: ["mode": .string("edge")]) }
      ),
      (
        { g in g("Squeeze", g("Unsqueeze", "x", attributes: ["axes": .ints([0, 5])], opset: 11), opset: 11) },
        { g in g("Squeeze", g("Unsqueeze", "x", g.list(0, 5))) }
      ),
      (
        { g in g("ReduceMean", "x", attributes: ["axes": .ints([1, -1]), "keepdims": .int(0)], opset: 13) },
        { g in g("ReduceMean", "x", g.list(1, -1), attributes: ["keepdims": .int(0)]) }
      ),
      (
        { g in g("ReduceSum", "x", attributes: ["axes": .ints([2])], opset: 11) },
        { g in g("ReduceSum", "x", g.list(2)) }
      ),
      (
        { g in g("Reshape", "x", attributes: ["shape": .ints([0, -1])], opset: 1) },
        { g in g("Reshape", "x", g.list(0, -1)) }
      ),
      ({ g in g("TopK", "x", attributes: ["k": .int(2)], opset: 1) }, { g in g("TopK", "x", g.list(2)) }),
      ({ g in g("Concat", "x", "x", opset: 1) }, { g in g("Concat", "x", "x", attributes: ["axis": .int(1)]) }),
      (
        { g in g("Tile", "x", g.number(3), g.number(1), opset: 1) }, { g in g("Tile", "x", g.list(1, 3, 1, 1)) }
      ),
      (
        { g in g("Cast", "x", attributes: ["to": .string("INT32")], opset: 1) },
        { g in g("Cast", "x", attributes: ["to": .int(6)]) }
      ),
      (
        { g in
          g(
            "Scatter", "x", g.constant(ONNXTensor(shape: [1, 1, 1, 1], integers: [1])),
            g.constant(ONNXTensor(shape: [1, 1, 1, 1], floats: [9])), attributes: ["axis": .int(2)], opset: 9)
        },
        { g in
          g(
            "ScatterElements", "x", g.constant(ONNXTensor(shape: [1, 1, 1, 1], integers: [1])),
            g.constant(ONNXTensor(shape: [1, 1, 1, 1], floats: [9])), attributes: ["axis": .int(2)])
        }
      ),
    ]
    for (old, new) in cases { try same(old, new) }
  }

  @Test func splitsKnowHowManyPartsTheyMake() throws {
    var writer = GraphWriter([2, 6])
    _ = writer("Split", "x", attributes: ["axis": .int(1)], opset: 11)
    writer.graph.nodes[0].outputs = ["a", "b", "c"]
    var graph = writer.output(writer("Concat", "c", "a", attributes: ["axis": .int(1)]))
    try graph.upgradeOpset()
    #expect(graph.nodes[0].outputs == ["a", "", "c"])
    let x = ONNXTensor(shape: [2, 6], floats: (0..<12).map { Float($0) })
    #expect(try evaluate(graph, ["x": x])?[0].floats == [4, 5, 0, 1, 10, 11, 6, 7])
  }

  /// Of old files: the second operand lies at an axis of the first.
  @Test func oldBroadcasting() throws {
    let channels = ONNXTensor.random([6], seed: 2)
    let plane = ONNXTensor.random([6, 3], seed: 3)
    for op in ["Add", "Sub", "Mul", "Div"] {
      for knowsRank in [true, false] {
        func old(_ b: ONNXTensor, _ attributes: [String: ONNXAttribute]) -> Form {
          { g in g(op, "x", g.constant(b), attributes: attributes, opset: 6) }
        }
        func new(_ b: ONNXTensor, _ shape: [Int]) -> Form {
          { g in g(op, "x", g("Reshape", g.constant(b), g.constant(ONNXTensor(shape)))) }
        }
        try same(
          old(channels, ["broadcast": .int(1), "axis": .int(1)]), new(channels, [6, 1, 1]), knowsRank: knowsRank)
        try same(old(plane, ["broadcast": .int(1), "axis": .int(1)]), new(plane, [6, 3, 1]), knowsRank: knowsRank)
        try same(old(plane, ["broadcast": .int(1), "axis": .int(-3)]), new(plane, [6, 3, 1]), knowsRank: knowsRank)
        let last = ONNXTensor.random([3, 5], seed: 4)
        try same(old(last, ["broadcast": .int(1)]), new(last, [3, 5]), knowsRank: knowsRank)
        try same(old(last, ["broadcast": .int(1), "axis": .int(2)]), new(last, [3, 5]), knowsRank: knowsRank)
      }
    }
    for slope in [channels, ONNXTensor.random([1])] {
      for knowsRank in [true, false] {
        try same(
          { g in g("PRelu", "x", g.constant(slope), opset: 6) },
          { g in g("PRelu", "x", g("Reshape", g.constant(slope), g.list(-1, 1, 1))) }, knowsRank: knowsRank)
      }
    }
  }

  /// Until opset 12, over all axes from one on.
  @Test func oldSoftmax() throws {
    for (axis, last) in [(nil, 90), (0, 180), (1, 90), (2, 15), (3, 5), (-1, 5)] as [(Int?, Int)] {
      for knowsRank in [true, false] {
        try same(
          { g in g("Softmax", "x", attributes: axis.map { ["axis": .int($0)] } ?? [:], opset: 11) },
          { g in
            let rows = g("Softmax", g("Reshape", "x", g.list(-1, last)), attributes: ["axis": .int(-1)])
            return g("Reshape", rows, g.list(2, 6, 3, 5))
          }, knowsRank: knowsRank)
      }
    }
    // Over the last axis alone nothing needs to be moved.
    for axis in [3, -1] {
      #expect(try upgraded { g in g("Softmax", "x", attributes: ["axis": .int(axis)], opset: 11) }.nodes.count == 1)
    }
  }

  @Test func upsampleAndOldResize() throws {
    let forms: [Form] = [
      { g in
        g(
          "Upsample", "x",
          attributes: ["height_scale": .float(2), "width_scale": .float(3), "mode": .string("bilinear")], opset: 1)
      },
      { g in
        let scales = ONNXAttribute.floats([1, 1, 2, 3])
        return g("Upsample", "x", attributes: ["scales": scales, "mode": .string("linear")], opset: 7)
      },
      { g in
        let scales = g.constant(ONNXTensor(shape: [4], floats: [1, 1, 2, 3]))
        return g("Upsample", "x", scales, attributes: ["mode": .string("linear")], opset: 9)
      },
      { g in
        let scales = g.constant(ONNXTensor(shape: [4], floats: [1, 1, 2, 3]))
        return g("Resize", "x", scales, attributes: ["mode": .string("linear")], opset: 10)
      },
    ]
    for form in forms {
      let graph = try upgraded(form)
      let node = try #require(graph.nodes.first)
      #expect(graph.nodes.count == 1 && node.op == "Resize" && node.inputs[0] == "x" && node.inputs[1] == "")
      #expect(graph.constants[node.inputs[2]]?.floats == [1, 1, 2, 3])
      #expect(
        node.attributes == [
          "mode": .string("linear"), "coordinate_transformation_mode": .string("asymmetric"),
          "nearest_mode": .string("floor"),
        ])
    }
    // Empty tensors for what is not given.
    let graph = try upgraded { g in
      let (roi, scales) = (
        g.constant(ONNXTensor(shape: [0], floats: [])), g.constant(ONNXTensor(shape: [0], floats: []))
      )
      return g("Resize", "x", roi, scales, g.list(2, 6, 6, 6), opset: 11)
    }
    #expect(graph.nodes[0].inputs[1...2] == ["", ""])
  }

  @Test func normalizations() throws {
    let scale = ONNXTensor.random([3], 0.5...2, seed: 2)
    let bias = ONNXTensor.random([3], seed: 3)
    for knowsRank in [true, false] {
      // A scale for each of three groups of two channels.
      try same(
        { g in
          g(
            "GroupNormalization", "x", g.constant(scale), g.constant(bias), attributes: ["num_groups": .int(3)],
            opset: 18)
        },
        { g in
          func each(_ t: ONNXTensor) -> String {
            g.constant(ONNXTensor(shape: [6], floats: (t.floats ?? []).flatMap { [$0, $0] }))
          }
          return g("GroupNormalization", "x", each(scale), each(bias), attributes: ["num_groups": .int(3)])
        }, knowsRank: knowsRank)
    }
    let statistics = (0..<4).map { ONNXTensor.random([6, 3, 5], 0.5...2, seed: 10 + UInt64($0)) }
    try same(
      { g in
        g(
          "BatchNormalization", "x", g.constant(statistics[0]), g.constant(statistics[1]), g.constant(statistics[2]),
          g.constant(statistics[3]), attributes: ["spatial": .int(0), "epsilon": .float(0.01)], opset: 7)
      },
      { g in
        let variance = g("Add", g.constant(statistics[3]), g.number(0.01))
        let normal = g("Div", g("Sub", "x", g.constant(statistics[2])), g("Sqrt", variance))
        return g("Add", g("Mul", normal, g.constant(statistics[0])), g.constant(statistics[1]))
      })
  }

  @Test func whatDoesNothingGoes() throws {
    let forms: [Form] = [
      { g in g("Relu", g("Identity", g("Identity", "x"))) },
      { g in g("Identity", g("Relu", "x")) },
      { g in g("Relu", g("Dropout", "x", attributes: ["ratio": .float(0.5), "is_test": .int(0)], opset: 6)) },
      { g in g("Relu", g("Dropout", "x", g.number(0.5), opset: 13)) },
      { g in
        let training = g.constant(ONNXTensor(.bool, shape: [], integers: [0]))
        return g("Relu", g("Dropout", "x", g.number(0.5), training, opset: 13))
      },
    ]
    for form in forms {
      #expect(try upgraded(form).nodes.map(\.op) == ["Relu"])
      try same(form) { g in g("Relu", "x") }
    }
    // One that trains stays, to be refused by name; one that makes an input an output too.
    let training: Form = { g in
      g("Dropout", "x", g.number(0.5), g.constant(ONNXTensor(.bool, shape: [], integers: [1])), opset: 13)
    }
    #expect(try upgraded(training).nodes.map(\.op) == ["Dropout"])
    #expect(try upgraded { g in g("Identity", "x") }.nodes.map(\.op) == ["Identity"])
  }

  /// Two outputs with one source.
  @Test func identitiesBehindOneValue() throws {
    var writer = GraphWriter(shape.map { Optional($0) })
    let relu = writer("Relu", "x")
    let (first, second) = (writer("Identity", relu), writer("Identity", relu))
    _ = writer.output(first)
    var graph = writer.output(second)
    try graph.upgradeOpset()
    #expect(graph.nodes.map(\.op) == ["Relu", "Identity"])
    let x = ONNXTensor.random(shape)
    let results = try #require(try evaluate(graph, ["x": x]))
    #expect(results.count == 2 && results[0] == results[1])
  }

  @Test func castsToTheTypeOfAnotherAreCasts() throws {
    let graph = try upgraded { g in g("CastLike", g.list(3), "x") }
    #expect(graph.nodes.map(\.op) == ["Cast"])
    #expect(graph.nodes[0].inputs.count == 1 && graph.nodes[0].attributes["to"] == .int(1))
    let unknown = try upgraded { g in g("CastLike", "x", g("Einsum", "x")) }
    #expect(unknown.nodes.map(\.op) == ["Einsum", "CastLike"])
  }

  /// Gelu as ONNX's function writes it.
  @Test func functionsInTheTypeOfTheirInput() throws {
    var graph = try upgraded { g in
      let half = g("CastLike", g.number(0.5), "x")
      let root = g("Sqrt", g("CastLike", g.number(2), "x"))
      let gate = g("Add", g("CastLike", g.number(1), "x"), g("Erf", g("Div", "x", root)))
      return g("Mul", g("Mul", half, "x"), gate)
    }
    for pass in ONNXPass.all { _ = try pass.rewrite(&graph) }
    #expect(graph.nodes.map(\.op) == ["Gelu"])
  }

  @Test func constantNodesAreConstants() throws {
    let cases: [([String: ONNXAttribute], ONNXTensor)] = [
      (["value": .tensor(ONNXTensor([1, 2]))], ONNXTensor([1, 2])), (["value_float": .float(2)], ONNXTensor(2)),
      (["value_floats": .floats([2, 3])], ONNXTensor(shape: [2], floats: [2, 3])),
      (["value_int": .int(2)], ONNXTensor(shape: [], integers: [2])),
      (["value_ints": .ints([2, 3])], ONNXTensor([2, 3])),
    ]
    for (attributes, expected) in cases {
      let graph = try upgraded { g in g("Reshape", "x", g("Constant", attributes: attributes)) }
      #expect(graph.nodes.map(\.op) == ["Reshape"])
      #expect(graph.constants[graph.nodes[0].inputs[1]] == expected)
    }
  }

  @Test func unusedOutputsGo() throws {
    var writer = GraphWriter(shape.map { Optional($0) })
    let pool = writer("MaxPool", "x", attributes: ["kernel_shape": .ints([1, 1])])
    writer.graph.nodes[0].outputs.append("indices")
    var graph = writer.output(pool)
    try graph.upgradeOpset()
    #expect(graph.nodes[0].outputs == [pool])
  }

  /// Axes that no tensor has are refused or left to whoever knows the rank; nothing overflows.
  @Test func absurdAxesDoNotOverflow() throws {
    for axis in [Int.min, .max] {
      let forms: [Form] = [
        { g in
          let plane = g.constant(ONNXTensor.random([3, 5]))
          return g(
            "Add", g("ReduceSum", "x", attributes: ["keepdims": .int(0)], opset: 6), plane,
            attributes: ["broadcast": .int(1), "axis": .int(axis)], opset: 6)
        },
        { g in g("Softmax", "x", attributes: ["axis": .int(axis)], opset: 6) },
        { g in
          let one = g.constant(ONNXTensor.random([5]))
          return g("Mul", g("LayerNormalization", "x", one, attributes: ["axis": .int(axis)]), one)
        },
      ]
      for form in forms {
        var graph = try upgraded(form)
        #expect(graph.outputs.count == 1)
        for pass in ONNXPass.all { _ = try pass.rewrite(&graph) }
        #expect(graph.nodes.count > 0)
      }
    }
  }
}
