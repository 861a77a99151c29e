import CNNModel
import CNNPasses
import CNNQuantize
import CNNRT
import CNNSupport
import Testing

/// Layers that stay in float inside int8 networks.
@Suite struct FloatLayersTests {
  private func run(_ graph: Graph, _ tensors: [String], _ input: [Float]) throws -> [[Float]] {
    var graph = graph
    graph.outputs = tensors
    graph.removeUnused()
    let session = try Session(Model(bytes: try BundleWriter().bytes(of: graph)))
    try session.setInput(input.span)
    try session.run()
    return try tensors.indices.map { try session.output($0) }
  }

  private func calibrated(_ seed: UInt64) throws -> (Graph, [String: AffineQuantization], [Float]) {
    var float = try RandomGraph.network(seed)
    float.run(Pass.forInference + [.batchNormalizationToConv])
    var generator = SeededGenerator(seed: 500 + seed)
    let input = generator.normals(float.tensors["input"]!.count)
    var calibration = Calibration(float)
    for (tensor, values) in zip(calibration.tensors, try run(float, calibration.tensors, input)) {
      values.withUnsafeBufferPointer { calibration.add($0, of: tensor) }
    }
    var quantizations = calibration.quantizations(.minMax)
    quantizations["input"] = AffineQuantization(lower: -4, upper: 4)
    return (float, quantizations, input)
  }

  private func decibels(_ real: [Float], _ approximate: [Float]) -> Double {
    var ratio = SignalToNoise()
    real.withUnsafeBufferPointer { real in
      approximate.withUnsafeBufferPointer { ratio.add(real: real, approximate: $0) }
    }
    return ratio.decibels
  }

  /// Everything but what moves values in float: only the input is rounded, and what a pool between float layers stores.
  @Test(arguments: 0..<12) func allLayersInFloatGiveTheFloatResult(seed: UInt64) throws {
    let (float, quantizations, input) = try calibrated(seed)
    let moving = Set(["Relu", "Clip", "MaxPool", "GlobalMaxPool", "Flatten", "Reshape", "Transpose", "Slice", "Pad"])
    let others = Set(["Resize", "DepthToSpace", "SpaceToDepth", "Concat", "ReduceMax", "ReduceMin"])
    let layers = float.operators.filter { !moving.union(others).contains($0.kind.name) }.map(\.name)
    let mixed = try float.withFloatLayers(Set(layers)).quantized(quantizations)
    try mixed.validate()
    #expect(mixed.isQuantized && mixed.isMixed)
    for layer in mixed.operators where layer.kind.hasWeight {
      #expect(mixed.tensors[layer.inputs[1]]!.type == .float32)
    }
    let result = float.operators.last!.inputs[0]
    #expect(decibels(try run(float, [result], input)[0], try run(mixed, [result], input)[0]) > 25)
  }

  /// One layer after another: it computes in float, its neighbours in int8, and the result gets no worse.
  @Test(arguments: [0, 1, 2, 6, 7]) func oneLayerInFloatLeavesTheOthers(seed: UInt64) throws {
    let (float, quantizations, input) = try calibrated(seed)
    let result = float.operators.last!.inputs[0]
    let expected = try run(float, [result], input)[0]
    let int8 = try float.quantized(quantizations)
    let without = decibels(expected, try run(int8, [result], input)[0])
    for layer in float.operators where layer.kind.hasWeight {
      let mixed = try float.withFloatLayers([layer.name]).quantized(quantizations)
      try mixed.validate()
      let weights = mixed.operators.filter { $0.kind.hasWeight }
      #expect(weights.filter { mixed.tensors[$0.inputs[1]]!.type == .float32 }.map(\.name) == [layer.name])
      #expect(mixed.operators.contains { $0.kind == .dequantizeLinear })
      #expect(decibels(expected, try run(mixed, [result], input)[0]) > without - 3, "\(layer.name)")
    }
  }

  /// A sum of 255 times the weights that does not fit 32 bits: such a layer is found, and nothing else.
  @Test func layersWithoutInt8FormAreFound() throws {
    var net = RandomGraph(seed: 9, input: [1, 3, 8, 8])
    let first = net.conv("input", 6)
    let second = net.conv(first, 4)
    var float = try net.finished(net.conv(second, 2))
    float.run(Pass.forInference + [.batchNormalizationToConv])
    var quantizations = Dictionary(
      uniqueKeysWithValues: float.tensors.keys.map { ($0, AffineQuantization(lower: -4, upper: 4)) })
    #expect(try float.layersWithoutInt8Form(quantizations).isEmpty)
    // Scales that are too far apart.
    quantizations[float.operators[1].output] = AffineQuantization(lower: -1e37, upper: 1e37)
    quantizations[float.operators[0].output] = AffineQuantization(lower: -1e-6, upper: 1e-6)
    let reasons = try float.layersWithoutInt8Form(quantizations)
    #expect(Set(reasons.keys) == [float.operators[1].name])
    let mixed = try float.withFloatLayers(Set(reasons.keys)).quantized(quantizations)
    try mixed.validate()
  }

  @Test func unknownAndMovingLayersAreRefused() throws {
    var net = RandomGraph(seed: 4, input: [1, 3, 8, 8])
    let graph = try net.finished(net.conv(net.maxPool(net.conv("input", 6)), 4))
    #expect { try graph.withFloatLayers(["nobody"]) } throws: { "\($0)".contains("there is no layer “nobody”") }
    let pool = graph.operators[1].name
    #expect { try graph.withFloatLayers([pool]) } throws: { "\($0)".contains("MaxPool only moves values") }
  }
}
