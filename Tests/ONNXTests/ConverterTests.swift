import CNNModel
import CNNONNX
import CNNRT
import CNNSupport
import Testing

/// Single operators through import, bundle and library, against their definitions or ONNX's own examples.
struct ConverterTests {
  /// One operator over an input "x"; what else it reads are constants. nil stands for an absent input.
  private struct Case {
    var op: String
    var constants: [ONNXTensor?] = []
    var attributes: [String: ONNXAttribute] = [:]
    var inputs = 1

    /// The graph, with inputs "x", "x2" … of these shapes.
    func graph(_ shapes: [[Int]], _ type: ONNXType) -> ONNXGraph {
      var graph = ONNXGraph()
      let names = (0..<inputs).map { $0 == 0 ? "x" : "x\($0 + 1)" }
      graph.inputs = zip(names, shapes).map { .init(name: $0, type: type, shape: $1.map { .size($0) }) }
      var read = names
      for (index, constant) in constants.enumerated() {
        read.append(constant == nil ? "" : "c\(index)")
        graph.constants["c\(index)"] = constant
      }
      graph.nodes = [
        ONNXNode(name: op, op: op, inputs: read, outputs: ["y"], attributes: attributes, opset: 25)
      ]
      graph.outputs = [.init(name: "y", type: .float, shape: nil)]
      return graph
    }
  }

  private func session(_ imported: Imported) throws -> Session {
    try Session(
      Model(bytes: try BundleWriter().bytes(of: imported.graph)), Session.Options(batch: imported.batch))
  }

  /// Of floats.
  private func run(_ tested: Case, _ x: ONNXTensor) throws -> ONNXTensor {
    let imported = try ONNXImporter().importGraph(tested.graph([x.shape], .float))
    let session = try session(imported)
    let values = try #require(x.floats)
    try session.setInput(values.span)
    try session.run()
    return ONNXTensor(shape: imported.outputs[0].shape, floats: try session.output(0))
  }

  private func expect(_ tested: Case, _ x: ONNXTensor, _ expected: ONNXTensor, tolerance: Float = 1e-5) throws {
    let result = try run(tested, x)
    #expect(Difference.between(result, expected, tolerance: tolerance) == nil, "\(tested.op) of \(x.shape)")
  }

  private func floats(_ values: [Float], _ shape: [Int]? = nil) -> ONNXTensor {
    ONNXTensor(shape: shape ?? [values.count], floats: values)
  }

  private func numbers(_ shape: [Int]) -> ONNXTensor { floats((0..<shape.reduce(1, *)).map { Float($0 + 1) }, shape) }

  // MARK: Resize

  /// The examples of ONNX's operator definition.
  @Test func resizeAsInONNXsExamples() throws {
    let cases: [([String: ONNXAttribute], [ONNXTensor?], [Int], [Float])] = [
      (
        ["mode": .string("linear"), "antialias": .int(1)], [nil, floats([1, 1, 0.6, 0.6])], [2, 2],
        [2.875, 4.5, 9.375, 11]
      ),
      (
        ["mode": .string("cubic"), "antialias": .int(1)], [nil, floats([1, 1, 0.6, 0.6])], [2, 2],
        [2.518_072_1, 4.285_886_3, 9.589_329, 11.357_142]
      ),
      (
        ["mode": .string("cubic")], [nil, floats([1, 1, 0.8, 0.8])], [3, 3],
        [
          1.471_191_4, 2.781_25, 4.082_519_5, 6.711_425_8, 8.021_484_4, 9.322_753_9, 11.916_504, 13.226_562_5,
          14.527_832,
        ]
      ),
      (
        ["mode": .string("linear"), "coordinate_transformation_mode": .string("tf_crop_and_resize")],
        [floats([0, 0, 0.4, 0.6, 1, 1, 0.6, 0.8]), nil, ONNXTensor([1, 1, 3, 3])], [3, 3],
        [7.6, 7.9, 8.2, 8.8, 9.1, 9.4, 10, 10.3, 10.6]
      ),
      (
        [
          "mode": .string("linear"), "coordinate_transformation_mode": .string("tf_crop_and_resize"),
          "extrapolation_value": .float(10),
        ],
        [floats([0, 0, 0.4, 0.6, 1, 1, 1.2, 1.7]), nil, ONNXTensor([1, 1, 3, 3])], [3, 3],
        [7.6, 10, 10, 12.4, 10, 10, 10, 10, 10]
      ),
    ]
    for (attributes, constants, size, expected) in cases {
      let tested = Case(op: "Resize", constants: constants, attributes: attributes)
      try expect(tested, numbers([1, 1, 4, 4]), floats(expected, [1, 1] + size))
    }
  }

