/// What an operator computes, with its attributes. Names and meaning are ONNX's. Every operator has one output; the
/// first axis of an activation is the batch, which no operator mixes.
public enum OperatorKind: Equatable, Sendable {
  // Products with weights

  /// x [N,C,H,W], weight [O,C/group,KH,KW], bias [O] or ""
  case conv(Window, group: Int = 1)
  /// x [N,C,H,W], weight [C,O/group,KH,KW], bias [O] or ""; the output padding makes the result larger at its end
  case convTranspose(Window, group: Int = 1, outputPaddingY: Int = 0, outputPaddingX: Int = 0)
  /// x [N,K], weight [O,K] (transB = 1), bias [O] or ""
  case gemm
  /// a [N,…,M,K], b [N,…,K,P] or a constant, broadcast over the axes before the last two
  case matMul

  // Normalisation

  /// x, scale, bias, mean, variance, each [C]: y = (x − mean) / √(variance + epsilon) · scale + bias
  case batchNormalization(epsilon: Float)
  /// x, scale or "", bias or "", of the shape that is normalised: that of x from `axis` on
  case layerNormalization(axis: Int, epsilon: Float)
  /// x [N,C,…], scale [C], bias [C]
  case groupNormalization(groups: Int, epsilon: Float)
  /// x [N,C,…], scale [C], bias [C]
  case instanceNormalization(epsilon: Float)
  /// Across channels of [N,C,H,W]: y = x · (bias + alpha / size · Σ x²)^−beta
  case lrn(size: Int, alpha: Float, beta: Float, bias: Float)

  // Element by element

  case relu
  case clip(min: Float, max: Float)
  /// x; uint8: also the table of results [256]
  case unary(UnaryFunction)
  /// x, slope [C]: x · slope where x is negative
  case pRelu
  /// a, b, broadcast; at most one of them a constant
  case binary(BinaryFunction)
  /// Training sets a share of `ratio` to 0; otherwise y = x.
  case dropout(ratio: Float)

  // Windows and axes

  case maxPool(Window, ceilMode: Bool = false)
  case averagePool(Window, countIncludePad: Bool = false, ceilMode: Bool = false)
  /// [N,C,H,W] → [N,C,1,1]
  case globalAveragePool
  case globalMaxPool
  /// Over `axes`, ascending, not the first
  case reduce(Reduction, axes: [Int], keepDims: Bool = true)
  /// Over any axis but the first
  case softmax(axis: Int = 1)

  // Moving values

  /// [N,C,H,W] → [N, C·H·W]
  case flatten
  /// To a shape of as many elements and the same first axis
  case reshape([Int])
  /// perm[0] is 0.
  case transpose([Int])
  /// One input or more, one behind the other along `axis`, not the first
  case concat(axis: Int = 1)
  case slice(Slice)
  case pad(Padding)
  /// [N,C,H,W]
  case resize(Resize)
  /// [N,C,H,W] → [N, C/blockSize², H·blockSize, W·blockSize]
  case depthToSpace(blockSize: Int, mode: DepthToSpaceMode = .dcr)
  case spaceToDepth(blockSize: Int)

  // Between float and int8

  /// x float32 → uint8 by the output's quantization
  case quantizeLinear
  /// x uint8 → float32 by the input's quantization. While a graph is imported, x may also be a constant, most often
  /// int32 with the zero point 0, with a scale for each index of its quantization's axis; a bundle has none of these.
  case dequantizeLinear

  public static let add = binary(.add)
  public static let sub = binary(.sub)
  public static let mul = binary(.mul)
  public static let div = binary(.div)
  /// Over the classes [N,C].
  public static let softmax = softmax(axis: 1)

