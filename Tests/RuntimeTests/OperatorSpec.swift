import CBundle
import CCNNRT
import CNNModel
import CNNSupport
import Foundation

/// One operator with its attributes, from which bundles are made: float32, and uint8 with the same weights. The vectors that are
/// compared with are written in the same form (Tools/vectors/operators.py).
struct OperatorSpec: Codable {
  var op: String
  /// Shapes of the activations it reads, and of its result.
  var inputs: [[Int]]
  var output: [Int]
  var integers: [Int] = []
  var values: [Float] = []
  /// In cnnb_operator's order, 13 numbers.
  var window: [Int] = []
  /// min, max
  var clip: [Float] = []
  var relu = false
  /// Its logical shape; of Conv, ConvTranspose, Gemm.
  var weight: [Int] = []
  var bias = false
  /// Constants of one value per channel; then plain constants; then lists of int32.
  var perChannel: [Int] = []
  var plain: [[Int]] = []
  var lists: [[Int]] = []
  /// The plain constant is the first operand.
  var constantFirst = false

  static let kinds: [String: Int] = [
    "Conv": CNNB_OP_CONV, "Gemm": CNNB_OP_GEMM, "BatchNormalization": CNNB_OP_BATCH_NORMALIZATION,
    "Relu": CNNB_OP_RELU, "MaxPool": CNNB_OP_MAX_POOL, "AveragePool": CNNB_OP_AVERAGE_POOL,
    "GlobalAveragePool": CNNB_OP_GLOBAL_AVERAGE_POOL, "GlobalMaxPool": CNNB_OP_GLOBAL_MAX_POOL, "Add": CNNB_OP_ADD,
    "Flatten": CNNB_OP_FLATTEN, "Softmax": CNNB_OP_SOFTMAX, "Clip": CNNB_OP_CLIP, "LeakyRelu": CNNB_OP_LEAKY_RELU,
    "Elu": CNNB_OP_ELU, "Sigmoid": CNNB_OP_SIGMOID, "Tanh": CNNB_OP_TANH, "Swish": CNNB_OP_SWISH,
    "HardSigmoid": CNNB_OP_HARD_SIGMOID, "HardSwish": CNNB_OP_HARD_SWISH, "Gelu": CNNB_OP_GELU, "Erf": CNNB_OP_ERF,
    "PRelu": CNNB_OP_PRELU, "Sub": CNNB_OP_SUB, "Mul": CNNB_OP_MUL, "Div": CNNB_OP_DIV, "LRN": CNNB_OP_LRN,
    "ConvTranspose": CNNB_OP_CONV_TRANSPOSE, "Concat": CNNB_OP_CONCAT, "Slice": CNNB_OP_SLICE, "Pad": CNNB_OP_PAD,
    "Reshape": CNNB_OP_RESHAPE, "Transpose": CNNB_OP_TRANSPOSE, "Resize": CNNB_OP_RESIZE,
    "DepthToSpace": CNNB_OP_DEPTH_TO_SPACE, "SpaceToDepth": CNNB_OP_SPACE_TO_DEPTH,
    "ReduceMean": CNNB_OP_REDUCE_MEAN, "ReduceSum": CNNB_OP_REDUCE_SUM, "ReduceMax": CNNB_OP_REDUCE_MAX,
    "ReduceMin": CNNB_OP_REDUCE_MIN, "LayerNormalization": CNNB_OP_LAYER_NORMALIZATION,
    "GroupNormalization": CNNB_OP_GROUP_NORMALIZATION, "InstanceNormalization": CNNB_OP_INSTANCE_NORMALIZATION,
    "MatMul": CNNB_OP_MATMUL, "Dropout": CNNB_OP_DROPOUT, "QuantizeLinear": CNNB_OP_QUANTIZE_LINEAR,
    "DequantizeLinear": CNNB_OP_DEQUANTIZE_LINEAR,
  ]
  /// What has a float32 and a uint8 side, which is `conversion` in bundles of one operator.
  static let conversions = ["DequantizeLinear", "QuantizeLinear"]
  static let conversion = RawBundle.Quantization(scale: 0.017, zeroPoint: 101)
  static let tables = [
    "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Swish", "HardSigmoid", "HardSwish", "Gelu", "Erf",
  ]
  /// What has one quantization for input and output.
  static let keepers = [
    "Relu", "MaxPool", "GlobalMaxPool", "Flatten", "Clip", "Slice", "Pad", "Reshape", "Transpose", "Resize",
    "DepthToSpace", "SpaceToDepth", "ReduceMax", "ReduceMin", "Dropout",
  ]

