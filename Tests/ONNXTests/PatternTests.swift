import CNNONNX
import CNNSupport
import Testing

/// Each pattern in the forms in which exporters write it: found, and the same function.
struct PatternTests {
  typealias Form = (inout GraphWriter) -> String

  /// Runs `pass` on a graph of `form`, and compares what it computes before and after.
  /// - Returns: the operators that are left, or nil if the pass changed nothing.
  private func rewritten(
    _ form: Form, by pass: ONNXPass, _ shape: [Int] = [2, 6, 3, 5], symbolic: Bool = false
  ) throws -> [String]? {
    var writer = GraphWriter([symbolic ? nil : shape[0]] + shape.dropFirst().map { Optional($0) })
    let before = writer.output(form(&writer))
    var after = before
    let count = try pass.rewrite(&after)
    let x = ONNXTensor.random(shape)
    let expected = try #require(try evaluate(before, ["x": x]))
    let result = try #require(try evaluate(after, ["x": x]))
    #expect(Difference.between(result[0], expected[0]) == nil)
    return count == 0 ? nil : after.nodes.map(\.op)
  }

  /// Shapes are arithmetic until they are known; what is left then.
  private func without(_ operators: [String]?, _ arithmetic: Set<String> = ["Shape", "Expand"]) -> [String]? {
    operators?.filter { !arithmetic.contains($0) }
  }

  // MARK: Gelu

  private let geluForms: [Form] = [
    { g in
      let gate = g("Add", g("Erf", g("Div", "x", g.number(1.414_213_5))), g.number(1))
      return g("Mul", g("Mul", "x", gate), g.number(0.5))
    },
    { g in
      let gate = g("Add", g.number(1), g("Erf", g("Mul", g.number(0.707_106_77), "x")))
      return g("Mul", gate, g("Mul", g.number(0.5), "x"))
    },
    { g in
      let erf = g("Erf", g("Mul", "x", g.number(0.707_106_77)))
      return g("Mul", "x", g("Add", g("Mul", erf, g.number(0.5)), g.number(0.5)))
    },
    { g in
      let gate = g("Add", g("Erf", g("Div", "x", g.number(1.414_213_5))), g.number(1))
      return g("Div", g("Mul", gate, "x"), g.number(2))
    },
    // Of a value that is a product itself.
    { g in
      let y = g("Mul", "x", g.number(3))
      let gate = g("Add", g("Erf", g("Div", y, g.number(1.414_213_5))), g.number(1))
      return g("Mul", g.number(0.5), g("Mul", y, gate))
    },
  ]

  @Test func geluByErf() throws {
    for form in geluForms {
      let left = try rewritten(form, by: .gelu)
      #expect(left == ["Gelu"] || left == ["Mul", "Gelu"])
    }
  }

