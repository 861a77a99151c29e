import CNNModel
import CNNONNX
import CNNRT
import CNNSupport
import Foundation

/// One of ONNX's own test cases: a model, and inputs with the outputs expected for them. It goes through import, bundle
/// and library.
struct ConformanceCase {
  /// Debian's libonnx-testdata.
  private static let debian = "/usr/share/libonnx-testdata/data"
  /// The cases of newer opsets, which Tools/onnx/node_cases.py makes; nil where it has not.
  private static var generated: String? { ProcessInfo.processInfo.environment["CNN_ONNX_CASES"] }
  static var exist: Bool { FileManager.default.fileExists(atPath: debian) }

  private let root: String
  /// "node/test_relu"
  let name: String
  /// "relu"
  var shortName: String { String(name[name.index(after: name.lastIndex(of: "/")!)...].dropFirst("test_".count)) }
  var isGenerated: Bool { root != Self.debian }
  var folder: String { "\(root)/\(name)" }

  enum Outcome: Equatable {
    case passed
    /// For a reason of the closed list.
    case outOfScope(String)
    /// The importer names what it lacks, as it may: 3-D windows.
    case named(String)
    /// The operator, which is not one of ours.
    case notOurs(String)
    case failed(String)
  }

  static func all() -> [ConformanceCase] {
    ["node", "pytorch-converted", "pytorch-operator", "simple"].flatMap { all(of: $0, in: debian) }
      + (generated.map { all(of: "generated", in: $0) } ?? [])
  }

  private static func all(of kind: String, in root: String) -> [ConformanceCase] {
    let cases = (try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(kind)")) ?? []
    return cases.sorted().map { ConformanceCase(root: root, name: "\(kind)/\($0)") }
      .filter { FileManager.default.fileExists(atPath: "\($0.folder)/model.onnx") }
  }

  func run() -> Outcome {
    let model: ONNXGraph
    do { model = try ONNXGraph(contentsOf: "\(folder)/model.onnx") } catch {
      return Scope(name: name, model: nil).outcome(error.description)
    }
    do {
      for set in try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      where set.hasPrefix("test_data_set") {
        let inputs = try tensors("input", of: set)
        let expected = try tensors("output", of: set)
        for constants in constantChoices(model, inputs) {
          if let difference = try compare(model, inputs, expected, constants) {
            return Scope(name: name, model: model).outcome(difference)
          }
        }
      }
      return .passed
    } catch {
      return Scope(name: name, model: model).outcome("\(error)")
    }
  }

  func tensors(_ kind: String, of set: String) throws -> [ONNXTensor] {
    var tensors: [ONNXTensor] = []
    while true {
      let file = "\(folder)/\(set)/\(kind)_\(tensors.count).pb"
      guard let bytes = FileManager.default.contents(atPath: file) else { return tensors }
      tensors.append(try ONNXTensor(protobuf: Array(bytes)))
    }
  }

  /// The inputs that are given as constants: integers and what operators must know; and besides, those that usually are
  /// constants. Both ways must work.
  func constantChoices(_ model: ONNXGraph, _ inputs: [ONNXTensor]) -> [Set<String>] {
    var needed: Set<String> = []
    var usual: Set<String> = []
    for (input, value) in zip(model.inputs, inputs) {
      let isActivation = value.type == .float || value.type == .uint8 || value.type == .int8
      if !isActivation { needed.insert(input.name) }
      for node in model.nodes {
        for (index, name) in node.inputs.enumerated() where name == input.name {
          if Self.needed[node.op]?.contains(index) == true { needed.insert(name) }
          if Self.usual.contains(node.op) && index > 0 && value.type.isFloat { usual.insert(name) }
        }
      }
    }
    let all = needed.union(usual)
    let leavesInputs = model.inputs.contains { !all.contains($0.name) }
    return all == needed || !leavesInputs ? [needed] : [needed, all]
  }

  /// Inputs that must be known when a network is imported.
  private static let needed: [String: Set<Int>] = [
    "Conv": [1, 2], "ConvTranspose": [1, 2], "BatchNormalization": [1, 2, 3, 4], "InstanceNormalization": [1, 2],
    "LayerNormalization": [1, 2], "GroupNormalization": [1, 2], "Clip": [1, 2], "Pad": [2], "Resize": [1, 2],
    "Upsample": [1], "Dropout": [1], "QuantizeLinear": [1, 2], "DequantizeLinear": [1, 2],
    "QLinearConv": [1, 2, 3, 4, 5, 6, 7], "QLinearMatMul": [1, 2, 4, 5, 6, 7], "ConvInteger": [1, 2, 3],
    "MatMulInteger": [2, 3], "Pow": [1], "Range": [0, 1, 2], "Where": [1, 2],
  ]
  private static let usual: Set<String> = [
    "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "Min", "PRelu", "Concat", "QLinearMatMul",
  ]

  /// nil if all outputs are as expected.
  private func compare(
    _ model: ONNXGraph, _ inputs: [ONNXTensor], _ expected: [ONNXTensor], _ constants: Set<String>
  ) throws -> String? {
    var options = ONNXImporter.Options()
    var activations: [String: ONNXTensor] = [:]
    for (input, value) in zip(model.inputs, inputs) {
      if constants.contains(input.name) {
        options.constants[input.name] = value
      } else {
        activations[input.name] = value
        options.shapes[input.name] = value.shape
      }
    }
    let imported = try ONNXImporter(options: options).importGraph(model)
    let results = try run(imported, activations)
    guard results.count == expected.count else { return "\(results.count) outputs instead of \(expected.count)" }
    for (output, (result, expected)) in zip(imported.outputs, zip(results, expected)) {
      guard result.shape == expected.shape else {
        return "\(output.name) has the shape \(result.shape) instead of \(expected.shape)"
      }
      if let difference = difference(result, expected) { return "\(output.name) \(difference)" }
    }
    return nil
  }

  private func run(_ imported: Imported, _ activations: [String: ONNXTensor]) throws -> [ONNXTensor] {
    if imported.outputs.allSatisfy({ $0.constant != nil }) { return imported.outputs.map { $0.constant! } }
    let bytes = try BundleWriter().bytes(of: imported.graph)
    let session = try Session(Model(bytes: bytes), Session.Options(batch: imported.batch))
    for input in imported.inputs {
      guard let value = activations[input.name] else { continue }
      if let floats = value.floats { try session.setInput(floats.span, at: input.name) }
      if let integers = value.integers {
        let stored = integers.map { UInt8($0 + (input.isOffset ? 128 : 0)) }
        try session.setInput(stored.span, at: input.name)
      }
    }
    try session.run()
    return try imported.outputs.map { output in
      if let constant = output.constant { return constant }
      if output.type == "uint8" || output.type == "int8" {
        let stored = try session.output(output.name, as: UInt8.self)
        let integers = stored.map { Int64($0) - (output.isOffset ? 128 : 0) }
        return ONNXTensor(.uint8, shape: output.shape, integers: integers)
      }
      return ONNXTensor(shape: output.shape, floats: try session.output(output.name, as: Float.self))
    }
  }

  /// What ONNX's own runner allows: 1e-3 of a value and 1e-7 on top; here 1e-5 of the range. Integers are equal.
  private func difference(_ result: ONNXTensor, _ expected: ONNXTensor) -> String? {
    if let integers = expected.integers {
      let own = result.integers ?? result.floats?.map { Int(exactly: $0) ?? .min } ?? []
      return own == integers ? nil : "has \(own.prefix(8)) instead of \(integers.prefix(8))"
    }
    guard let floats = expected.floats, let own = result.floats else { return "has another type" }
    let range = floats.lazy.filter(\.isFinite).map(abs).max() ?? 0
    let relative: Float = name.lowercased().contains("float16") ? 1e-2 : 1e-3
    for (own, other) in zip(own, floats) where own != other && !(own.isNaN && other.isNaN) {
      if !(abs(own - other) <= relative * abs(other) + 1e-5 * range) {
        return "has \(own) instead of \(other)"
      }
    }
    return nil
  }
}

/// Why a case that does not pass need not.
private struct Scope {
  let name: String
  /// nil if it cannot be read.
  let model: ONNXGraph?

