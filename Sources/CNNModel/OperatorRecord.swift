import CBundle
import CNNSupport

/// Operators as the records of a bundle (`cnnb_operator`).

extension OperatorKind {
  /// Fills kind and attributes.
  func encode(into record: inout cnnb_operator) {
    record.kind = code
    switch self {
    case .conv(let window, let group):
      window.encode(into: &record)
      record.window.group = UInt32(group)
    case .convTranspose(let window, let group, let paddingY, let paddingX):
      window.encode(into: &record)
      record.window.group = UInt32(group)
      record.integers.0 = UInt32(paddingY)
      record.integers.1 = UInt32(paddingX)
    case .maxPool(let window, let ceilMode):
      window.encode(into: &record)
      record.window.ceil_mode = ceilMode ? 1 : 0
    case .averagePool(let window, let countIncludePad, let ceilMode):
      window.encode(into: &record)
      record.window.count_include_pad = countIncludePad ? 1 : 0
      record.window.ceil_mode = ceilMode ? 1 : 0
    case .batchNormalization(let epsilon), .instanceNormalization(let epsilon): record.values.0 = epsilon
    case .layerNormalization(let integer, let epsilon), .groupNormalization(let integer, let epsilon):
      record.integers.0 = UInt32(integer)
      record.values.0 = epsilon
    case .lrn(let size, let alpha, let beta, let bias):
      record.integers.0 = UInt32(size)
      record.values = (alpha, beta, bias, 0)
    case .clip(let min, let max): record.values = (min, max, 0, 0)
    case .unary(let function): function.encode(into: &record)
    case .dropout(let ratio): record.values.0 = ratio
    case .reduce(_, let axes, let keepDims):
      record.integers.0 = axes.reduce(0) { $0 | 1 << UInt32($1) }
      record.integers.1 = keepDims ? 1 : 0
    case .softmax(let integer), .concat(let integer), .spaceToDepth(let integer): record.integers.0 = UInt32(integer)
    case .transpose(let perm): record.setIntegers(perm.map(UInt32.init))
    case .pad(let padding): padding.mode.encode(into: &record)
    case .resize(let resize): resize.encode(into: &record)
    case .depthToSpace(let block, let mode):
      record.integers.0 = UInt32(block)
      record.integers.1 = mode.rawValue
    case .gemm, .matMul, .relu, .pRelu, .binary, .globalAveragePool, .globalMaxPool, .flatten, .reshape, .slice,
      .quantizeLinear, .dequantizeLinear:
      break
    }
  }

  /// int32 constants that the bundle has as operands behind the inputs, where the graph has attributes; with the ends of
  /// their names.
  var constantOperands: [(name: String, values: [Int])] {
    switch self {
    case .slice(let slice): [("starts", slice.starts), ("steps", slice.steps)]
    case .pad(let padding): [("pads", padding.begins + padding.ends)]
    default: []
    }
  }

  /// How many `constantOperands` a record of this kind has.
  static func constantOperandCount(of record: cnnb_operator) -> Int {
    switch Int(record.kind) {
    case Int(CNNB_OP_SLICE): 2
    case Int(CNNB_OP_PAD): 1
    default: 0
    }
  }

  /// From a record; attributes that the kind does not use must be 0.
  /// - Parameters:
  ///   - constants: its `constantOperands`.
  ///   - outputShape: of its output, an attribute of Reshape, Slice and Resize.
  init(_ record: cnnb_operator, constants: [[Int]], outputShape: [Int]) throws(CNNError) {
    guard let kind = OperatorKind(unchecked: record, constants, outputShape) else {
      throw CNNError(
        "the operator kind \(record.kind) is unknown", advice: "the bundle needs a newer version of the tools")
    }
    self = kind
    // What this version would write must be what was read: nothing is silently dropped.
    var again = cnnb_operator()
    encode(into: &again)
    again.name = record.name
    again.first_operand = record.first_operand
    again.input_count = record.input_count
    again.output_count = record.output_count
    again.activation = record.activation
    again.activation_values = record.activation_values
    guard byteArray(again) == byteArray(record) else {
      throw CNNError("\(name) has attributes that are out of range or unknown to this version")
    }
  }

