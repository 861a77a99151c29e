import CNNModel
import CNNPasses
import CNNRT
import Testing

/// What every rewrite must keep: a valid network, the names and shapes of its outputs, and their values in libcnnrt.
struct PassCheck {
  var before: Graph
  var after: Graph
  var rewrites: Int

  /// Runs a pass on a network of any number of inputs and compares the outputs for random inputs.
  init(
    _ pass: Pass, _ graph: Graph, seed: UInt64 = 1, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    before = graph
    after = graph
    rewrites = pass.rewrite(&after)
    if rewrites == 0 { #expect(after == before, sourceLocation: sourceLocation) }
    // A pass leaves nothing to do for itself.
    var again = after
    #expect(pass.rewrite(&again) == 0, sourceLocation: sourceLocation)
    after.removeUnused()
    try after.validate()
    #expect(after.inputs == before.inputs && after.outputs == before.outputs, sourceLocation: sourceLocation)
    try compare(seed: seed, sourceLocation: sourceLocation)
  }

  private func compare(seed: UInt64, sourceLocation: SourceLocation) throws {
    var generator = SeededGenerator(seed: 1000 + seed)
    let inputs = before.inputs.map { generator.normals(before.tensors[$0]!.count, deviation: 3) }
    for (expected, found) in zip(try before.run(inputs), try after.run(inputs)) {
      expectClose(expected, found, sourceLocation: sourceLocation)
    }
  }

  /// Operators as "Conv", with "+" where an activation is fused.
  var kinds: [String] { after.kinds }
}

/// Equal within 1e-5 of the range of the expected values, which must have one; of a single one, within 1e-5 of it.
func expectClose(_ expected: [Float], _ found: [Float], sourceLocation: SourceLocation = #_sourceLocation) {
  let range = expected.count == 1 ? abs(expected[0]) : expected.max()! - expected.min()!
  #expect(expected.count == found.count && range > 0, sourceLocation: sourceLocation)
  let difference = zip(expected, found).map { abs($0 - $1) }.max()!
  #expect(difference <= 1e-5 * range, "\(difference) of \(range)", sourceLocation: sourceLocation)
}

extension Graph {
  var kinds: [String] { operators.map { $0.kind.name + ($0.activation == .none ? "" : "+") } }

  /// The values of the outputs in libcnnrt.
  func run(_ inputs: [[Float]]) throws -> [[Float]] {
    let session = try Session(Model(bytes: try BundleWriter(codec: .stored).bytes(of: self)))
    for (index, input) in inputs.enumerated() { try session.setInput(input.span, at: index) }
    try session.run()
    return try outputs.indices.map { try session.output($0) }
  }
}

extension RandomGraph {
  /// A number as a constant.
  mutating func number(_ value: Float) -> String { normals([1], deviation: 0, mean: value) }

  mutating func mul(_ x: String, _ value: Float) -> String { append(.mul, [x, number(value)]) }
  mutating func add(_ x: String, _ value: Float) -> String { append(.add, [x, number(value)]) }
  mutating func reshape(_ x: String, _ shape: Int...) -> String { append(.reshape([1] + shape), [x]) }
  mutating func clip(_ x: String, _ min: Float, _ max: Float) -> String { append(.clip(min: min, max: max), [x]) }
  mutating func unary(_ function: UnaryFunction, _ x: String) -> String { append(.unary(function), [x]) }

  /// From channels last to channels first.
  mutating func first(_ x: String) -> String { append(.transpose([0, 3, 1, 2]), [x]) }
  /// From channels first to channels last.
  mutating func last(_ x: String) -> String { append(.transpose([0, 2, 3, 1]), [x]) }
}
