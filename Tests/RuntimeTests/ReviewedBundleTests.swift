import CBundle
import CCNNRT
import CNNModel
import Testing

/// Bundles that once made opening crash or hang, or gave wrong values: found by reading.
struct ReviewedBundleTests {
  private func open(_ bundle: RawBundle) -> CallError? {
    do throws(CallError) {
      _ = try OpenModel(bundle.bytes, maxMemory: 1 << 26, maxWork: 1 << 26)
      return nil
    } catch { return error }
  }

  private func operation(_ kind: Int) -> cnnb_operator {
    var o = cnnb_operator()
    o.kind = UInt32(kind)
    return o
  }

  /// The product of its sides does not fit; nobody else looks at a Gemm's window.
  @Test func windowOfAGemm() {
    var bundle = RawBundle()
    let x = bundle.activation([1, 4], nil), y = bundle.activation([1, 3], nil)
    let weight = bundle.constant(CNNB_TYPE_FLOAT32, CNNB_LAYOUT_CONV, [3, 4], [UInt8](repeating: 0, count: 256))
    var gemm = operation(CNNB_OP_GEMM)
    (gemm.window.kernel_height, gemm.window.kernel_width) = (UInt32.max, UInt32.max)
    bundle.add(gemm, [x, weight], y)
    (bundle.inputs, bundle.outputs) = ([x], [y])
    #expect(open(bundle) == nil)
  }

  @Test func concatOfBytesToFloats() throws {
    var bundle = RawBundle()
    let x = bundle.activation([1, 4], .init(scale: 0.5, zeroPoint: 3)), y = bundle.activation([1, 4], nil)
    var concat = operation(CNNB_OP_CONCAT)
    concat.integers.0 = 1
    bundle.add(concat, [x], y)
    (bundle.inputs, bundle.outputs) = ([x], [y])
    #expect(try #require(open(bundle)).message.contains("differ in type"))
  }

  /// 2³¹ output channels times 1,023 phases without a tap, in a file of less than a kilobyte.
  @Test func phasesWithoutTaps() throws {
    var bundle = RawBundle()
    let channels = Int(Int32.max)
    let x = bundle.activation([1, 1, 1, 1], nil), y = bundle.activation([1, channels, 1, 1], nil)
    let weight = bundle.constant(
      CNNB_TYPE_FLOAT32, CNNB_LAYOUT_CONV_TRANSPOSE, [1, channels, 1, 1], [UInt8](repeating: 0, count: 64))
    var transposed = operation(CNNB_OP_CONV_TRANSPOSE)
    (transposed.window.kernel_height, transposed.window.kernel_width) = (1, 1)
    (transposed.window.stride_y, transposed.window.stride_x) = (32, 32)
    (transposed.window.dilation_y, transposed.window.dilation_x, transposed.window.group) = (1, 1, 1)
    bundle.add(transposed, [x, weight], y)
    (bundle.inputs, bundle.outputs) = ([x], [y])
    #expect(try #require(open(bundle)).status != CNNRT_OK)
  }

  @Test func operatorsThatShareOperands() throws {
    var bundle = RawBundle()
    let tensors = (0..<3).map { _ in bundle.activation([1, 4], nil) }
    for k in 0..<2 {
      var relu = operation(CNNB_OP_RELU)
      (relu.first_operand, relu.input_count, relu.output_count) = (UInt32(k), 1, 1)
      bundle.operators.append(relu)
    }
    (bundle.operands, bundle.inputs, bundle.outputs) = (tensors, [tensors[0]], [tensors[2]])
    #expect(try #require(open(bundle)).message.contains("more operands"))
  }

  /// x + LayerNormalization(x): one operand in blocks of channels, the other row-major.
  @Test(arguments: [1, 16, 17, 40]) func sumOfBlocksAndPlain(channels: Int) throws {
    var graph = Graph()
    for name in ["x", "g", "m", "y"] { graph.tensors[name] = CNNModel.Tensor(shape: [1, channels]) }
    graph.operators = [
      Operator("g", .relu, inputs: ["x"], outputs: ["g"]),
      Operator("m", .layerNormalization(axis: 1, epsilon: 1e-5), inputs: ["g"], outputs: ["m"]),
      Operator("y", .add, inputs: ["g", "m"], outputs: ["y"]),
    ]
    (graph.inputs, graph.outputs) = (["x"], ["g", "m", "y"])
    let session = try OpenSession(OpenModel(graph))
    let values = (0..<channels).map { Float($0 * $0 % 23) - 5 }
    let out = try session.run(graph, [RawBundle.bytes(values)]).map(OperatorTests.floats)
    #expect(out[2] == zip(out[0], out[1]).map { $0 + $1 })
    #expect(channels == 1 || Set(out[1]).count > 1)
  }
}
