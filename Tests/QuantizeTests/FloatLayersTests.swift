import CNNModel
import CNNPasses
import CNNQuantize
import CNNSupport
import Testing

/// Layers that stay in float inside int8 networks.
@Suite struct FloatLayersTests {
  private func calibrated(_ seed: UInt64) throws -> (Graph, [String: AffineQuantization], [Float]) {
    var float = try RandomGraph.network(seed)
    float.run(Pass.forInference + [.batchNormalizationToConv])
    var generator = SeededGenerator(seed: 500 + seed)
    let input = generator.normals(float.tensors["input"]!.count)
    return (float, try float.calibrated(.minMax, for: input), input)
  }

  /// Everything but what moves values in float: only the input is rounded, and what a pool between float layers stores.
  @Test(arguments: 0..<12) func allLayersInFloatGiveTheFloatResult(seed: UInt64) throws {
    let (float, quantizations, input) = try calibrated(seed)
    let moving = Set(["Relu", "Clip", "MaxPool", "GlobalMaxPool", "Flatten", "Reshape", "Transpose", "Slice", "Pad"])
    let others = Set(["Resize", "DepthToSpace", "SpaceToDepth", "Concat", "ReduceMax", "ReduceMin"])
    let layers = float.operators.filter { !moving.union(others).contains($0.kind.name) }.map(\.name)
    let mixed = try float.quantized(quantizations, floatLayers: Set(layers))
    try mixed.validate()
    #expect(mixed.isQuantized && mixed.isMixed)
    for layer in mixed.operators where layer.kind.hasWeight {
      #expect(mixed.tensors[layer.inputs[1]]!.type == .float32)
    }
    let result = float.operators.last!.inputs[0]
    #expect(decibels(try float.values(of: [result], for: input)[0], try mixed.values(of: [result], for: input)[0]) > 25)
  }

  /// One layer after another: it computes in float, its neighbours in int8, and the result gets no worse. (Not for networks 5
  /// and 11, whose five results are too few for a ratio.)
  @Test(arguments: [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]) func oneLayerInFloatLeavesTheOthers(seed: UInt64) throws {
    let (float, quantizations, input) = try calibrated(seed)
    let result = float.operators.last!.inputs[0]
    let expected = try float.values(of: [result], for: input)[0]
    let int8 = try float.quantized(quantizations)
    let without = decibels(expected, try int8.values(of: [result], for: input)[0])
    for layer in float.operators where layer.kind.hasWeight {
      let mixed = try float.quantized(quantizations, floatLayers: [layer.name])
      try mixed.validate()
      let weights = mixed.operators.filter { $0.kind.hasWeight }
      #expect(weights.filter { mixed.tensors[$0.inputs[1]]!.type == .float32 }.map(\.name) == [layer.name])
      #expect(mixed.operators.contains { $0.kind == .dequantizeLinear })
      #expect(decibels(expected, try mixed.values(of: [result], for: input)[0]) > without - 3, "\(layer.name)")
    }
  }

  /// A sum whose operands' steps are beyond float's range of its own: such a layer is found, and nothing else.
  @Test func layersWithoutInt8FormAreFound() throws {
    var net = RandomGraph(seed: 9, input: [1, 3, 8, 8])
    let (a, b) = (net.conv("input", 6), net.conv("input", 6))
    let sum = net.add(a, b)
    var float = try net.finished { $0.conv(sum, 2) }
    float.run(Pass.forInference + [.batchNormalizationToConv])
    var quantizations = Dictionary(
      uniqueKeysWithValues: float.tensors.keys.map { ($0, AffineQuantization(lower: -4, upper: 4)) })
    #expect(try float.quantized(quantizations).layersWithoutInt8Form.isEmpty)
    quantizations[a] = AffineQuantization(lower: -1e37, upper: 1e37)
    quantizations[sum] = AffineQuantization(lower: -1e-6, upper: 1e-6)
    let reasons = try float.quantized(quantizations).layersWithoutInt8Form
    #expect(Set(reasons.keys) == [sum])
    try float.quantized(quantizations, floatLayers: Set(reasons.keys)).validate()
  }

  @Test func unknownAndMovingLayersAreRefused() throws {
    let (float, quantizations, _) = try calibrated(0)
    #expect {
      try float.quantized(quantizations, floatLayers: ["nobody"])
    } throws: {
      "\($0)".contains("there is no layer “nobody”")
    }
    let pool = try #require(float.operators.first { $0.kind.name == "MaxPool" }).name
    #expect {
      try float.quantized(quantizations, floatLayers: [pool])
    } throws: {
      "\($0)".contains("MaxPool only moves values")
    }
  }
}