  private init?(unchecked record: cnnb_operator, _ constants: [[Int]], _ outputShape: [Int]) {
    let window = Window(record.window)
    let group = Int(record.window.group)
    let ceilMode = record.window.ceil_mode == 1
    let integers = record.integerArray
    let values = record.values
    switch Int(record.kind) {
    case Int(CNNB_OP_CONV): self = .conv(window, group: group)
    case Int(CNNB_OP_CONV_TRANSPOSE):
      self = .convTranspose(window, group: group, outputPaddingY: integers[0], outputPaddingX: integers[1])
    case Int(CNNB_OP_GEMM): self = .gemm
    case Int(CNNB_OP_MATMUL): self = .matMul
    case Int(CNNB_OP_QUANTIZE_LINEAR): self = .quantizeLinear
    case Int(CNNB_OP_DEQUANTIZE_LINEAR): self = .dequantizeLinear
    case Int(CNNB_OP_BATCH_NORMALIZATION): self = .batchNormalization(epsilon: values.0)
    case Int(CNNB_OP_LAYER_NORMALIZATION): self = .layerNormalization(axis: integers[0], epsilon: values.0)
    case Int(CNNB_OP_GROUP_NORMALIZATION): self = .groupNormalization(groups: integers[0], epsilon: values.0)
    case Int(CNNB_OP_INSTANCE_NORMALIZATION): self = .instanceNormalization(epsilon: values.0)
    case Int(CNNB_OP_LRN): self = .lrn(size: integers[0], alpha: values.0, beta: values.1, bias: values.2)
    case Int(CNNB_OP_RELU): self = .relu
    case Int(CNNB_OP_CLIP): self = .clip(min: values.0, max: values.1)
    case Int(CNNB_OP_PRELU): self = .pRelu
    case Int(CNNB_OP_ADD): self = .add
    case Int(CNNB_OP_SUB): self = .sub
    case Int(CNNB_OP_MUL): self = .mul
    case Int(CNNB_OP_DIV): self = .div
    case Int(CNNB_OP_DROPOUT): self = .dropout(ratio: values.0)
    case Int(CNNB_OP_MAX_POOL): self = .maxPool(window, ceilMode: ceilMode)
    case Int(CNNB_OP_AVERAGE_POOL):
      self = .averagePool(window, countIncludePad: record.window.count_include_pad == 1, ceilMode: ceilMode)
    case Int(CNNB_OP_GLOBAL_AVERAGE_POOL): self = .globalAveragePool
    case Int(CNNB_OP_GLOBAL_MAX_POOL): self = .globalMaxPool
    case Int(CNNB_OP_REDUCE_MEAN)...Int(CNNB_OP_REDUCE_MIN):
      let reductions: [Reduction] = [.mean, .sum, .max, .min]
      self = .reduce(
        reductions[Int(record.kind) - Int(CNNB_OP_REDUCE_MEAN)],
        axes: (0..<32).filter { integers[0] >> $0 & 1 == 1 }, keepDims: integers[1] == 1)
    case Int(CNNB_OP_SOFTMAX): self = .softmax(axis: integers[0])
    case Int(CNNB_OP_FLATTEN): self = .flatten
    case Int(CNNB_OP_RESHAPE): self = .reshape(outputShape)
    case Int(CNNB_OP_TRANSPOSE): self = .transpose(Array(integers.prefix(outputShape.count)))
    case Int(CNNB_OP_CONCAT): self = .concat(axis: integers[0])
    case Int(CNNB_OP_SLICE): self = .slice(Slice(starts: constants[0], sizes: outputShape, steps: constants[1]))
    case Int(CNNB_OP_PAD):
      let pads = constants[0]
      self = .pad(
        Padding(
          begins: Array(pads.prefix(pads.count / 2)), ends: Array(pads.suffix(pads.count - pads.count / 2)),
          mode: Padding.Mode(record)))
    case Int(CNNB_OP_RESIZE): self = .resize(Resize(record, outputShape))
    case Int(CNNB_OP_DEPTH_TO_SPACE):
      self = .depthToSpace(blockSize: integers[0], mode: DepthToSpaceMode(rawValue: record.integers.1) ?? .dcr)
    case Int(CNNB_OP_SPACE_TO_DEPTH): self = .spaceToDepth(blockSize: integers[0])
    default:
      guard let function = UnaryFunction(record) else { return nil }
      self = .unary(function)
    }
  }