  /// The middle stays in the middle, though 4 elements are made of 2 · 2.3.
  @Test func resizeAroundTheMiddle() throws {
    let tested = Case(
      op: "Resize", constants: [nil, floats([1, 1, 1, 2.3])],
      attributes: [
        "mode": .string("linear"), "coordinate_transformation_mode": .string("half_pixel_symmetric"),
      ])
    // Element i of 4 lies at 0.5 + (i − 1.5) / 2.3.
    let places: [Float] = (0..<4).map { 0.5 + (Float($0) - 1.5) / 2.3 }
    try expect(tested, numbers([1, 1, 1, 2]), floats(places.map { 1 + min(max($0, 0), 1) }, [1, 1, 1, 4]))
  }

  /// Any axis, the batch too, as the last one of a transposed tensor.
  @Test func resizeAlongAnyAxis() throws {
    let shape = [3, 2, 4, 2, 3]
    let x = ONNXTensor.random(shape, seed: 3)
    for mode in ["nearest", "linear", "cubic"] {
      let attributes: [String: ONNXAttribute] = ["mode": .string(mode)]
      let line = Case(
        op: "Resize", constants: [nil, nil, ONNXTensor([7])],
        attributes: attributes.merging(["axes": .ints([3])]) { $1 })
      for axis in shape.indices {
        // The axis as the last of [before, after, 1, size].
        let (before, size) = (shape[..<axis].reduce(1, *), shape[axis])
        let after = shape[(axis + 1)...].reduce(1, *)
        let values = try #require(x.floats)
        let turned = (0..<before * after * size).map { index in
          values[(index / size / after * size + index % size) * after + index / size % after]
        }
        let lines = try #require(try run(line, floats(turned, [1, before * after, 1, size])).floats)
        let expected = (0..<before * 7 * after).map { index in
          lines[(index / after / 7 * after + index % after) * 7 + index / after % 7]
        }
        var wanted = shape
        wanted[axis] = 7
        let tested = Case(op: "Resize", constants: [nil, nil, ONNXTensor(wanted)], attributes: attributes)
        try expect(tested, x, floats(expected, wanted))
      }
    }
  }

  @Test func resizeKeepsTheRatio() throws {
    for (policy, expected) in [("not_larger", [1, 1, 1, 2]), ("not_smaller", [1, 1, 2, 3])] {
      let tested = Case(
        op: "Resize", constants: [nil, nil, ONNXTensor([1, 3])],
        attributes: ["axes": .ints([2, 3]), "keep_aspect_ratio_policy": .string(policy)])
      #expect(try run(tested, numbers([1, 1, 2, 4])).shape == expected)
    }
  }

  // MARK: Windows

