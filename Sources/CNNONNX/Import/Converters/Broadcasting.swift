import CNNModel
import CNNSupport

/// Operators on two or more tensors, element by element.
extension ImportWalk {
  typealias Operand = (value: ImportedValue, name: String)

  var arithmetic: [String: Converter] {
    func pair(_ function: BinaryFunction) -> Converter {
      { (node) throws(CNNError) in
        let operands = try self.operands(node)
        guard operands.count == 2 else { throw CNNError("has \(operands.count) inputs") }
        return [.activation(try self.binary(function, operands[0], operands[1]))]
      }
    }
    func extremum(_ reduction: Reduction) -> Converter {
      { (node) throws(CNNError) in [try self.extremum(reduction, try self.operands(node))] }
    }
    return [
      "Add": pair(.add), "Sub": pair(.sub), "Mul": pair(.mul), "Div": pair(.div),
      "Max": extremum(.max), "Min": extremum(.min),
    ]
  }

  private func operands(_ node: ONNXNode) throws(CNNError) -> [Operand] {
    var result: [Operand] = []
    for (index, name) in node.inputs.enumerated() { result.append((try value(node, index, "\(index)"), name)) }
    guard !result.isEmpty else { throw CNNError("has no inputs") }
    return result
  }

  /// An activation with which integers can be computed: its stored values are the integers.
  func arithmeticActivation(
    _ node: ONNXNode, _ index: Int = 0, _ name: String = "X"
  ) throws(CNNError) -> ImportedActivation {
    let x = try activation(node, index, name)
    guard !x.isInteger || isRaw(x) else {
      throw CNNError("computes with the integers of a quantized value", advice: "dequantize it first")
    }
    return x
  }

  /// Integers that are meant as integers: with the scale 1.
  func isRaw(_ x: ImportedActivation) -> Bool {
    graph.tensors[x.tensor]?.quantization == Quantization(raw: x.type)
  }

  /// a, b in floats or integers of one type.
  func binary(_ function: BinaryFunction, _ a: Operand, _ b: Operand) throws(CNNError) -> ImportedActivation {
    let shape = try ONNXShape.broadcast(a.value.shape, b.value.shape)
    if let type = try integerType([a, b]) { return try integerBinary(function, a, b, shape, type) }
    let (tensors, form) = try aligned([a, b], to: shape)
    return ImportedActivation(
      tensor: try emit(.binary(function), tensors), shape: shape, form: form, type: a.value.activationType)
  }

  /// The type of the operands if they are (u)int8.
  private func integerType(_ operands: [Operand]) throws(CNNError) -> ONNXType? {
    for operand in operands {
      guard case .activation(let x) = operand.value, x.isInteger else { continue }
      guard isRaw(x) else {
        throw CNNError("computes with the integers of a quantized value", advice: "dequantize it first")
      }
      return x.type
    }
    return nil
  }

  /// Integers as uint8 tensors of scale 1, where the results are exact: sums, differences and products that stay in range,
  /// and quotients, which ONNX rounds towards 0.
  private func integerBinary(
    _ function: BinaryFunction, _ a: Operand, _ b: Operand, _ shape: [Int], _ type: ONNXType
  ) throws(CNNError) -> ImportedActivation {
    let (a, b) = ((try storedOperand(a, type), a.name), (try storedOperand(b, type), b.name))
    let raw = Tensor(.uint8, shape: [], quantization: Quantization(raw: type))
    let (tensors, form) = try aligned([a, b], to: shape)
    guard function == .div else {
      let tensor = try emit(.binary(function), tensors, as: raw)
      return ImportedActivation(tensor: tensor, shape: shape, form: form, type: type)
    }
    let float = Tensor(.float32, shape: [])
    var parts: [String] = []
    for tensor in tensors { parts.append(try emit(.dequantizeLinear, [tensor], as: float)) }
    let quotient = try emit(.div, parts)
    var whole = try wholeAbove(quotient)
    if type == .int8 {
      let negative = try emit(.mul, [quotient, constant([-1], shape: [1])])
      whole = try emit(.sub, [whole, try wholeAbove(negative)])
    }
    return ImportedActivation(
      tensor: try emit(.quantizeLinear, [whole], as: raw), shape: shape, form: form, type: type)
  }

  /// The whole part of quotients of bytes, and 0 for negative ones. They are multiples of 1/255 or more apart: less ½ and a
  /// little more, the nearest integer is the one below.
  private func wholeAbove(_ quotient: String) throws(CNNError) -> String {
    try roundedAbove(try emit(.sub, [quotient, constant([0.5 - 1 / 1024], shape: [1])]))
  }

  private func storedOperand(_ operand: Operand, _ type: ONNXType) throws(CNNError) -> ImportedValue {
    guard case .activation(let x) = operand.value, x.type == type else {
      throw CNNError("mixes \(type.name) with another type or a constant")
    }
    return operand.value
  }