  /// - Parameter problem: what went wrong.
  func outcome(_ problem: String) -> ConformanceCase.Outcome {
    // Debian's hold bfloat16 as uint16.
    if name.contains("BFLOAT16") { return .outOfScope(Self.types) }
    guard let model else { return .failed(problem) }
    let operators = Set(model.nodes.map { $0.domain.isEmpty ? $0.op : "\($0.domain).\($0.op)" })
    if let other = operators.subtracting(Self.ours).sorted().first { return .notOurs(other) }
    let types = (model.inputs + model.outputs).map(\.type)
    if types.contains(nil) { return .notOurs("sequences and optionals") }
    if types.contains(.string) { return .outOfScope("strings") }
    if problem.contains("training") { return .outOfScope("training mode") }
    if problem.contains("of rank 6") { return .outOfScope("rank over 5") }
    if problem.contains("Indices is int64") || makesOtherType(problem) { return .outOfScope(Self.types) }
    if problem.contains("three-dimensional") { return .named("three-dimensional windows") }
    return .failed(problem)
  }

  private static let types = "results in other types than float32, uint8 and int8"

  /// Whether a Cast or QuantizeLinear to such a type is the problem.
  private func makesOtherType(_ problem: String) -> Bool {
    let own: [ONNXType] = [.float, .float16, .uint8, .int8]
    return ONNXType.allCases.contains { type in
      !own.contains(type)
        && (problem.contains("quantizes to \(type.name);")
          || problem.hasSuffix("casts a computed float to \(type.name)"))
    }
  }

  /// The operators of the toolbox, those whose arithmetic is folded, and those that carry quantized networks.
  static let ours: Set<String> = [
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "CastLike", "Celu", "Clip", "Concat", "Constant",
    "ConstantOfShape", "Conv", "ConvInteger", "ConvTranspose", "DepthToSpace", "DequantizeLinear", "Div", "Dropout",
    "Elu", "Erf", "Expand", "Flatten", "Gather", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool",
    "GroupNormalization", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN",
    "LayerNormalization", "LeakyRelu", "LpNormalization", "MatMul", "MatMulInteger", "Max", "MaxPool", "Mean", "Min",
    "Mul", "Neg",
    "PRelu", "Pad", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "RMSNormalization", "Range", "Reciprocal",
    "ReduceL1",
    "ReduceL2", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "Selu", "Shape",
    "Sigmoid", "Size", "Slice", "Softmax", "Softsign", "SpaceToDepth", "Split", "Squeeze", "Sub", "Sum", "Swish",
    "Tanh", "Tile", "Transpose", "Unsqueeze", "Upsample", "Where",
  ]
}