  /// Missing keys are empty.
  init(from decoder: any Decoder) throws {
    let c = try decoder.container(keyedBy: CodingKeys.self)
    func read<T: Decodable>(_ key: CodingKeys, _ other: T) throws -> T {
      try c.decodeIfPresent(T.self, forKey: key) ?? other
    }
    self.init(
      op: try c.decode(String.self, forKey: .op), inputs: try c.decode([[Int]].self, forKey: .inputs),
      output: try c.decode([Int].self, forKey: .output), integers: try read(.integers, []),
      values: try read(.values, []), window: try read(.window, []), clip: try read(.clip, []),
      relu: try read(.relu, false), weight: try read(.weight, []), bias: try read(.bias, false),
      perChannel: try read(.perChannel, []), plain: try read(.plain, []), lists: try read(.lists, []),
      constantFirst: try read(.constantFirst, false))
  }

  init(
    op: String, inputs: [[Int]], output: [Int], integers: [Int] = [], values: [Float] = [], window: [Int] = [],
    clip: [Float] = [], relu: Bool = false, weight: [Int] = [], bias: Bool = false, perChannel: [Int] = [],
    plain: [[Int]] = [], lists: [[Int]] = [], constantFirst: Bool = false
  ) {
    (self.op, self.inputs, self.output, self.integers, self.values) = (op, inputs, output, integers, values)
    (self.window, self.clip, self.relu, self.weight, self.bias) = (window, clip, relu, weight, bias)
    (self.perChannel, self.plain, self.lists, self.constantFirst) = (perChannel, plain, lists, constantFirst)
  }

  var kind: Int { Self.kinds[op]! }

  var record: cnnb_operator {
    var o = cnnb_operator()
    o.kind = UInt32(kind)
    o.activation = UInt32(relu ? CNNB_ACTIVATION_RELU : clip.isEmpty ? CNNB_ACTIVATION_NONE : CNNB_ACTIVATION_CLIP)
    if !clip.isEmpty { o.activation_values = (clip[0], clip[1]) }
    withUnsafeMutableBytes(of: &o.window) {
      for (i, n) in window.enumerated() { $0.storeBytes(of: UInt32(n), toByteOffset: 4 * i, as: UInt32.self) }
    }
    withUnsafeMutableBytes(of: &o.integers) {
      for (i, n) in integers.enumerated() { $0.storeBytes(of: UInt32(n), toByteOffset: 4 * i, as: UInt32.self) }
    }
    withUnsafeMutableBytes(of: &o.values) {
      for (i, x) in values.enumerated() { $0.storeBytes(of: x, toByteOffset: 4 * i, as: Float.self) }
    }
    return o
  }

  var order: KernelOrder {
    let shape = weight.count == 2 ? weight + [1, 1] : weight
    guard window.count == 13 else { return KernelOrder(shape: shape) }
    return KernelOrder(
      shape: shape, group: window[10], isTransposed: op == "ConvTranspose", dilation: (window[8], window[9]),
      stride: (window[2], window[3]))
  }

  // MARK: - Numbers