  /// Over more elements than an image may have, a window does what it does over few.
  @Test func longLinesAreCutIntoParts() throws {
    var random = CNNSupport.Random(seed: 5)
    for _ in 0..<6 {
      let (kernel, stride, dilation) = (1 + random.below(5), 1 + random.below(4), 1 + random.below(3))
      let reach = (kernel - 1) * dilation + 1
      let pads = [random.below(kernel), random.below(kernel)]
      let length = 65_530 + random.below(80_000)
      let x = ONNXTensor.random([1, 2, length], seed: UInt64(length))
      let values = try #require(x.floats)
      let count = (length + pads[0] + pads[1] - reach) / stride + 1
      let attributes: [String: ONNXAttribute] = [
        "kernel_shape": .ints([kernel]), "strides": .ints([stride]), "dilations": .ints([dilation]),
        "pads": .ints(pads),
      ]
      func window(_ channel: Int, _ index: Int) -> [Float?] {
        (0..<kernel).map { k in
          let place = index * stride - pads[0] + k * dilation
          return (0..<length).contains(place) ? values[channel * length + place] : nil
        }
      }
      let places = (0..<2 * count).map { window($0 / count, $0 % count) }
      try expect(
        Case(op: "MaxPool", attributes: attributes), x,
        floats(places.map { $0.compactMap { $0 }.max() ?? 0 }, [1, 2, count]))
      let averages = places.map { window in
        let inside = window.compactMap { $0 }
        return inside.reduce(0, +) / Float(inside.count)
      }
      try expect(Case(op: "AveragePool", attributes: attributes), x, floats(averages, [1, 2, count]))
      let weight = ONNXTensor.random([1, 2, kernel], -1...1, seed: 9)
      let sums = (0..<count).map { index in
        (0..<2).reduce(Float(0)) { sum, channel in
          zip(places[channel * count + index], weight.floats![(channel * kernel)...]).reduce(sum) {
            $0 + ($1.0 ?? 0) * $1.1
          }
        }
      }
      try expect(Case(op: "Conv", constants: [weight], attributes: attributes), x, floats(sums, [1, 1, count]))
    }
  }

  @Test func longLinesInCeilMode() throws {
    let length = 70_001
    let x = ONNXTensor.random([1, 1, length], seed: 2)
    let values = try #require(x.floats)
    // The last window has one element.
    let attributes: [String: ONNXAttribute] = [
      "kernel_shape": .ints([4]), "strides": .ints([4]), "ceil_mode": .int(1), "count_include_pad": .int(1),
    ]
    let expected = stride(from: 0, to: length, by: 4).map { start in
      let part = values[start..<min(start + 4, length)]
      return part.reduce(0, +) / Float(part.count)
    }
    try expect(Case(op: "AveragePool", attributes: attributes), x, floats(expected, [1, 1, expected.count]))
  }

  // MARK: Norms

  @Test func normsOfEveryAxis() throws {
    for (seed, shape) in [[4], [2, 3], [1, 5, 2, 3], [3, 2, 1, 4], [2, 2, 3, 1, 2]].enumerated() {
      let x = ONNXTensor.random(shape, seed: UInt64(seed + 1))
      let values = try #require(x.floats)
      for axis in shape.indices {
        let length = shape[axis...].reduce(1, *)
        let scale = ONNXTensor.random(Array(shape[axis...]), seed: 7)
        let rows = stride(from: 0, to: values.count, by: length).map { values[$0..<$0 + length] }
        let expected = rows.flatMap { row in
          let mean = row.reduce(0) { $0 + Double($1) * Double($1) } / Double(length)
          return zip(row, scale.floats!).map { Float(Double($0) / (mean + 0.125).squareRoot()) * $1 }
        }
        let tested = Case(
          op: "RMSNormalization", constants: [scale], attributes: ["axis": .int(axis), "epsilon": .float(0.125)])
        try expect(tested, x, floats(expected, shape))

        let norms = rows.map { row in Float(row.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()) }
        for keeps in [0, 1] {
          let tested = Case(
            op: "ReduceL2", constants: [ONNXTensor(Array(axis..<shape.count))], attributes: ["keepdims": .int(keeps)])
          let rest = keeps == 1 ? shape[axis...].map { _ in 1 } : []
          try expect(tested, x, floats(norms, shape[..<axis] + rest))
        }

        let inner = shape[(axis + 1)...].reduce(1, *)
        for order in [1, 2] {
          var sums: [Int: Double] = [:]
          func line(_ index: Int) -> Int { index / inner / shape[axis] * inner + index % inner }
          for (index, value) in values.enumerated() {
            sums[line(index), default: 0] += order == 1 ? Double(value.magnitude) : Double(value) * Double(value)
          }
          let expected = values.indices.map { index in
            let sum = sums[line(index)]!
            return Float(Double(values[index]) / (order == 1 ? sum : sum.squareRoot()))
          }
          let tested = Case(op: "LpNormalization", attributes: ["axis": .int(axis), "p": .int(order)])
          try expect(tested, x, floats(expected, shape))
        }
      }
    }
  }