  @Test func geluByTanh() throws {
    func forms(_ cube: @escaping Form) -> [Form] {
      [
        { g in
          let sum = g("Add", "x", g("Mul", g.number(0.044715), cube(&g)))
          let gate = g("Add", g("Tanh", g("Mul", sum, g.number(0.797_884_56))), g.number(1))
          return g("Mul", g("Mul", g.number(0.5), "x"), gate)
        },
        { g in
          let sum = g("Add", g("Mul", cube(&g), g.number(0.044715)), "x")
          let gate = g("Add", g.number(1), g("Tanh", g("Mul", g.number(0.797_884_56), sum)))
          return g("Mul", g.number(0.5), g("Mul", "x", gate))
        },
      ]
    }
    let bracket: Form = { g in
      let square = g("Mul", g.number(0.044715), g("Mul", "x", "x"))
      let inner = g("Mul", g("Mul", "x", g.number(0.797_884_56)), g("Add", g.number(1), square))
      return g("Mul", g("Mul", "x", g.number(0.5)), g("Add", g.number(1), g("Tanh", inner)))
    }
    let all =
      forms { g in g("Pow", "x", g.number(3)) } + forms { g in g("Mul", g("Mul", "x", "x"), "x") }
      + forms { g in g("Mul", "x", g("Pow", "x", g.number(2))) } + [bracket]
    for form in all { #expect(try rewritten(form, by: .gelu) == ["Gelu"]) }
  }

  @Test func whatOnlyLooksLikeGeluStays() throws {
    let forms: [Form] = [
      { g in  // √3
        let gate = g("Add", g("Erf", g("Div", "x", g.number(1.732))), g.number(1))
        return g("Mul", g("Mul", "x", gate), g.number(0.5))
      },
      { g in  // without the half
        g("Mul", "x", g("Add", g("Erf", g("Div", "x", g.number(1.414_213_5))), g.number(1)))
      },
      { g in  // another value
        let gate = g("Add", g("Erf", g("Div", g("Relu", "x"), g.number(1.414_213_5))), g.number(1))
        return g("Mul", g("Mul", "x", gate), g.number(0.5))
      },
    ]
    for form in forms { #expect(try rewritten(form, by: .gelu) == nil) }
  }

  // MARK: Hard activations

  private func relu6(_ g: inout GraphWriter) -> String {
    g("Clip", g("Add", "x", g.number(3)), g.number(0), g.number(6))
  }

  @Test func hardSwish() throws {
    let forms: [Form] = [
      { g in g("Mul", "x", g("HardSigmoid", "x", attributes: ["alpha": .float(1 / 6), "beta": .float(0.5)])) },
      { g in g("Div", g("Mul", "x", relu6(&g)), g.number(6)) },
      { g in g("Mul", "x", g("Div", relu6(&g), g.number(6))) },
      { g in g("Mul", g("Mul", relu6(&g), g.number(1 / 6)), "x") },
      { g in g("Mul", "x", g("Clip", g("Add", g("Div", "x", g.number(6)), g.number(0.5)), g.number(0), g.number(1))) },
    ]
    for form in forms { #expect(try rewritten(form, by: .hardSwish) == ["HardSwish"]) }
    #expect(try rewritten({ g in g("Mul", "x", g("HardSigmoid", "x")) }, by: .hardSwish) == nil)
  }

  @Test func hardSigmoid() throws {
    let forms: [Form] = [
      { g in g("Div", relu6(&g), g.number(6)) },
      { g in g("Mul", g.number(1 / 6), relu6(&g)) },
      { g in g("Clip", g("Add", g("Mul", "x", g.number(0.25)), g.number(0.5)), g.number(0), g.number(1)) },
    ]
    for form in forms { #expect(try rewritten(form, by: .hardSigmoid) == ["HardSigmoid"]) }
  }

  // MARK: Normalizations

  /// - Parameters:
  ///   - square: of the difference; - normalize: from the difference and the variance with its epsilon.
  private func layer(
    _ axes: [Int], _ square: (inout GraphWriter, String) -> String,
    _ normalize: (inout GraphWriter, String, String) -> String,
    _ g: inout GraphWriter
  ) -> String {
    let list = g.constant(ONNXTensor(axes))
    let centred = g("Sub", "x", g("ReduceMean", "x", list))
    let variance = g("ReduceMean", square(&g, centred), list)
    return normalize(&g, centred, g("Add", variance, g.number(1e-5)))
  }

  @Test func layerNormalization() throws {
    let squares: [(inout GraphWriter, String) -> String] = [
      { g, d in g("Pow", d, g.number(2)) }, { g, d in g("Mul", d, d) },
      { g, d in g("Pow", d, g.constant(ONNXTensor(.int64, shape: [], integers: [2]))) },
    ]
    let normals: [(inout GraphWriter, String, String) -> String] = [
      { g, d, v in g("Div", d, g("Sqrt", v)) },
      { g, d, v in g("Mul", g("Reciprocal", g("Sqrt", v)), d) },
      { g, d, v in g("Mul", d, g("Pow", v, g.number(-0.5))) },
    ]
    for square in squares {
      for normal in normals {
        for axes in [[-1], [3], [-2, -1], [2, 3], [1, 2, 3]] {
          let size = [6, 3, 5].suffix(axes.count)
          let plain: Form = { g in layer(axes, square, normal, &g) }
          #expect(without(try rewritten(plain, by: .layerNormalization)) == ["LayerNormalization"])
          let affine: Form = { g in
            let scaled = g("Mul", layer(axes, square, normal, &g), g.constant(.random(Array(size), seed: 2)))
            return g("Add", g.constant(.random(Array(size), seed: 3)), scaled)
          }
          #expect(try rewritten(affine, by: .layerNormalization) == ["LayerNormalization"])
        }
      }
    }
  }

  /// Over channels, as image networks have it: between transposes.
  @Test func layerNormalizationOverOtherAxes() throws {
    let form: Form = { g in
      layer([1], { g, d in g("Pow", d, g.number(2)) }, { g, d, v in g("Div", d, g("Sqrt", v)) }, &g)
    }
    #expect(
      without(try rewritten(form, by: .layerNormalization)) == ["Transpose", "LayerNormalization", "Transpose"])
  }

  @Test func meanVarianceNormalization() throws {
    for axes in [[2, 3], [1, 2, 3], [0, 2, 3]] {
      var writer = GraphWriter([2, 6, 3, 5])
      var graph = writer.output(writer("MeanVarianceNormalization", "x", attributes: ["axes": .ints(axes)]))
      #expect(try ONNXPass.meanVarianceNormalization.rewrite(&graph) == 1)
      var definition = GraphWriter([2, 6, 3, 5])
      let list = definition.constant(ONNXTensor(axes))
      let centred = definition("Sub", "x", definition("ReduceMean", "x", list))
      let variance = definition("ReduceMean", definition("Mul", centred, centred), list)
      let expected = definition.output(definition("Div", centred, definition("Sqrt", variance)))
      let x = ONNXTensor.random([2, 6, 3, 5])
      let (a, b) = (try #require(try evaluate(graph, ["x": x])), try #require(try evaluate(expected, ["x": x])))
      #expect(Difference.between(a[0], b[0]) == nil)
    }
  }

  private func group(_ affine: Bool, _ first: Int, _ back: @escaping Form) -> Form {
    { g in
      let split = g("Reshape", "x", g.list(first, 3, -1))
      let (ones, zeros) = (
        g.constant(ONNXTensor(shape: [3], floats: [1, 1, 1])), g.constant(ONNXTensor(shape: [3], floats: [0, 0, 0]))
      )
      let normalized = g("InstanceNormalization", split, ones, zeros, attributes: ["epsilon": .float(1e-4)])
      let whole = g("Reshape", normalized, back(&g))
      guard affine else { return whole }
      let scaled = g("Mul", whole, g.constant(.random([6, 1, 1], seed: 5)))
      return g("Add", scaled, g.constant(.random([6, 1, 1], seed: 6)))
    }
  }

  @Test func groupNormalization() throws {
    let fromShape: Form = { g in g("Shape", "x") }
    for affine in [true, false] {
      for (first, back) in [(0, fromShape), (2, { g in g.list(2, 6, 3, 5) }), (0, { g in g.list(-1, 6, 3, 5) })] {
        let left = try rewritten(group(affine, first, back), by: .instanceOrGroupNorm)
        #expect(without(left) == ["GroupNormalization"])
      }
      let left = try rewritten(group(affine, 0, fromShape), by: .instanceOrGroupNorm, symbolic: true)
      #expect(without(left) == ["GroupNormalization"])
    }
    // Another shape behind it is no GroupNorm.
    #expect(try rewritten(group(false, 0) { g in g.list(2, 3, 6, 5) }, by: .instanceOrGroupNorm) == nil)
  }

  // MARK: Operators as others

  @Test func operatorsWithoutKernels() throws {
    let cases: [(ONNXPass, Form, [String])] = [
      (.negToMul, { g in g("Neg", "x") }, ["Mul"]),
      (
        .reciprocalToDiv, { g in g("Mul", g("Sigmoid", "x"), g("Reciprocal", g("Exp", "x"))) },
        ["Sigmoid", "Exp", "Div"]
      ),
      (.reciprocalToDiv, { g in g("Reciprocal", g("Exp", "x")) }, ["Exp", "Div"]),
      (.powToMul, { g in g("Pow", "x", g.number(1)) }, []),
      (.powToMul, { g in g("Pow", "x", g.number(2)) }, ["Mul"]),
      (.powToMul, { g in g("Pow", "x", g.list(3)) }, ["Mul", "Mul"]),
      (.powToMul, { g in g("Pow", "x", g.number(4)) }, ["Mul", "Mul"]),
      (.powToMul, { g in g("Pow", g("Exp", "x"), g.number(-1)) }, ["Exp", "Div"]),
      (.sumToAdd, { g in g("Sum", "x", g("Relu", "x"), g("Sigmoid", "x")) }, ["Relu", "Sigmoid", "Add", "Add"]),
      (
        .sumToAdd, { g in g("Mean", "x", g("Relu", "x"), g("Sigmoid", "x")) }, ["Relu", "Sigmoid", "Add", "Add", "Mul"]
      ),
      (.sumToAdd, { g in g("Sum", g("Relu", "x")) }, ["Relu"]),
      (.maxMinToClip, { g in g("Max", g.number(-1), "x") }, ["Clip"]),
      (.maxMinToClip, { g in g("Min", g("Max", "x", g.number(-1)), g.number(2)) }, ["Clip"]),
      (.maxMinToClip, { g in g("Min", g("Relu", "x"), g.number(2)) }, ["Clip"]),
      (
        .maxMinToClip, { g in g("Clip", g("Clip", "x", g.number(1), g.number(3)), g.number(-1), g.number(0)) }, ["Clip"]
      ),
      (.reductions, { g in g("ReduceSumSquare", "x", g.list(-1, 1)) }, ["Mul", "ReduceSum"]),
      (.reductions, { g in g("ReduceL1", "x", attributes: ["keepdims": .int(0)]) }, ["Abs", "ReduceSum"]),
      (.absToRelu, { g in g("Abs", "x") }, ["Relu", "Mul", "Relu", "Add"]),
      (.absToRelu, { g in g("Softsign", "x") }, ["Relu", "Mul", "Relu", "Add", "Add", "Div"]),
      (.seluToElu, { g in g("Selu", "x") }, ["Elu", "Mul"]),
      (.seluToElu, { g in g("Celu", "x", attributes: ["alpha": .float(2)]) }, ["Mul", "Elu", "Mul"]),
      (.mish, { g in g("Mish", "x") }, ["Mul", "Sigmoid", "Mul", "Mul", "Add", "Add", "Div", "Mul"]),
      (
        .mish, { g in g("Mul", g("Tanh", g("Softplus", "x")), "x") },
        ["Mul", "Sigmoid", "Mul", "Mul", "Add", "Add", "Div", "Mul"]
      ),
    ]
    for (pass, form, expected) in cases {
      let left = try rewritten({ g in g("Identity", form(&g)) }, by: pass)
      #expect(left?.filter { $0 != "Identity" }.sorted() == expected.sorted(), "\(pass.name)")
    }
  }

  /// Arithmetic of shapes is left for the interpreter.
  @Test func integersStay() throws {
    var writer = GraphWriter([2, 6], type: .int64)
    let graph = writer.output(writer("Neg", writer("Pow", "x", writer.list(2))))
    for pass in [ONNXPass.negToMul, .powToMul] {
      var copy = graph
      #expect(try pass.rewrite(&copy) == 0)
      #expect(copy == graph)
    }
  }

  // MARK: Constants and what nobody reads

  @Test func constantsAreFoldedAndTheUnusedGoes() throws {
    var writer = GraphWriter([2, 6])
    let shape = writer(
      "Concat", writer.list(3), writer("Mul", writer.list(2), writer.list(2)), attributes: ["axis": .int(0)])
    _ = writer("Relu", "x")
    let graph = writer.output(writer("Reshape", "x", shape))
    var folded = graph
    #expect(try ONNXPass.foldConstants.rewrite(&folded) == 2)
    #expect(folded.nodes.map(\.op) == ["Reshape"])
    #expect(folded.constants[shape] == ONNXTensor([3, 4]))
    #expect(folded.constants.count == 1)
    var used = graph
    #expect(try ONNXPass.removeUnused.rewrite(&used) == 1)
    #expect(used.nodes.map(\.op) == ["Mul", "Concat", "Reshape"])
  }

  /// A DequantizeLinear of constants is how a quantized model holds its weights.
  @Test func quantizedWeightsStay() throws {
    var writer = GraphWriter([2, 2])
    let weights = writer.constant(ONNXTensor(.int8, shape: [2, 2], integers: [1, 2, 3, 4]))
    let graph = writer.output(writer("MatMul", "x", writer("DequantizeLinear", weights, writer.number(0.5))))
    var folded = graph
    #expect(try ONNXPass.foldConstants.rewrite(&folded) == 0)
    #expect(folded == graph)
  }

  /// What cannot be computed says which node.
  @Test func foldingErrorsNameTheNode() throws {
    var writer = GraphWriter([2, 6])
    let huge = writer("ConstantOfShape", writer.list(1 << 20, 1 << 20))
    var graph = writer.output(writer("Reshape", "x", huge))
    let error = try #require(throws: CNNError.self) { _ = try ONNXPass.foldConstants.rewrite(&graph) }
    #expect(error.description.contains("ConstantOfShape node “node2”"))
    #expect(error.description.contains("too large"))
  }
}
