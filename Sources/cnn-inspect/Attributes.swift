import CNNModel
import CNNSupport

extension OperatorKind {
  /// ONNX's names and order.
  var attributes: [(String, JSON)] {
    switch self {
    case .conv(let window, let group): window.attributes + [("group", .integer(group))]
    case .convTranspose(let window, let group, let y, let x):
      window.attributes + [("group", .integer(group)), ("output_padding", sizes([y, x]))]
    case .maxPool(let window, let ceilMode): window.attributes + [("ceil_mode", .bool(ceilMode))]
    case .averagePool(let window, let countIncludePad, let ceilMode):
      window.attributes + [("ceil_mode", .bool(ceilMode)), ("count_include_pad", .bool(countIncludePad))]
    case .batchNormalization(let epsilon), .instanceNormalization(let epsilon): [("epsilon", .float(epsilon))]
    case .layerNormalization(let axis, let epsilon): [("axis", .integer(axis)), ("epsilon", .float(epsilon))]
    case .groupNormalization(let groups, let epsilon):
      [("num_groups", .integer(groups)), ("epsilon", .float(epsilon))]
    case .lrn(let size, let alpha, let beta, let bias):
      [("size", .integer(size)), ("alpha", .float(alpha)), ("beta", .float(beta)), ("bias", .float(bias))]
    case .clip(let min, let max): [("min", .float(min)), ("max", .float(max))]
    case .unary(let function): function.attributes
    case .dropout(let ratio): [("ratio", .float(ratio))]
    case .reduce(_, let axes, let keepDims): [("axes", sizes(axes)), ("keepdims", .bool(keepDims))]
    case .softmax(let axis), .concat(let axis): [("axis", .integer(axis))]
    case .reshape(let shape): [("shape", sizes(shape))]
    case .transpose(let perm): [("perm", sizes(perm))]
    case .slice(let slice):
      [("starts", sizes(slice.starts)), ("sizes", sizes(slice.sizes)), ("steps", sizes(slice.steps))]
    case .pad(let padding): padding.attributes
    case .resize(let resize): resize.attributes
    case .depthToSpace(let block, let mode):
      [("blocksize", .integer(block)), ("mode", .string(mode == .dcr ? "DCR" : "CRD"))]
    case .spaceToDepth(let block): [("blocksize", .integer(block))]
    case .gemm, .matMul, .relu, .pRelu, .binary, .globalAveragePool, .globalMaxPool, .flatten, .quantizeLinear,
      .dequantizeLinear:
      []
    }
  }
}

extension UnaryFunction {
  fileprivate var attributes: [(String, JSON)] {
    switch self {
    case .leakyRelu(let alpha), .elu(let alpha), .swish(let alpha): [("alpha", .float(alpha))]
    case .hardSigmoid(let alpha, let beta): [("alpha", .float(alpha)), ("beta", .float(beta))]
    case .gelu(let approximate): [("approximate", .string(approximate ? "tanh" : "none"))]
    case .sigmoid, .tanh, .hardSwish, .erf: []
    }
  }
}

extension Padding {
  fileprivate var attributes: [(String, JSON)] {
    let (name, value): (String, Float?) =
      switch mode {
      case .constant(let value): ("constant", value)
      case .edge: ("edge", nil)
      case .reflect: ("reflect", nil)
      case .wrap: ("wrap", nil)
      }
    return [("pads", sizes(begins + ends)), ("mode", .string(name))] + (value.map { [("value", .float($0))] } ?? [])
  }
}

extension Resize {
  fileprivate var attributes: [(String, JSON)] {
    let coordinates =
      switch coordinates {
      case .halfPixel: "half_pixel"
      case .asymmetric: "asymmetric"
      case .alignCorners: "align_corners"
      case .pytorchHalfPixel: "pytorch_half_pixel"
      }
    let common: [(String, JSON)] = [
      ("scales", numbers([scaleY, scaleX])), ("coordinate_transformation_mode", .string(coordinates)),
    ]
    guard case .nearest(let rounding) = mode else { return [("mode", "linear")] + common }
    let nearest =
      switch rounding {
      case .preferFloor: "round_prefer_floor"
      case .preferCeil: "round_prefer_ceil"
      case .floor: "floor"
      case .ceil: "ceil"
      }
    return [("mode", "nearest")] + common + [("nearest_mode", .string(nearest))]
  }
}

extension Activation {
  /// Of a fused Clip.
  var attributes: [(String, JSON)] {
    guard case .clip(let min, let max) = self else { return [] }
    return [("activation_min", .float(min)), ("activation_max", .float(max))]
  }
}

extension Window {
  fileprivate var attributes: [(String, JSON)] {
    [
      ("kernel_shape", sizes([kernelHeight, kernelWidth])), ("strides", sizes([strideY, strideX])),
      ("pads", sizes([padTop, padLeft, padBottom, padRight])), ("dilations", sizes([dilationY, dilationX])),
    ]
  }

  /// What differs from the usual: "3×3 stride 2 pad 1".
  fileprivate var text: String {
    func pair(_ y: Int, _ x: Int) -> String { y == x ? "\(y)" : "\(y)×\(x)" }
    let pads = [padTop, padLeft, padBottom, padRight]
    var words = ["\(kernelHeight)×\(kernelWidth)"]
    if (strideY, strideX) != (1, 1) { words.append("stride \(pair(strideY, strideX))") }
    if pads.contains(where: { $0 != 0 }) {
      words.append("pad " + (Set(pads).count == 1 ? "\(padTop)" : pads.map(String.init).joined(separator: ",")))
    }
    if (dilationY, dilationX) != (1, 1) { words.append("dilation \(pair(dilationY, dilationX))") }
    return words.joined(separator: " ")
  }
}

extension Operator {
  /// In few words; windows say only what differs from the usual.
  var attributeText: String {
    let own: String =
      switch kind {
      case .conv(let window, let group): window.text + (group == 1 ? "" : " group \(group)")
      case .convTranspose(let window, let group, let y, let x):
        window.text + (group == 1 ? "" : " group \(group)") + (y + x == 0 ? "" : " output padding \(y),\(x)")
      case .maxPool(let window, let ceilMode): window.text + (ceilMode ? " ceil" : "")
      case .averagePool(let window, let countIncludePad, let ceilMode):
        window.text + (ceilMode ? " ceil" : "") + (countIncludePad ? " counts padding" : "")
      case .softmax(axis: 1), .concat(axis: 1): ""
      default: text(kind.attributes)
      }
    return [own, text(activation.attributes)].filter { !$0.isEmpty }.joined(separator: " ")
  }

  private func text(_ attributes: [(String, JSON)]) -> String {
    attributes.map { "\($0.0) \(plain($0.1))" }.joined(separator: " ")
  }

  private func plain(_ value: JSON) -> String {
    switch value {
    case .string(let text): text
    case .integer(let number): "\(number)"
    case .number(let number): "\(Float(number))"
    case .bool(let flag): flag ? "yes" : "no"
    case .array(let values): values.map(plain).joined(separator: ",")
    default: ""
    }
  }
}
