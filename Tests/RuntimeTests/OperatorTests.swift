import CBundle
import CCNNRT
import CNNModel
import CNNSupport
import Foundation
import Testing

/// Each operator alone, in bundles made from FORMAT.md: against the naive kernels, against other implementations, and its int8
/// form against its float one.
struct OperatorTests {
  static let sessions = [(batch: 1, threads: 1), (batch: 3, threads: 3)]

  /// What a bundle gives for inputs of a batch.
  static func run(
    _ bytes: [UInt8], _ ports: Graph, _ inputs: [[UInt8]], isa: String, library: Library = .shipped,
    _ session: (batch: Int, threads: Int)
  ) throws -> [UInt8] {
    let session = try OpenSession(OpenModel(bytes, isa: isa, library: library)) {
      $0.batch = Int32(session.batch)
      $0.threads = Int32(session.threads)
    }
    let first = try session.run(ports, inputs)[0]
    // The arena is shared by tensors: a second run must not see the first.
    #expect(try session.run(ports, inputs)[0] == first)
    return first
  }

  static func floats(_ bytes: [UInt8]) -> [Float] { TensorData(type: .float32, bytes: bytes).floats! }

  static func expectClose(_ got: [Float], _ expected: [Float], _ tolerance: Float, _ what: String) {
    #expect(got.count == expected.count)
    let largest = expected.reduce(1e-3) { max($0, abs($1)) }
    let error = zip(got, expected).map { $0 == $1 ? 0 : abs($0 - $1) }.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
    #expect(error <= tolerance * largest, "\(what): off by \(error) of \(largest)")
  }

  static func text(_ spec: OperatorSpec) -> String {
    String(decoding: (try? JSONEncoder().encode(spec)) ?? Data(), as: UTF8.self)
  }

  // MARK: - Naive kernels

  @Test(arguments: RandomOperators.kinds) func sameAsNaiveKernels(op: String) throws {
    var operators = RandomOperators(seed: UInt64(OperatorSpec.kinds[op]!))
    for _ in 0..<(op.hasPrefix("Conv") ? 80 : 40) {
      var spec = operators.next(op)
      // Clip's infinity has no JSON.
      let what = spec.op == "Clip" ? "Clip \(spec.inputs)" : Self.text(spec)
      let float = spec.bundle().bytes
      for session in Self.sessions {
        let inputs = spec.inputs.indices.map { RawBundle.bytes(spec.input($0, batch: session.batch)) }
        let expected = Self.floats(
          try Self.run(float, spec.ports(), inputs, isa: "reference", library: .reference, session))
        for isa in Library.isas {
          let got = Self.floats(try Self.run(float, spec.ports(), inputs, isa: isa, session))
          Self.expectClose(got, expected, 3e-5, "\(what) on \(isa), batch \(session.batch)")
        }
      }
      guard op != "BatchNormalization" else { continue }
      if op == "Clip", spec.values[1] == .infinity { spec.values[1] = 1.5 }
      try Self.checkInt8(&spec, &operators.random, what)
    }
  }