  /// The largest or smallest of several tensors: a Clip for a number, else they are put along a new axis that is reduced.
  func extremum(_ reduction: Reduction, _ operands: [Operand]) throws(CNNError) -> ImportedValue {
    let type = try integerType(operands)
    guard var result = operands.first(where: { !$0.value.isConstant }) else { throw CNNError("reads constants only") }
    let index = operands.firstIndex { !$0.value.isConstant }!
    for (other, operand) in operands.enumerated() where other != index {
      if let constant = try constantOperand(operand.value, named: operand.name) {
        result.value = try extremum(reduction, result.value, constant)
      } else {
        result.value = try largest(reduction, result, operand, type)
      }
    }
    return result.value
  }

  private func extremum(
    _ reduction: Reduction, _ value: ImportedValue, _ bound: ConstantOperand
  ) throws(CNNError) -> ImportedValue {
    guard case .activation(let x) = value else { throw CNNError("reads constants only") }
    let floats = bound.floats
    if let first = floats.first, floats.allSatisfy({ $0 == first }),
      try ONNXShape.broadcast(x.shape, bound.shape) == x.shape
    {
      if reduction == .max && first == 0 { return .activation(try elementwise(.relu, x)) }
      let (low, high): (Float, Float) = reduction == .max ? (first, .infinity) : (-.infinity, first)
      return .activation(try elementwise(.clip(min: low, max: high), x))
    }
    // max(x, c) = relu(x − c) + c; min(x, c) = c − relu(c − x).
    let a: Operand = (value, "")
    let c: Operand = (.constant(ONNXTensor(shape: bound.shape, floats: floats)), free(bound.name))
    let difference = reduction == .max ? try binary(.sub, a, c) : try binary(.sub, c, a)
    let positive: Operand = (.activation(try elementwise(.relu, difference)), "")
    let extremum = reduction == .max ? try binary(.add, positive, c) : try binary(.sub, c, positive)
    return .activation(extremum)
  }

  private func largest(
    _ reduction: Reduction, _ a: Operand, _ b: Operand, _ type: ONNXType?
  ) throws(CNNError) -> ImportedValue {
    let shape = try ONNXShape.broadcast(a.value.shape, b.value.shape)
    var parts: [String] = []
    var form = Form.batched
    for operand in [a, b] {
      guard case .activation(let x) = operand.value, x.type == a.value.activationType else {
        throw CNNError("mixes types")
      }
      let expanded = try expanded(x, to: shape)
      form = self.form(of: shape)
      let place = try graphShape(shape, form) + [1]
      guard place.count <= 6 else {
        throw CNNError("has a tensor of rank \(shape.count)", advice: "up to 4 is possible")
      }
      parts.append(try reshape(try tensor(expanded, form), place))
    }
    let axis = graph.tensors[parts[0]]!.shape.count - 1
    let joined = try emit(.concat(axis: axis), parts)
    let reduced = try emit(.reduce(reduction, axes: [axis], keepDims: false), [joined])
    return result(reduced, shape, form, a.value.activationType)
  }

  /// Repeated along axes of size 1: zeros of the new shape are added.
  func expanded(_ x: ImportedActivation, to shape: [Int]) throws(CNNError) -> ImportedActivation {
    guard x.shape != shape else { return x }
    let own = shape.dropLast(x.shape.count).map { _ in 1 } + x.shape
    let (tensors, form) = try aligned([(.activation(x), x.tensor)], to: shape)
    let target = try graphShape(shape, form)
    // Only along the axes that grow: the constant stays small.
    let graphOwn = graph.tensors[tensors[0]]!.shape
    let zeros = target.indices.map { target[$0] == graphOwn[$0] ? 1 : target[$0] }
    let count = try limited(zeros.reduce(1, *))
    guard own != shape else { return ImportedActivation(tensor: tensors[0], shape: shape, form: form, type: x.type) }
    let zero: String
    if x.isInteger {
      let scale = graph.tensors[x.tensor]!.quantization!.scales[0]
      let values = [UInt8](repeating: 0, count: count)
      zero = constant(
        .uint8(values), shape: zeros, quantization: Quantization(scale: scale, zeroPoint: 0), name: "zeros")
    } else {
      zero = constant([Float](repeating: 0, count: count), shape: zeros)
    }
    return ImportedActivation(
      tensor: try emit(.add, [tensors[0], zero]), shape: shape, form: form, type: x.type)
  }
}

extension ImportedValue {
  var isConstant: Bool {
    switch self {
    case .constant, .quantized: true
    case .activation, .unknown: false
    }
  }

  /// Of an activation; float for a constant.
  var activationType: ONNXType { if case .activation(let x) = self { x.type } else { .float } }
}
