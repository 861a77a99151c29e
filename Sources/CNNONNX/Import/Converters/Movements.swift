import CNNModel
import CNNSupport

/// What only moves values, or says what is known of them.
extension ImportWalk {
  var movements: [String: Converter] {
    func reshape(_ shape: @escaping (ONNXNode, [Int]) throws(CNNError) -> [Int]) -> Converter {
      { (node) throws(CNNError) in
        switch try self.value(node, 0, "data") {
        case .activation(let x): return [.activation(try self.reshaped(x, to: try shape(node, x.shape)))]
        case .quantized(let constant): return [try self.reshaped(constant, to: try shape(node, constant.shape))]
        default: throw CNNError("reads a constant")
        }
      }
    }
    let same: Converter = { (node) throws(CNNError) in [try self.value(node, 0, "input")] }
    return [
      "Identity": same,
      "Cast": { (node) throws(CNNError) in [try self.cast(node, to: node.int("to"))] },
      "CastLike": { (node) throws(CNNError) in
        guard case .activation(let like) = try self.value(node, 1, "target_type") else {
          return [try self.cast(node, to: Int(try self.constant(node, 1, "target_type").type.rawValue))]
        }
        return [try self.cast(node, to: Int(like.type.rawValue))]
      },
      "Dropout": { (node) throws(CNNError) in
        if try self.scalar(node, 2, "training_mode") ?? 0 != 0 { throw CNNError("is in training mode") }
        let data = try self.value(node, 0, "data")
        guard node.output(1) != nil else { return [data] }
        let mask = [Int64](repeating: 1, count: try self.limited(data.shape.reduce(1, *)))
        return [data, .constant(ONNXTensor(.bool, shape: data.shape, integers: mask))]
      },
      "Shape": { (node) throws(CNNError) in
        let shape = try self.value(node, 0, "data").shape
        func place(_ given: Int) -> Int { min(max(given < 0 ? given + shape.count : given, 0), shape.count) }
        let (start, end) = (place((node.int("start") ?? 0).clamped), place((node.int("end") ?? shape.count).clamped))
        return [.constant(ONNXTensor(start < end ? Array(shape[start..<end]) : []))]
      },
      "Size": { (node) throws(CNNError) in
        let count = try self.value(node, 0, "data").shape.reduce(1, *)
        return [.constant(ONNXTensor(shape: [], integers: [Int64(count)]))]
      },
      "Reshape": reshape { (node, shape) throws(CNNError) in
        guard let wanted = try self.integers(node, 1, "shape") else { throw CNNError("its input shape is missing") }
        return try ONNXShape.reshaped(shape, to: wanted, allowZero: node.int("allowzero") ?? 0 != 0)
      },
      "Flatten": reshape { (node, shape) throws(CNNError) in
        try ONNXShape.flattened(shape, axis: node.int("axis") ?? 1)
      },
      "Squeeze": reshape { (node, shape) throws(CNNError) in
        try ONNXShape.squeezed(shape, axes: try self.integers(node, 1, "axes"))
      },
      "Unsqueeze": reshape { (node, shape) throws(CNNError) in
        guard let axes = try self.integers(node, 1, "axes") else { throw CNNError("its input axes is missing") }
        return try ONNXShape.unsqueezed(shape, axes: axes)
      },
      "Transpose": { (node) throws(CNNError) in [try self.transpose(node)] },
      "DepthToSpace": { (node) throws(CNNError) in
        let block = node.int("blocksize") ?? 0
        let mode: DepthToSpaceMode = node.string("mode") == "CRD" ? .crd : .dcr
        return [try self.blocks(node, .depthToSpace(blockSize: block, mode: mode))]
      },
      "SpaceToDepth": { (node) throws(CNNError) in [try self.spaceToDepth(node)] },
      "Pad": { (node) throws(CNNError) in [try self.pad(node)] },
      "Expand": { (node) throws(CNNError) in
        guard let wanted = try self.integers(node, 1, "shape") else { throw CNNError("its input shape is missing") }
        let x = try self.activation(node, 0, "input")
        return [.activation(try self.expanded(x, to: try ONNXShape.broadcast(x.shape, wanted)))]
      },
      "Tile": { (node) throws(CNNError) in [try self.tile(node)] },
      "Concat": { (node) throws(CNNError) in [try self.concat(node)] },
    ]
  }

  private func reshaped(_ constant: QuantizedConstant, to shape: [Int]) throws(CNNError) -> ImportedValue {
    let values = ConstantOperand.Values.quantized(constant.integers, scales: constant.scales, axis: constant.axis)
    return ConstantOperand(name: "", shape: constant.shape, values: values).reshaped(shape).imported
  }