  /// `CNNB_OP_…`
  private var code: UInt32 {
    let code =
      switch self {
      case .conv: CNNB_OP_CONV
      case .convTranspose: CNNB_OP_CONV_TRANSPOSE
      case .gemm: CNNB_OP_GEMM
      case .matMul: CNNB_OP_MATMUL
      case .quantizeLinear: CNNB_OP_QUANTIZE_LINEAR
      case .dequantizeLinear: CNNB_OP_DEQUANTIZE_LINEAR
      case .batchNormalization: CNNB_OP_BATCH_NORMALIZATION
      case .layerNormalization: CNNB_OP_LAYER_NORMALIZATION
      case .groupNormalization: CNNB_OP_GROUP_NORMALIZATION
      case .instanceNormalization: CNNB_OP_INSTANCE_NORMALIZATION
      case .lrn: CNNB_OP_LRN
      case .relu: CNNB_OP_RELU
      case .clip: CNNB_OP_CLIP
      case .unary(let function): function.code
      case .pRelu: CNNB_OP_PRELU
      case .binary(.add): CNNB_OP_ADD
      case .binary(.sub): CNNB_OP_SUB
      case .binary(.mul): CNNB_OP_MUL
      case .binary(.div): CNNB_OP_DIV
      case .dropout: CNNB_OP_DROPOUT
      case .maxPool: CNNB_OP_MAX_POOL
      case .averagePool: CNNB_OP_AVERAGE_POOL
      case .globalAveragePool: CNNB_OP_GLOBAL_AVERAGE_POOL
      case .globalMaxPool: CNNB_OP_GLOBAL_MAX_POOL
      case .reduce(.mean, _, _): CNNB_OP_REDUCE_MEAN
      case .reduce(.sum, _, _): CNNB_OP_REDUCE_SUM
      case .reduce(.max, _, _): CNNB_OP_REDUCE_MAX
      case .reduce(.min, _, _): CNNB_OP_REDUCE_MIN
      case .softmax: CNNB_OP_SOFTMAX
      case .flatten: CNNB_OP_FLATTEN
      case .reshape: CNNB_OP_RESHAPE
      case .transpose: CNNB_OP_TRANSPOSE
      case .concat: CNNB_OP_CONCAT
      case .slice: CNNB_OP_SLICE
      case .pad: CNNB_OP_PAD
      case .resize: CNNB_OP_RESIZE
      case .depthToSpace: CNNB_OP_DEPTH_TO_SPACE
      case .spaceToDepth: CNNB_OP_SPACE_TO_DEPTH
      }
    return UInt32(code)
  }
}

extension UnaryFunction {
  fileprivate var code: Int {
    switch self {
    case .leakyRelu: Int(CNNB_OP_LEAKY_RELU)
    case .elu: Int(CNNB_OP_ELU)
    case .sigmoid: Int(CNNB_OP_SIGMOID)
    case .tanh: Int(CNNB_OP_TANH)
    case .swish: Int(CNNB_OP_SWISH)
    case .hardSigmoid: Int(CNNB_OP_HARD_SIGMOID)
    case .hardSwish: Int(CNNB_OP_HARD_SWISH)
    case .gelu: Int(CNNB_OP_GELU)
    case .erf: Int(CNNB_OP_ERF)
    }
  }

  fileprivate func encode(into record: inout cnnb_operator) {
    switch self {
    case .leakyRelu(let alpha), .elu(let alpha), .swish(let alpha): record.values.0 = alpha
    case .hardSigmoid(let alpha, let beta): record.values = (alpha, beta, 0, 0)
    case .gelu(let approximate): record.integers.0 = approximate ? 1 : 0
    case .sigmoid, .tanh, .hardSwish, .erf: break
    }
  }

  /// nil for another kind.
  fileprivate init?(_ record: cnnb_operator) {
    switch Int(record.kind) {
    case Int(CNNB_OP_LEAKY_RELU): self = .leakyRelu(alpha: record.values.0)
    case Int(CNNB_OP_ELU): self = .elu(alpha: record.values.0)
    case Int(CNNB_OP_SIGMOID): self = .sigmoid
    case Int(CNNB_OP_TANH): self = .tanh
    case Int(CNNB_OP_SWISH): self = .swish(alpha: record.values.0)
    case Int(CNNB_OP_HARD_SIGMOID): self = .hardSigmoid(alpha: record.values.0, beta: record.values.1)
    case Int(CNNB_OP_HARD_SWISH): self = .hardSwish
    case Int(CNNB_OP_GELU): self = .gelu(approximate: record.integers.0 == 1)
    case Int(CNNB_OP_ERF): self = .erf
    default: return nil
    }
  }
}