  /// ONNX's name.
  public var name: String {
    switch self {
    case .conv: "Conv"
    case .convTranspose: "ConvTranspose"
    case .gemm: "Gemm"
    case .matMul: "MatMul"
    case .batchNormalization: "BatchNormalization"
    case .layerNormalization: "LayerNormalization"
    case .groupNormalization: "GroupNormalization"
    case .instanceNormalization: "InstanceNormalization"
    case .lrn: "LRN"
    case .relu: "Relu"
    case .clip: "Clip"
    case .unary(let function): function.name
    case .pRelu: "PRelu"
    case .binary(let function): function.name
    case .dropout: "Dropout"
    case .maxPool: "MaxPool"
    case .averagePool: "AveragePool"
    case .globalAveragePool: "GlobalAveragePool"
    case .globalMaxPool: "GlobalMaxPool"
    case .reduce(let reduction, _, _): reduction.name
    case .softmax: "Softmax"
    case .flatten: "Flatten"
    case .reshape: "Reshape"
    case .transpose: "Transpose"
    case .concat: "Concat"
    case .slice: "Slice"
    case .pad: "Pad"
    case .resize: "Resize"
    case .depthToSpace: "DepthToSpace"
    case .spaceToDepth: "SpaceToDepth"
    case .quantizeLinear: "QuantizeLinear"
    case .dequantizeLinear: "DequantizeLinear"
    }
  }
}

/// Functions of one element.
public enum UnaryFunction: Equatable, Sendable {
  /// x where it is positive, else alpha · x
  case leakyRelu(alpha: Float)
  /// x where it is positive, else alpha · (eˣ − 1)
  case elu(alpha: Float)
  /// 1 / (1 + e⁻ˣ)
  case sigmoid
  case tanh
  /// x · sigmoid(alpha · x); SiLU for alpha 1
  case swish(alpha: Float)
  /// alpha · x + beta, clamped to 0 … 1
  case hardSigmoid(alpha: Float, beta: Float)
  /// x · (x / 6 + ½, clamped to 0 … 1)
  case hardSwish
  /// x · Φ(x), exactly or by the usual approximation with tanh
  case gelu(approximate: Bool)
  /// 2 / √π · ∫₀ˣ exp(−t²) dt
  case erf

  /// ONNX's name.
  public var name: String {
    switch self {
    case .leakyRelu: "LeakyRelu"
    case .elu: "Elu"
    case .sigmoid: "Sigmoid"
    case .tanh: "Tanh"
    case .swish: "Swish"
    case .hardSigmoid: "HardSigmoid"
    case .hardSwish: "HardSwish"
    case .gelu: "Gelu"
    case .erf: "Erf"
    }
  }
}

/// Functions of two elements.
public enum BinaryFunction: CaseIterable, Sendable {
  case add, sub, mul, div

  /// ONNX's name.
  public var name: String {
    switch self {
    case .add: "Add"
    case .sub: "Sub"
    case .mul: "Mul"
    case .div: "Div"
    }
  }
}

/// Functions of all elements along axes.
public enum Reduction: CaseIterable, Sendable {
  case mean, sum, max, min

  /// ONNX's name.
  public var name: String {
    switch self {
    case .mean: "ReduceMean"
    case .sum: "ReduceSum"
    case .max: "ReduceMax"
    case .min: "ReduceMin"
    }
  }
}

/// A part of a tensor: along each axis `sizes` elements from `starts` on, `steps` apart.
public struct Slice: Equatable, Sendable {
  /// Each inside the axis.
  public var starts: [Int]
  public var sizes: [Int]
  /// Not 0; negative ones go backwards.
  public var steps: [Int]

  public init(starts: [Int], sizes: [Int], steps: [Int]? = nil) {
    self.starts = starts
    self.sizes = sizes
    self.steps = steps ?? .init(repeating: 1, count: starts.count)
  }

  /// The parts of ONNX's Split: `sizes` along `axis`, one behind the other.
  public static func parts(of shape: [Int], axis: Int, sizes: [Int]) -> [Slice] {
    var start = 0
    return sizes.map { size in
      var part = Slice(starts: .init(repeating: 0, count: shape.count), sizes: shape)
      part.starts[axis] = start
      part.sizes[axis] = size
      start += size
      return part
    }
  }
}