  private func transpose(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let data = try value(node, 0, "data")
    let rank = data.shape.count
    let perm = node.ints("perm") ?? Array((0..<rank).reversed())
    guard perm.sorted() == Array(0..<rank) else { throw CNNError("its perm \(perm) is none of rank \(rank)") }
    if case .activation(let x) = data { return .activation(try transposed(x, perm)) }
    guard let constant = try constantOperand(data, named: node.inputs[0]) else { throw CNNError("reads nothing") }
    return constant.transposed(perm).imported
  }

  func transposed(_ x: ImportedActivation, _ perm: [Int]) throws(CNNError) -> ImportedActivation {
    guard perm != Array(x.shape.indices) else { return x }
    let shape = perm.map { x.shape[$0] }
    // Axes of size 1 do not matter for where values lie.
    let order = perm.filter { x.shape[$0] != 1 }
    if order == order.sorted() { return try reshaped(x, to: shape) }
    let x = perm[0] == 0 ? x : try converted(x, .whole)
    let places = x.form == .batched ? perm : [0] + perm.map { $0 + 1 }
    return ImportedActivation(
      tensor: try emit(.transpose(places), [x.tensor]), shape: shape, form: x.form, type: x.type)
  }

  private func cast(_ node: ONNXNode, to raw: Int?) throws(CNNError) -> ImportedValue {
    guard let raw, let type = ONNXType(rawValue: Int32(truncatingIfNeeded: raw)) else {
      throw CNNError("casts to type \(raw ?? 0), which is not supported")
    }
    let data = try value(node, 0, "input")
    guard case .activation(let x) = data else { return data }
    let isFloat = type.held == .float
    if x.type == type || x.type.isFloat && isFloat { return data }
    if isFloat {
      if x.type == .int32 { return result(x.tensor, x.shape, x.form) }
      guard isRaw(x) else { throw CNNError("casts the integers of a quantized value") }
      return result(try emit(.dequantizeLinear, [x.tensor], as: Tensor(.float32, shape: [])), x.shape, x.form)
    }
    throw CNNError("casts a computed \(x.type.name) to \(type.name)")
  }

  private func blocks(_ node: ONNXNode, _ kind: OperatorKind) throws(CNNError) -> ImportedValue {
    let x = try activation(node, 0, "input")
    guard x.shape.count == 4 else { throw CNNError("reads a tensor of rank \(x.shape.count)") }
    return .activation(try perImage(x) { (image) throws(CNNError) in try self.emit(kind, [image]) })
  }

  /// Mode DCR, the older one, puts the channels of a pixel of the block together; CRD the pixels of a channel.
  private func spaceToDepth(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let block = node.int("blocksize") ?? 0
    let result = try blocks(node, .spaceToDepth(blockSize: block))
    guard node.string("mode") == "CRD", case .activation(let y) = result else { return result }
    let (pixels, rest) = (block * block, Array(y.shape[2...]))
    let apart = try reshaped(y, to: [y.shape[0], pixels, y.shape[1] / pixels] + rest)
    return .activation(try reshaped(try transposed(apart, [0, 2, 1, 3, 4]), to: y.shape))
  }

  private func pad(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try activation(node, 0, "data")
    let rank = x.shape.count
    guard let pads = try integers(node, 1, "pads") else { throw CNNError("its input pads is missing") }
    let axes = try integers(node, 3, "axes").map { (a) throws(CNNError) in try checkedAxes(a, rank: rank) }
    let places = axes ?? Array(0..<rank)
    guard pads.count == 2 * places.count, pads.allSatisfy({ abs($0.clamped) <= 1 << 31 }) else {
      throw CNNError("its pads \(pads) are not two for each of \(places.count) axes")
    }
    var padding = Padding(begins: .init(repeating: 0, count: rank), ends: .init(repeating: 0, count: rank))
    for (index, axis) in places.enumerated() {
      (padding.begins[axis], padding.ends[axis]) = (pads[index], pads[index + places.count])
    }
    switch node.string("mode") ?? "constant" {
    case "constant": padding.mode = .constant(try padValue(node, x))
    case "reflect": padding.mode = .reflect
    case "edge": padding.mode = .edge
    case "wrap": padding.mode = .wrap
    case let other: throw CNNError("mode \(other)")
    }
    let touched = (0..<rank).filter { padding.begins[$0] != 0 || padding.ends[$0] != 0 }
    guard !touched.isEmpty else { return .activation(x) }
    let source = try avoiding(touched, x)
    let shape = (0..<rank).map { x.shape[$0] + padding.begins[$0] + padding.ends[$0] }
    if source.form == .whole { (padding.begins, padding.ends) = ([0] + padding.begins, [0] + padding.ends) }
    return result(try emit(.pad(padding), [source.tensor]), shape, source.form, x.type)
  }