  @Test func normsOfZeros() throws {
    let zeros = floats(.init(repeating: 0, count: 6), [2, 3])
    try expect(Case(op: "LpNormalization"), zeros, zeros)
    try expect(Case(op: "ReduceL2", constants: [ONNXTensor([1])]), zeros, floats([0, 0], [2, 1]))
  }

  // MARK: Products

  /// Vectors lose the axis that they lack.
  @Test func productsOfVectors() throws {
    let vector = floats([1, -2, 3])
    try expect(Case(op: "MatMul", constants: [vector]), floats([4, 5, 6]), floats([12], []))
    try expect(Case(op: "MatMul", constants: [vector]), floats([4, 5, 6, 1, 1, 1], [2, 3]), floats([12, 2]))
    let matrices = floats([1, 0, 0, 1, 1, 1, 2, 0, 0, 2, 2, 2], [2, 3, 2])
    try expect(Case(op: "MatMul", constants: [matrices]), vector, floats([4, 1, 8, 2], [2, 2]))
  }

  // MARK: Movements

  @Test func spaceToDepthByChannels() throws {
    let x = ONNXTensor.random([2, 3, 4, 6])
    let values = try #require(x.floats)
    // Channel (c, i, j) of pixel (h, w) is channel c of pixel (2h + i, 2w + j).
    let expected = (0..<2 * 12 * 2 * 3).map { index in
      let (w, h, channel, n) = (index % 3, index / 3 % 2, index / 6 % 12, index / 72)
      return values[((n * 3 + channel / 4) * 4 + 2 * h + channel / 2 % 2) * 6 + 2 * w + channel % 2]
    }
    let tested = Case(op: "SpaceToDepth", attributes: ["blocksize": .int(2), "mode": .string("CRD")])
    try expect(tested, x, floats(expected, [2, 12, 2, 3]))
  }

  // MARK: Integers

  /// Of all pairs; ONNX rounds quotients towards 0.
  @Test func quotientsOfBytes() throws {
    for (type, range) in [(ONNXType.uint8, 0...255), (.int8, -128...127)] {
      let pairs = range.flatMap { a in range.filter { $0 != 0 && (a, $0) != (-128, -1) }.map { (a, $0) } }
      let offset = type == .int8 ? 128 : 0
      let graph = Case(op: "Div", inputs: 2).graph([[1, pairs.count], [1, pairs.count]], type)
      let session = try session(try ONNXImporter().importGraph(graph))
      let (a, b) = (pairs.map { UInt8($0.0 + offset) }, pairs.map { UInt8($0.1 + offset) })
      try session.setInput(a.span, at: "x")
      try session.setInput(b.span, at: "x2")
      try session.run()
      let results = try session.output("y", as: UInt8.self).map { Int($0) - offset }
      #expect(results == pairs.map { $0.0 / $0.1 })
    }
  }