/// Elements put before and behind a tensor along each axis, or cut off where a number is negative.
public struct Padding: Equatable, Sendable {
  /// What the new elements are.
  public enum Mode: Equatable, Sendable {
    case constant(Float)
    /// The nearest element.
    case edge
    /// Mirrored at the outermost element.
    case reflect
    /// From the other end.
    case wrap
  }

  public var begins: [Int]
  public var ends: [Int]
  public var mode: Mode

  public init(begins: [Int], ends: [Int], mode: Mode = .constant(0)) {
    self.begins = begins
    self.ends = ends
    self.mode = mode
  }
}

/// An image in another size. Where output pixel i lies in the input says `coordinates`; ARITHMETIC.md has the formulas.
public struct Resize: Equatable, Sendable {
  public enum Mode: Equatable, Sendable {
    case nearest(Rounding)
    case linear
  }

  /// ONNX's coordinate_transformation_mode.
  public enum Coordinates: UInt32, CaseIterable, Sendable {
    case halfPixel = 0
    case asymmetric = 1
    case alignCorners = 2
    case pytorchHalfPixel = 3
  }

  /// ONNX's nearest_mode.
  public enum Rounding: UInt32, CaseIterable, Sendable {
    case preferFloor = 0
    case preferCeil = 1
    case floor = 2
    case ceil = 3
  }

  public var mode: Mode
  public var coordinates: Coordinates
  /// Of the result.
  public var height: Int
  public var width: Int
  /// What the coordinates are computed with: the result's size over the input's, but for rounding.
  public var scaleY: Float
  public var scaleX: Float

  public init(
    mode: Mode, coordinates: Coordinates = .halfPixel, height: Int, width: Int, scaleY: Float, scaleX: Float
  ) {
    self.mode = mode
    self.coordinates = coordinates
    self.height = height
    self.width = width
    self.scaleY = scaleY
    self.scaleX = scaleX
  }
}

/// How the channels of DepthToSpace divide: (row, column, channel) or (channel, row, column).
public enum DepthToSpaceMode: UInt32, Sendable {
  case dcr = 0
  /// PyTorch's PixelShuffle.
  case crd = 1
}

// MARK: What the operators have in common

extension OperatorKind {
  /// Whether the operator may have an activation other than none.
  public var canFuseActivation: Bool {
    switch self {
    case .conv, .convTranspose, .gemm, .batchNormalization, .binary: true
    default: false
    }
  }

  /// Conv, ConvTranspose and Gemm: what multiplies by a weight, its second input.
  public var hasWeight: Bool {
    switch self {
    case .conv, .convTranspose, .gemm: true
    default: false
    }
  }

  /// Moves or selects values: in an int8 network input and output have one quantization.
  public var keepsValues: Bool {
    switch self {
    case .relu, .clip, .maxPool, .globalMaxPool, .flatten, .reshape, .transpose, .slice, .pad, .resize, .depthToSpace,
      .spaceToDepth, .dropout, .reduce(.max, _, _), .reduce(.min, _, _):
      true
    default: false
    }
  }

  /// Add, Sub, Mul, Div, MatMul: what reads two tensors that may each be an activation.
  public var isPair: Bool {
    switch self {
    case .binary, .matMul: true
    default: false
    }
  }

  /// Numbers of inputs that are possible.
  var inputCounts: ClosedRange<Int> {
    switch self {
    case .conv, .convTranspose, .gemm: 2...3
    case .batchNormalization: 5...5
    case .layerNormalization: 1...3
    case .groupNormalization, .instanceNormalization: 3...3
    case .unary: 1...2
    case .pRelu, .binary, .matMul: 2...2
    case .concat: 1...65_535
    default: 1...1
    }
  }

  /// Whether an input within `inputCounts` may be left out.
  func isOptional(input: Int) -> Bool {
    switch self {
    case .conv, .convTranspose, .gemm: input == 2
    case .layerNormalization: input > 0
    default: false
    }
  }
}