  /// What a Pad fills with, as a real number.
  private func padValue(_ node: ONNXNode, _ x: ImportedActivation) throws(CNNError) -> Float {
    let value = try scalar(node, 2, "constant_value") ?? 0
    guard x.isInteger, let quantization = graph.tensors[x.tensor]?.quantization else { return value }
    return (value + Float(x.type.storedOffset) - Float(quantization.zeroPoint)) * quantization.scales[0]
  }

  private func tile(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    var x = try activation(node, 0, "input")
    guard let repeats = try integers(node, 1, "repeats"), repeats.count == x.shape.count,
      repeats.allSatisfy({ (1...4096).contains($0) })
    else { throw CNNError("its repeats are not a number from 1 to 4096 for each axis") }
    for (axis, count) in repeats.enumerated() where count > 1 {
      x = try concatenated([ImportedActivation](repeating: x, count: count), axis: axis)
    }
    return .activation(x)
  }

  private func concat(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    var values: [ImportedValue] = []
    for index in node.inputs.indices { values.append(try value(node, index, "\(index)")) }
    // What is empty adds nothing.
    let used = values.indices.filter { values[$0].shape.reduce(1, *) != 0 }
    let first = used.lazy.compactMap { if case .activation(let x) = values[$0] { x } else { nil } }.first
    guard let first, let given = node.int("axis") else { throw CNNError("has no axis or reads constants only") }
    let axis = try checkedAxis(given, rank: first.shape.count)
    var parts: [ImportedActivation] = []
    for index in used {
      if case .activation(let x) = values[index] {
        parts.append(x)
      } else {
        parts.append(try materialised(values[index], node.inputs[index], beside: first))
      }
    }
    return .activation(try concatenated(parts, axis: axis))
  }

  /// One behind the other along an axis.
  func concatenated(_ parts: [ImportedActivation], axis: Int) throws(CNNError) -> ImportedActivation {
    guard let first = parts.first else { throw CNNError("has no inputs") }
    guard parts.allSatisfy({ $0.type == first.type && $0.shape.count == first.shape.count }) else {
      throw CNNError("joins tensors of different types or ranks")
    }
    let quantization = graph.tensors[first.tensor]?.quantization
    guard parts.allSatisfy({ graph.tensors[$0.tensor]?.quantization == quantization }) else {
      throw CNNError("joins the integers of different quantizations", advice: "dequantize them first")
    }
    if parts.count == 1 { return first }
    var shape = first.shape
    shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    let form: Form = axis == 0 || !canBeBatched(shape) ? .whole : .batched
    var tensors: [String] = []
    for part in parts { tensors.append(try tensor(part, form)) }
    let tensor = try emit(.concat(axis: form.axis(axis)), tensors)
    return ImportedActivation(tensor: tensor, shape: shape, form: form, type: first.type)
  }

  /// A constant as an activation: it is added to a zero that is made of one.
  private func materialised(
    _ value: ImportedValue, _ name: String, beside x: ImportedActivation
  ) throws(CNNError) -> ImportedActivation {
    guard !x.isInteger, let constant = try constantOperand(value, named: name) else {
      throw CNNError("joins integers and a constant")
    }
    let shape = graph.tensors[x.tensor]!.shape
    let slice = Slice(starts: shape.map { _ in 0 }, sizes: shape.map { _ in 1 })
    let zero = try emit(.clip(min: 0, max: 0), [try emit(.slice(slice), [x.tensor])])
    // A constant with something for each image of a batch is none of a single image.
    let form: Form = mode == .images(1) || mode == .whole ? form(of: constant.shape) : .whole
    let place = try graphShape(constant.shape, form)
    let scalar = try reshape(zero, place.map { _ in 1 })
    let tensor = try emit(.add, [scalar, try operand(constant.reshaped(place))])
    return ImportedActivation(tensor: tensor, shape: constant.shape, form: form, type: x.type)
  }
}

extension ConstantOperand {
  /// The constant as the walk holds it.
  var imported: ImportedValue {
    switch values {
    case .floats(let floats): .constant(ONNXTensor(shape: shape, floats: floats))
    case .quantized(let integers, let scales, let axis):
      .quantized(QuantizedConstant(integers: integers, shape: shape, scales: scales, axis: axis))
    }
  }
}