  /// The same operator on stored values: to the bit on every instruction set, and close to the float one.
  static func checkInt8(_ spec: inout OperatorSpec, _ random: inout Random, _ what: String) throws {
    let isKeeper = OperatorSpec.keepers.contains(spec.op)
    let input = RawBundle.Quantization(
      scale: 6.1 / 255, zeroPoint: Int32(random.below(2) == 0 ? 128 : random.below(256)))
    var stored = OperatorSpec.Stored(
      inputs: spec.inputs.indices.map { i in
        // Divisors, 1 … 3.
        if spec.op == "Div" && i == 1 { return .init(scale: 0.0125, zeroPoint: 0) }
        guard i > 0 else { return input }
        return random.below(2) == 0
          ? input : .init(scale: random.uniform(0.01, 0.03), zeroPoint: Int32(random.below(256)))
      }, output: nil)
    if !spec.weight.isEmpty { stored.weights = (0..<spec.order.outputs).map { _ in random.uniform(0.001, 0.01) } }
    if spec.constantFirst && spec.op == "Div" { stored.inputs[0] = .init(scale: 0.0125, zeroPoint: 0) }
    if spec.op == "Div", !spec.plain.isEmpty { stored.constant.zeroPoint = 0 }
    let batch = 3
    let levels = spec.inputs.indices.map { i -> [UInt8] in
      let count = spec.inputs[i].reduce(batch, *), isDivisor = stored.inputs[i].zeroPoint == 0 && spec.op == "Div"
      return (0..<count).map { _ in UInt8(isDivisor ? 80 + random.below(176) : random.below(256)) }
    }
    let reals = zip(levels, stored.inputs).map { levels, q in RawBundle.bytes(levels.map { spec.real($0, q) }) }
    let float = floats(
      try run(
        spec.bundle(like: stored).bytes, spec.ports(), reals, isa: "reference", library: .reference, (batch, 1)))
    let (low, high) = (min(0, float.min()!), max(0, float.max()!))
    let scale = max((high - low) / 255, 1e-3)
    stored.output = isKeeper ? input : .init(scale: scale, zeroPoint: Int32(max(0, min(255, (-low / scale).rounded()))))
    let bytes = spec.bundle(stored).bytes, ports = spec.ports(stored)
    let expected = try run(bytes, ports, levels, isa: "reference", library: .reference, (batch, 1))
    for isa in Library.isas {
      for threads in [1, 3] {
        let got = try run(bytes, ports, levels, isa: isa, (batch, threads))
        #expect(got == expected, "\(what) in int8 on \(isa) with \(threads) threads")
      }
    }
    // Half a step of rounding; linear Resize has weights in 2048ths, tables and clips are of rounded values.
    let y = stored.output!
    let worst = zip(expected, float).map { q, real -> Float in
      let clamped = max(spec.real(0, y), min(spec.real(255, y), real))
      return abs(spec.real(q, y) - clamped)
    }.max()!
    let steps: Float = spec.op == "Resize" || spec.op == "Pad" || spec.op == "Concat" ? 0.8 : 0.51
    let bound = spec.op == "Clip" || !spec.clip.isEmpty ? 1.01 : steps
    #expect(worst <= bound * y.scale + 1e-4, "\(what) in int8: off by \(worst / y.scale) steps")
  }

  // MARK: - Between float32 and uint8

  /// By ARITHMETIC.md's section 3, in every layout a tensor can have.
  @Test(arguments: OperatorSpec.conversions) func conversionsAreThoseOfInputsAndOutputs(op: String) throws {
    var operators = RandomOperators(seed: UInt64(OperatorSpec.kinds[op]!))
    let quantizes = op == "QuantizeLinear", q = OperatorSpec.conversion
    let special: [Float] = [.infinity, -.infinity, .nan, 1e30, -1e30, 0.5 * q.scale, 1.5 * q.scale]
    for _ in 0..<60 {
      let spec = operators.next(op), session = Self.sessions[operators.random.below(2)]
      let count = spec.output.reduce(session.batch, *)
      let reals = (0..<count).map { _ in
        operators.random.below(9) > 0 ? operators.random.uniform(-3, 4) : special[operators.random.below(special.count)]
      }
      let levels = (0..<count).map { _ in UInt8(operators.random.below(256)) }
      let stored = reals.map { x -> UInt8 in
        let level = (x / q.scale).rounded(.toNearestOrEven) + Float(q.zeroPoint)
        return level.isNaN ? 0 : UInt8(max(0, min(255, level)))
      }
      let expected = quantizes ? stored : RawBundle.bytes(levels.map { spec.real($0, q) })
      var ports = spec.ports()
      let tensor = Tensor(
        .uint8, shape: spec.output, quantization: .init(scale: q.scale, zeroPoint: q.zeroPoint))
      ports.tensors[quantizes ? "y" : "x0"] = tensor
      for isa in Library.isas {
        let input = quantizes ? RawBundle.bytes(reals) : levels
        let got = try Self.run(spec.bundle().bytes, ports, [input], isa: isa, session)
        #expect(got == expected, "\(op) \(spec.inputs) on \(isa), batch \(session.batch)")
      }
    }
  }