extension Padding.Mode {
  fileprivate func encode(into record: inout cnnb_operator) {
    switch self {
    case .constant(let value):
      record.integers.0 = UInt32(CNNB_PAD_CONSTANT)
      record.values.0 = value
    case .edge: record.integers.0 = UInt32(CNNB_PAD_EDGE)
    case .reflect: record.integers.0 = UInt32(CNNB_PAD_REFLECT)
    case .wrap: record.integers.0 = UInt32(CNNB_PAD_WRAP)
    }
  }

  fileprivate init(_ record: cnnb_operator) {
    self =
      switch Int(record.integers.0) {
      case Int(CNNB_PAD_EDGE): .edge
      case Int(CNNB_PAD_REFLECT): .reflect
      case Int(CNNB_PAD_WRAP): .wrap
      default: .constant(record.values.0)
      }
  }
}

extension Resize {
  fileprivate func encode(into record: inout cnnb_operator) {
    if case .nearest(let rounding) = mode {
      record.setIntegers([UInt32(CNNB_RESIZE_NEAREST), coordinates.rawValue, rounding.rawValue])
    } else {
      record.setIntegers([UInt32(CNNB_RESIZE_LINEAR), coordinates.rawValue])
    }
    record.values = (scaleY, scaleX, 0, 0)
  }

  fileprivate init(_ record: cnnb_operator, _ outputShape: [Int]) {
    let isLinear = record.integers.0 == CNNB_RESIZE_LINEAR
    self.init(
      mode: isLinear ? .linear : .nearest(Rounding(rawValue: record.integers.2) ?? .preferFloor),
      coordinates: Coordinates(rawValue: record.integers.1) ?? .halfPixel,
      height: outputShape.count == 4 ? outputShape[2] : 0, width: outputShape.count == 4 ? outputShape[3] : 0,
      scaleY: record.values.0, scaleX: record.values.1)
  }
}

extension Activation {
  func encode(into record: inout cnnb_operator) {
    switch self {
    case .none: record.activation = UInt32(CNNB_ACTIVATION_NONE)
    case .relu: record.activation = UInt32(CNNB_ACTIVATION_RELU)
    case .clip(let min, let max):
      record.activation = UInt32(CNNB_ACTIVATION_CLIP)
      record.activation_values = (min, max)
    }
  }

  init(_ record: cnnb_operator) throws(CNNError) {
    switch Int(record.activation) {
    case Int(CNNB_ACTIVATION_NONE): self = .none
    case Int(CNNB_ACTIVATION_RELU): self = .relu
    case Int(CNNB_ACTIVATION_CLIP): self = .clip(min: record.activation_values.0, max: record.activation_values.1)
    default:
      throw CNNError("the activation \(record.activation) is unknown", advice: "use a newer version of the tools")
    }
    guard record.activation == CNNB_ACTIVATION_CLIP || byteArray(record.activation_values).allSatisfy({ $0 == 0 })
    else { throw CNNError("its activation has values that it does not use and are not 0") }
  }
}

extension Window {
  fileprivate init(_ record: cnnb_operator.__Unnamed_struct_window) {
    self.init(
      kernelHeight: Int(record.kernel_height), kernelWidth: Int(record.kernel_width),
      strideY: Int(record.stride_y), strideX: Int(record.stride_x),
      padTop: Int(record.pad_top), padLeft: Int(record.pad_left),
      padBottom: Int(record.pad_bottom), padRight: Int(record.pad_right),
      dilationY: Int(record.dilation_y), dilationX: Int(record.dilation_x))
  }

  fileprivate func encode(into record: inout cnnb_operator) {
    record.window.kernel_height = UInt32(kernelHeight)
    record.window.kernel_width = UInt32(kernelWidth)
    record.window.stride_y = UInt32(strideY)
    record.window.stride_x = UInt32(strideX)
    record.window.pad_top = UInt32(padTop)
    record.window.pad_left = UInt32(padLeft)
    record.window.pad_bottom = UInt32(padBottom)
    record.window.pad_right = UInt32(padRight)
    record.window.dilation_y = UInt32(dilationY)
    record.window.dilation_x = UInt32(dilationX)
  }
}

extension cnnb_operator {
  fileprivate var integerArray: [Int] { withUnsafeBytes(of: integers) { $0.bindMemory(to: UInt32.self).map(Int.init) } }

  fileprivate mutating func setIntegers(_ values: [UInt32]) {
    withUnsafeMutableBytes(of: &integers) { bytes in
      let integers = bytes.bindMemory(to: UInt32.self)
      for (index, value) in values.enumerated() { integers[index] = value }
    }
  }
}