  /// Numbers in −1 … 1 that any language makes alike: a linear congruential generator's upper 16 bits.
  static func noise(_ count: Int, _ seed: Int) -> [Float] {
    var state = UInt32(truncatingIfNeeded: seed)
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 16) / 32768 - 1
    }
  }

  /// Of input `i`. Divisors stay away from zero.
  func input(_ i: Int, batch: Int = 1) -> [Float] {
    let values = Self.noise(inputs[i].reduce(batch, *), 1 + i)
    return op == "Div" && i == 1 ? values.map { $0 + 2 } : values.map { 3 * $0 }
  }

  private func constant(_ count: Int, _ seed: Int) -> [Float] { Self.noise(count, seed).map { 0.5 * $0 + 1 } }

  /// The function of a table's values, in double precision.
  func function(_ x: Double) -> Double {
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    let alpha = values.isEmpty ? 0 : Double(values[0])
    switch op {
    case "LeakyRelu": return x < 0 ? alpha * x : x
    case "Elu": return x < 0 ? alpha * (exp(x) - 1) : x
    case "Sigmoid": return sigmoid(x)
    case "Tanh": return tanh(x)
    case "Swish": return x * sigmoid(alpha * x)
    case "HardSigmoid": return max(0, min(1, alpha * x + Double(values[1])))
    case "HardSwish": return x * max(0, min(1, x / 6 + 0.5))
    case "Erf": return erf(x)
    default:
      if integers.first == 1 { return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))) }
      return 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    }
  }

  // MARK: - Bundles

  /// How an int8 bundle stores its tensors.
  struct Stored {
    var inputs: [RawBundle.Quantization]
    /// nil: float32
    var output: RawBundle.Quantization?
    /// Of a weight, by output channel; of a plain constant that is an operand.
    var weights: [Float] = []
    var constant = RawBundle.Quantization(scale: 0.011, zeroPoint: 37)
  }

  /// Weights that both kinds of bundles can have: −127 … 127 times a scale.
  func weightLevels() -> [Int8] {
    Self.noise(weight.reduce(1, *), 50).map { Int8(($0 * 127).rounded(.towardZero)) }
  }
  /// The output channel of a weight.
  private func channel(_ index: Int) -> Int {
    let plane = weight.dropFirst(2).reduce(1, *)
    guard op == "ConvTranspose" else { return index / (weight[1] * plane) }
    let outputs = weight[1], inputs = weight[0] / window[10]
    return index / (outputs * plane) / inputs * outputs + index / plane % outputs
  }

  /// Whether a plain constant is an operand like an activation.
  private var isOperand: Bool { ["Add", "Sub", "Mul", "Div", "MatMul"].contains(op) }

  /// float32, with what an int8 bundle that is `like` this one can store where that is given.
  func bundle(like stored: Stored? = nil) -> RawBundle {
    var b = RawBundle()
    let q = op == "DequantizeLinear" ? stored?.inputs.first ?? Self.conversion : nil
    b.inputs = inputs.map { b.activation($0, q) }
    b.outputs = [append(to: &b, b.inputs, like: stored)]
    return b
  }

  /// Adds the operator to a bundle, float32; returns its result.
  func append(to b: inout RawBundle, _ inputs: [UInt32], like stored: Stored? = nil) -> UInt32 {
    var operands = inputs
    if !weight.isEmpty {
      let levels = weightLevels()
      let floats = levels.enumerated().map { i, q in Float(q) * (stored?.weights[channel(i)] ?? 1 / 127) }
      operands.append(
        b.constant(CNNB_TYPE_FLOAT32, order.layout, weight, RawBundle.bytes(order.pack(floats))))
      if bias {
        var values = Self.noise(order.outputs, 60)
        if let stored { values = biases(stored).enumerated().map { Float($1) * biasScale(stored, $0) } }
        operands.append(b.channels(CNNB_TYPE_FLOAT32, values))
      }
    }
    for (k, count) in perChannel.enumerated() {
      operands.append(b.channels(CNNB_TYPE_FLOAT32, constant(count, 70 + k)))
    }
    for (k, shape) in plain.enumerated() {
      var values = constant(shape.reduce(1, *), 80 + k)
      if isOperand, let stored { values = levels(values, stored.constant).map { real($0, stored.constant) } }
      let t = b.constant(CNNB_TYPE_FLOAT32, CNNB_LAYOUT_PLAIN, shape, RawBundle.bytes(values))
      operands.insert(t, at: constantFirst ? 0 : operands.count)
    }
    return finish(&b, operands, op == "QuantizeLinear" ? stored?.output ?? Self.conversion : nil)
  }

  func bundle(_ stored: Stored) -> RawBundle {
    var b = RawBundle()
    b.inputs = zip(inputs, stored.inputs).map { b.activation($0, $1) }
    b.outputs = [append(to: &b, b.inputs, stored)]
    return b
  }

  /// Adds the operator to a bundle, int8; returns its result.
  func append(to b: inout RawBundle, _ inputs: [UInt32], _ stored: Stored) -> UInt32 {
    var operands = inputs
    if !weight.isEmpty {
      let levels = weightLevels()
      operands.append(
        b.constant(
          CNNB_TYPE_INT8, order.layout, weight, RawBundle.bytes(order.pack(levels)), scales: stored.weights))
      operands.append(bias ? b.channels(CNNB_TYPE_INT32, biases(stored)) : CNNB_NONE)
      operands.append(b.channels(CNNB_TYPE_INT32, order.sums(levels), parts: order.phases))
    }
    if Self.tables.contains(op) {
      let table = (0..<256).map { q -> UInt8 in
        let x = Double(Int32(q) - stored.inputs[0].zeroPoint) * Double(stored.inputs[0].scale)
        let y = (function(x) / Double(stored.output!.scale)).rounded(.toNearestOrEven)
        return UInt8(max(0, min(255, y + Double(stored.output!.zeroPoint))))
      }
      operands.append(b.constant(CNNB_TYPE_UINT8, CNNB_LAYOUT_PLAIN, [256], table))
    }
    for (k, count) in perChannel.enumerated() {
      operands.append(b.channels(CNNB_TYPE_FLOAT32, constant(count, 70 + k)))
    }
    for (k, shape) in plain.enumerated() {
      let values = constant(shape.reduce(1, *), 80 + k), q = stored.constant
      let t =
        isOperand
        ? b.constant(
          CNNB_TYPE_UINT8, CNNB_LAYOUT_PLAIN, shape, levels(values, q), scales: [q.scale], zeroPoint: q.zeroPoint)
        : b.constant(CNNB_TYPE_FLOAT32, CNNB_LAYOUT_PLAIN, shape, RawBundle.bytes(values))
      operands.insert(t, at: constantFirst ? 0 : operands.count)
    }
    return finish(&b, operands, stored.output)
  }

  private func finish(_ b: inout RawBundle, _ operands: [UInt32], _ output: RawBundle.Quantization?) -> UInt32 {
    let all = operands + lists.map { b.list($0) }
    let y = b.activation(self.output, output)
    b.add(record, all, y)
    return y
  }

  private func biasScale(_ stored: Stored, _ channel: Int) -> Float { stored.inputs[0].scale * stored.weights[channel] }
  private func biases(_ stored: Stored) -> [Int32] {
    Self.noise(order.outputs, 60).enumerated().map { Int32($1 / biasScale(stored, $0)) }
  }

  func levels(_ values: [Float], _ q: RawBundle.Quantization) -> [UInt8] {
    values.map { UInt8(max(0, min(255, ($0 / q.scale).rounded() + Float(q.zeroPoint)))) }
  }
  func real(_ level: UInt8, _ q: RawBundle.Quantization) -> Float { Float(Int32(level) - q.zeroPoint) * q.scale }

  /// What the tests' sessions need to know of the bundle: its inputs and outputs.
  func ports(_ stored: Stored? = nil) -> Graph {
    var graph = Graph()
    func tensor(_ shape: [Int], _ q: RawBundle.Quantization?) -> Tensor {
      guard let q else { return Tensor(shape: shape) }
      return Tensor(.uint8, shape: shape, quantization: .init(scale: q.scale, zeroPoint: q.zeroPoint))
    }
    for (i, shape) in inputs.enumerated() {
      graph.inputs.append("x\(i)")
      graph.tensors["x\(i)"] = tensor(shape, stored?.inputs[i])
    }
    graph.outputs = ["y"]
    graph.tensors["y"] = tensor(output, stored?.output)
    return graph
  }
}
