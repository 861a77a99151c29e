import CNNModel
import CNNSupport
import Testing

/// Networks of many operators in which tensors of all ranks and layouts meet, are kept, and are written over: they give what their
/// operators give one by one, each in a bundle of its own.
struct MixedGraphTests {
  enum Mode: CaseIterable {
    case float, int8
    /// Float and int8 operators side by side; of float ones, those that give the same bits from any layout.
    case mixed
  }

  struct Network {
    var inputs: [[Int]] = []
    var steps: [(spec: OperatorSpec, operands: [Int])] = []
    /// Of the inputs, then of each step's result.
    var shapes: [[Int]] = []
    var quantizations: [RawBundle.Quantization?] = []
    /// Values that are given out.
    var outputs: [Int] = []

    func isInt8(_ step: Int) -> Bool {
      quantizations[steps[step].operands[0]] != nil && quantizations[inputs.count + step] != nil
    }
    /// nil: float32 alone.
    func stored(_ step: Int) -> OperatorSpec.Stored? {
      let (spec, operands) = steps[step]
      var stored = OperatorSpec.Stored(
        inputs: operands.compactMap { quantizations[$0] }, output: quantizations[inputs.count + step])
      guard !stored.inputs.isEmpty || stored.output != nil else { return nil }
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

  static let exactKinds: Set = [
    "MaxPool", "AveragePool", "Relu", "Clip", "PRelu", "Add", "Mul", "Sub", "Concat", "Slice", "Pad", "Transpose",
    "Reshape", "Flatten", "Dropout", "ReduceMax", "QuantizeLinear",
  ]

  static func random(_ operators: inout RandomOperators, _ mode: Mode) -> Network {
    var n = Network()
    func quantization(_ r: inout Random) -> RawBundle.Quantization {
      .init(scale: r.uniform(0.01, 0.04), zeroPoint: Int32(r.below(256)))
    }
    func isQuantized(_ r: inout Random) -> Bool { mode == .int8 || mode == .mixed && r.below(3) == 0 }
    let channels = [3, 16, 18, 40][operators.random.below(4)]
    n.inputs = [[1, channels, 2 + operators.random.below(5), 2 + operators.random.below(5)]]
    if operators.random.below(3) == 0 { n.inputs.append([1, 1 + operators.random.below(6), 12]) }
    n.shapes = n.inputs
    n.quantizations = n.inputs.map { _ in isQuantized(&operators.random) ? quantization(&operators.random) : nil }
    var tries = 0
    while n.steps.count < 10, tries < 60 {
      tries += 1
      var kind = kinds[operators.random.below(kinds.count)]
      // Mostly the last value; sometimes an earlier one, whose memory must have been kept.
      let x = operators.random.below(3) > 0 ? n.shapes.count - 1 : operators.random.below(n.shapes.count)
      let quantized = n.quantizations[x] != nil
      if mode == .mixed, operators.random.below(3) == 0 { kind = quantized ? "DequantizeLinear" : "QuantizeLinear" }
      if quantized ? kind == "BatchNormalization" : mode == .mixed && !exactKinds.contains(kind) { continue }
      guard let spec = operators.next(kind, reading: n.shapes[x]), spec.output.reduce(1, *) <= 4000 else { continue }
      let alike = n.shapes.indices.filter { n.shapes[$0] == n.shapes[x] && (n.quantizations[$0] != nil) == quantized }
      let operands = spec.inputs.indices.map { $0 == 0 ? x : alike[operators.random.below(alike.count)] }
      n.steps.append((spec, operands))
      n.shapes.append(spec.output)
      let isUInt8 = OperatorSpec.conversions.contains(kind) ? !quantized : quantized
      n.quantizations.append(
        !isUInt8 ? nil : OperatorSpec.keepers.contains(kind) ? n.quantizations[x] : quantization(&operators.random))
    }
    let read = Set(n.steps.flatMap(\.operands))
    n.outputs = (n.inputs.count..<n.shapes.count).filter { !read.contains($0) || operators.random.below(6) == 0 }
    return n
  }

  @Test(arguments: Mode.allCases) func sameAsOneByOne(mode: Mode) throws {
    var operators = RandomOperators(seed: 70 + UInt64(Mode.allCases.firstIndex(of: mode)!))
    for round in 0..<150 {
      let n = Self.random(&operators, mode)
      guard !n.steps.isEmpty else { continue }
      let what = "round \(round): \(n.steps.map { "\($0.spec.op)\($0.operands)\($0.spec.output)" })"
      let (batch, threads) = (1 + operators.random.below(3), 1 + operators.random.below(3))
      var values = n.inputs.indices.map { i -> [UInt8] in
        let count = n.inputs[i].reduce(batch, *)
        return n.quantizations[i] != nil
          ? (0..<count).map { _ in UInt8(operators.random.below(256)) }
          : RawBundle.bytes((0..<count).map { _ in operators.random.uniform(-2, 2) })
      }
      // The whole network.
      var b = RawBundle()
      b.inputs = zip(n.inputs, n.quantizations).map { b.activation($0, $1) }
      var tensors = b.inputs
      for (i, step) in n.steps.enumerated() {
        let inputs = step.operands.map { tensors[$0] }
        let stored = n.stored(i)
        tensors.append(
          n.isInt8(i)
            ? step.spec.append(to: &b, inputs, stored!) : step.spec.append(to: &b, inputs, like: stored))
      }
      b.outputs = n.outputs.map { tensors[$0] }
      let isa = Library.isas[round % Library.isas.count]
      let session = try OpenSession(OpenModel(b.bytes, isa: isa)) {
        $0.batch = Int32(batch)
        $0.threads = Int32(threads)
      }
      let inputs = Array(values)
      let ports = self.ports(n, Array(n.inputs.indices), n.outputs)
      let got = try session.run(ports, inputs)
      #expect(try session.run(ports, inputs) == got, "\(what) again")
      // One by one.
      for (i, step) in n.steps.enumerated() {
        let stored = n.stored(i)
        let bundle = n.isInt8(i) ? step.spec.bundle(stored!) : step.spec.bundle(like: stored)
        let operands = step.operands.map { values[$0] }
        values.append(
          try OperatorTests.run(
            bundle.bytes, self.ports(n, step.operands, [n.inputs.count + i]), operands, isa: isa, (batch, 1)))
      }
      for (k, output) in n.outputs.enumerated() {
        if mode != .float {
          #expect(got[k] == values[output], "\(what): value \(output) on \(isa), batch \(batch)")
        } else {
          OperatorTests.expectClose(
            OperatorTests.floats(got[k]), OperatorTests.floats(values[output]), 1e-4,
            "\(what): value \(output) on \(isa), batch \(batch)")
        }
      }
    }
  }

  /// What the tests' sessions need to know: inputs and outputs, which are values of the network.
  private func ports(_ n: Network, _ inputs: [Int], _ outputs: [Int]) -> Graph {
    var graph = Graph()
    func tensor(_ i: Int) -> Tensor {
      guard let q = n.quantizations[i] else { return Tensor(shape: n.shapes[i]) }
      return Tensor(.uint8, shape: n.shapes[i], quantization: .init(scale: q.scale, zeroPoint: q.zeroPoint))
    }
    for (k, i) in inputs.enumerated() {
      graph.inputs.append("x\(k)")
      graph.tensors["x\(k)"] = tensor(i)
    }
    for i in outputs {
      graph.outputs.append("y\(i)")
      graph.tensors["y\(i)"] = tensor(i)
    }
    return graph
  }
}
