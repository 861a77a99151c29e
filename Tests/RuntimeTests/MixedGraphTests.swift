import CNNModel
import CNNSupport
import Testing

/// Networks of many operators in which tensors of all ranks and layouts meet, are kept, and are written over: they give what their
/// operators give one by one, each in a bundle of its own.
struct MixedGraphTests {
  struct Network {
    var inputs: [[Int]] = []
    var steps: [(spec: OperatorSpec, operands: [Int])] = []
    /// Of the inputs, then of each step's result.
    var shapes: [[Int]] = []
    var quantizations: [RawBundle.Quantization?] = []
    /// Values that are given out.
    var outputs: [Int] = []

    func stored(_ step: Int) -> OperatorSpec.Stored {
      let (spec, operands) = steps[step]
      var stored = OperatorSpec.Stored(
        inputs: operands.map { quantizations[$0]! }, output: quantizations[inputs.count + step])
      if !spec.weight.isEmpty { stored.weights = .init(repeating: 0.003, count: spec.order.outputs) }
      return stored
    }
  }

  static let kinds = [
    "Conv", "Conv", "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "LRN", "Relu", "Clip", "Sigmoid",
    "HardSwish", "PRelu", "Add", "Add", "Mul", "Sub", "Concat", "Concat", "Slice", "Pad", "Transpose", "Transpose",
    "Reshape", "Reshape", "Flatten", "Dropout", "ReduceMean", "ReduceMax", "Softmax", "LayerNormalization",
    "GroupNormalization", "MatMul", "MatMul", "Gemm", "BatchNormalization",
  ]

  static func random(_ operators: inout RandomOperators, quantized: Bool) -> Network {
    var n = Network()
    func quantization(_ r: inout Random) -> RawBundle.Quantization? {
      guard quantized else { return nil }
      return .init(scale: r.uniform(0.01, 0.04), zeroPoint: Int32(r.below(256)))
    }
    let channels = [3, 16, 18, 40][operators.random.below(4)]
    n.inputs = [[1, channels, 2 + operators.random.below(5), 2 + operators.random.below(5)]]
    if operators.random.below(3) == 0 { n.inputs.append([1, 1 + operators.random.below(6), 12]) }
    n.shapes = n.inputs
    n.quantizations = n.inputs.map { _ in quantization(&operators.random) }
    var tries = 0
    while n.steps.count < 10, tries < 60 {
      tries += 1
      let kind = kinds[operators.random.below(kinds.count)]
      if quantized && kind == "BatchNormalization" { continue }
      // Mostly the last value; sometimes an earlier one, whose memory must have been kept.
      let x = operators.random.below(3) > 0 ? n.shapes.count - 1 : operators.random.below(n.shapes.count)
      guard let spec = operators.next(kind, reading: n.shapes[x]), spec.output.reduce(1, *) <= 4000 else { continue }
      let alike = n.shapes.indices.filter { n.shapes[$0] == n.shapes[x] }
      let operands = spec.inputs.indices.map { $0 == 0 ? x : alike[operators.random.below(alike.count)] }
      n.steps.append((spec, operands))
      n.shapes.append(spec.output)
      n.quantizations.append(
        OperatorSpec.keepers.contains(kind) ? n.quantizations[x] : quantization(&operators.random))
    }
    let read = Set(n.steps.flatMap(\.operands))
    n.outputs = (n.inputs.count..<n.shapes.count).filter { !read.contains($0) || operators.random.below(6) == 0 }
    return n
  }

  @Test(arguments: [false, true]) func sameAsOneByOne(quantized: Bool) throws {
    var operators = RandomOperators(seed: quantized ? 71 : 72)
    for round in 0..<150 {
      let n = Self.random(&operators, quantized: quantized)
      guard !n.steps.isEmpty else { continue }
      let what = "round \(round): \(n.steps.map { "\($0.spec.op)\($0.operands)\($0.spec.output)" })"
      let (batch, threads) = (1 + operators.random.below(3), 1 + operators.random.below(3))
      var values = n.inputs.indices.map { i -> [UInt8] in
        let count = n.inputs[i].reduce(batch, *)
        return quantized
          ? (0..<count).map { _ in UInt8(operators.random.below(256)) }
          : RawBundle.bytes((0..<count).map { _ in operators.random.uniform(-2, 2) })
      }
      // The whole network.
      var b = RawBundle()
      b.inputs = zip(n.inputs, n.quantizations).map { b.activation($0, $1) }
      var tensors = b.inputs
      for (i, step) in n.steps.enumerated() {
        let inputs = step.operands.map { tensors[$0] }
        tensors.append(
          quantized ? step.spec.append(to: &b, inputs, n.stored(i)) : step.spec.append(to: &b, inputs))
      }
      b.outputs = n.outputs.map { tensors[$0] }
      let isa = Library.isas[round % Library.isas.count]
      let session = try OpenSession(OpenModel(b.bytes, isa: isa)) {
        $0.batch = Int32(batch)
        $0.threads = Int32(threads)
      }
      let inputs = Array(values)
      let got = try session.run(ports(n), inputs)
      #expect(try session.run(ports(n), inputs) == got, "\(what) again")
      // One by one.
      for (i, step) in n.steps.enumerated() {
        let stored = quantized ? n.stored(i) : nil
        let bundle = stored.map { step.spec.bundle($0) } ?? step.spec.bundle()
        let operands = step.operands.map { values[$0] }
        values.append(
          try OperatorTests.run(bundle.bytes, step.spec.ports(stored), operands, isa: isa, (batch, 1)))
      }
      for (k, output) in n.outputs.enumerated() {
        if quantized {
          #expect(got[k] == values[output], "\(what): value \(output) on \(isa), batch \(batch)")
        } else {
          OperatorTests.expectClose(
            OperatorTests.floats(got[k]), OperatorTests.floats(values[output]), 1e-4,
            "\(what): value \(output) on \(isa), batch \(batch)")
        }
      }
    }
  }

  private func ports(_ n: Network) -> Graph {
    var graph = Graph()
    func tensor(_ i: Int) -> Tensor {
      guard let q = n.quantizations[i] else { return Tensor(shape: n.shapes[i]) }
      return Tensor(.uint8, shape: n.shapes[i], quantization: .init(scale: q.scale, zeroPoint: q.zeroPoint))
    }
    for i in n.inputs.indices {
      graph.inputs.append("x\(i)")
      graph.tensors["x\(i)"] = tensor(i)
    }
    for i in n.outputs {
      graph.outputs.append("y\(i)")
      graph.tensors["y\(i)"] = tensor(i)
    }
    return graph
  }
}