  // MARK: - Other implementations

  /// PyTorch's results, or NumPy's after ONNX's formulas: Tools/vectors/operators.py.
  @Test func sameAsOthers() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Vectors")
    let lines = try String(contentsOf: folder.appending(path: "operators.json"), encoding: .utf8).split(separator: "\n")
    let numbers = Self.floats(Array(try Data(contentsOf: folder.appending(path: "operators.f32"))))
    var position = 0
    for line in lines {
      let spec = try JSONDecoder().decode(OperatorSpec.self, from: Data(line.utf8))
      let count = spec.output.reduce(1, *)
      let expected = Array(numbers[position..<position + count])
      position += count
      let inputs = spec.inputs.indices.map { RawBundle.bytes(spec.input($0)) }
      for isa in Library.isas {
        let got = Self.floats(try Self.run(spec.bundle().bytes, spec.ports(), inputs, isa: isa, (1, 1)))
        Self.expectClose(got, expected, 1e-5, "\(line) on \(isa)")
      }
    }
    #expect(position == numbers.count && lines.count > 80)
  }

  // MARK: - Damage

  /// Whatever the attributes, shapes and operand lists say: refused with a message, or run without harm.
  @Test(arguments: OperatorSpec.kinds.keys.sorted()) func anyAttributesAreSafe(op: String) throws {
    var operators = RandomOperators(seed: 1000 + UInt64(OperatorSpec.kinds[op]!))
    var (refused, taken) = (0, 0)
    for _ in 0..<60 {
      let spec = operators.next(op)
      var bundle = spec.bundle()
      damage(&bundle, &operators.random)
      if let error = Self.refusal(bundle.bytes) {
        #expect(error.message.count > 10 && error.status != CNNRT_OK)
        refused += 1
      } else {
        taken += 1
      }
    }
    #expect(refused > taken / 4)
  }

  /// What the library says to a bundle; nil where it runs.
  private static func refusal(_ bytes: [UInt8]) -> CallError? {
    do throws(CallError) {
      let model = try OpenModel(bytes, maxMemory: 1 << 26, maxWork: 1 << 26)
      let session = try OpenSession(model) { $0.batch = 2 }
      try session.run()
      return nil
    } catch { return error }
  }

  private func damage(_ bundle: inout RawBundle, _ random: inout Random) {
    let wild: [UInt32] = [0, 1, 2, 3, 5, 15, 16, 17, 255, 65535, 65536, 1 << 20, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]
    func number(_ r: inout Random) -> UInt32 { wild[r.below(wild.count)] }
    for _ in 0...random.below(2) {
      switch random.below(5) {
      case 0, 1:
        // A word of the attributes.
        let place = 20 + 4 * random.below(25)
        let value = number(&random)
        withUnsafeMutableBytes(of: &bundle.operators[0]) {
          $0.storeBytes(of: value, toByteOffset: place, as: UInt32.self)
        }
      case 2:
        let t = random.below(bundle.tensors.count), axis = random.below(6)
        let value = number(&random)
        withUnsafeMutableBytes(of: &bundle.tensors[t].dims) {
          $0.storeBytes(of: value, toByteOffset: 4 * axis, as: UInt32.self)
        }
      case 3:
        let t = random.below(bundle.tensors.count)
        bundle.tensors[t].rank = UInt32(random.below(8))
      default:
        // Lists are small numbers at the end.
        let bytes = min(bundle.weights.count, 64)
        guard bytes >= 4 else { continue }
        let place = (bundle.weights.count - bytes) / 4 * 4 + random.below(bytes / 4) * 4
        let value = number(&random)
        bundle.weights.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: place, as: UInt32.self) }
      }
    }
  }
}