  /// A scale for each block, or for each index of an axis, with zero points of their own: halves are rounded to even before
  /// the zero point is added.
  @Test func blocksAndAxesAreQuantized() throws {
    let shape = [2, 5]
    let values: [Float] = [-1.5, -0.5, 0.5, 1.5, 2.5, 300, -300, 7.3, 126.5, 127.5]
    for (blocks, axis, block) in [([2, 3], 1, 2), ([2], 0, 0), ([5], 1, 0), ([1, 5], 0, 2)] {
      let count = blocks.reduce(1, *)
      let scales = (0..<count).map { Float($0 % 3 + 1) }
      let zeros = (0..<count).map { Int64(100 + 3 * $0) }
      func place(_ index: Int) -> Int {
        let (row, column) = (index / 5, index % 5)
        if block == 0 { return axis == 0 ? row : column }
        return axis == 1 ? row * 3 + column / block : row / block * 5 + column
      }
      let constants = [floats(scales, blocks), ONNXTensor(.uint8, shape: blocks, integers: zeros)]
      var attributes: [String: ONNXAttribute] = ["axis": .int(axis)]
      if block > 0 { attributes["block_size"] = .int(block) }
      let expected = values.enumerated().map { index, value in
        let rounded = (value / scales[place(index)]).rounded(.toNearestOrEven)
        return UInt8(min(max(rounded + Float(zeros[place(index)]), 0), 255))
      }
      let quantize = Case(op: "QuantizeLinear", constants: constants, attributes: attributes)
      let first = try session(try ONNXImporter().importGraph(quantize.graph([shape], .float)))
      try first.setInput(values.span)
      try first.run()
      #expect(try first.output("y", as: UInt8.self) == expected, "\(blocks)")

      let dequantize = Case(op: "DequantizeLinear", constants: constants, attributes: attributes)
      let second = try session(try ONNXImporter().importGraph(dequantize.graph([shape], .uint8)))
      try second.setInput(expected.span)
      try second.run()
      let back = expected.enumerated().map { (Float($1) - Float(zeros[place($0)])) * scales[place($0)] }
      #expect(try second.output("y") == back, "\(blocks)")
      // And of a constant.
      var graph = dequantize.graph([shape], .uint8)
      graph.inputs = []
      graph.constants["x"] = ONNXTensor(.uint8, shape: shape, integers: expected.map { Int64($0) })
      #expect(try ONNXImporter().importGraph(graph).outputs[0].constant?.floats == back)
    }
  }

  @Test func whatCannotBeIsNamed() throws {
    func error(_ tested: Case, _ shape: [Int], _ type: ONNXType = .float) throws -> String {
      try #require(throws: CNNError.self) {
        try ONNXImporter().importGraph(tested.graph([shape], type))
      }.description
    }
    // Elements that are repeated are parts of their own.
    #expect(
      try error(
        Case(
          op: "Resize", constants: [nil, nil, ONNXTensor([1, 65_536])],
          attributes: ["coordinate_transformation_mode": .string("tf_half_pixel_for_nn")]), [1, 20_000]
      ).contains("separate parts"))
    let one = floats([1], [])
    let int4 = ONNXTensor(.int4, shape: [], integers: [0])
    #expect(try error(Case(op: "QuantizeLinear", constants: [one, int4]), [1, 3]).contains("quantizes to int4"))
    #expect(
      try error(Case(op: "Cast", attributes: ["to": .int(17)]), [1, 3]).contains(
        "casts a computed float to float8e4m3fn"))
    #expect(try error(Case(op: "Relu"), [1, 3], .float8e5m2).contains("is float8e5m2"))
    #expect(
      try error(
        Case(op: "QuantizeLinear", constants: [floats([1, 1])], attributes: ["block_size": .int(2)]), [1, 3]
      ).contains("scales of shape [2] for blocks of 2 along axis 1 of [1, 3]"))
    #expect(
      try error(
        Case(
          op: "Resize", constants: [floats([0, 1]), floats([1, 2])],
          attributes: ["coordinate_transformation_mode": .string("tf_crop_and_resize")]), [1, 3]
      ).contains("its roi"))
    #expect(
      try error(
        Case(op: "Resize", constants: [nil, floats([1, 2])], attributes: ["mode": .string("cubic")]), [1, 3], .uint8
      )
      .contains("interpolates uint8"))
  }
}
