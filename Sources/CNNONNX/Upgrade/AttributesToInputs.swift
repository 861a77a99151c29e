import CNNSupport

extension Upgrade {
  /// The nodes whose attributes have become inputs, or that have other defaults or another name; all others as they
  /// are.
  mutating func withInputs(_ node: ONNXNode) throws(CNNError) -> ONNXNode {
    var node = node
    let opset = node.opset
    switch node.op {
    case "Clip" where opset < 11:
      moveScalar("min", to: 1, of: &node)
      moveScalar("max", to: 2, of: &node)
    case "Slice" where opset < 10:
      for (index, name) in ["starts", "ends", "axes"].enumerated() { moveList(name, to: index + 1, of: &node) }
    case "Pad" where opset < 11:
      if let pads = node.attributes.removeValue(forKey: "paddings") { node.attributes["pads"] = pads }
      moveList("pads", to: 1, of: &node)
      if node.string("mode") ?? "constant" == "constant" { moveScalar("value", to: 2, of: &node) }
      node.attributes["value"] = nil
    case "Squeeze", "Unsqueeze": if opset < 13 { moveList("axes", to: 1, of: &node) }
    case "ReduceSum": if opset < 13 { moveList("axes", to: 1, of: &node) }
    case "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2",
      "ReduceLogSum",
      "ReduceLogSumExp":
      if opset < 18 { moveList("axes", to: 1, of: &node) }
    case "Split":
      if opset < 13 { moveList("split", to: 1, of: &node) }
      if node.input(1) == nil && node.int("num_outputs") == nil {
        node.attributes["num_outputs"] = .int(node.outputs.count)
      }
    case "Reshape" where opset < 5: moveList("shape", to: 1, of: &node)
    case "TopK" where opset < 10:
      if let k = node.int("k") { node.attributes["k"] = .ints([k]) }
      moveList("k", to: 1, of: &node)
    case "Concat" where opset < 4: node.attributes["axis"] = node.attributes["axis"] ?? .int(1)
    case "Selu" where opset < 6:
      node.attributes["alpha"] = node.attributes["alpha"] ?? .float(1.6732)
      node.attributes["gamma"] = node.attributes["gamma"] ?? .float(1.0507)
    case "Scatter": node.op = "ScatterElements"
    default: break
    }
    return node
  }

  private mutating func moveList(_ name: String, to index: Int, of node: inout ONNXNode) {
    guard let list = node.ints(name) else { return }
    node.attributes[name] = nil
    node.setInput(index, maker.constant(ONNXTensor(list), name, for: node))
  }

  private mutating func moveScalar(_ name: String, to index: Int, of node: inout ONNXNode) {
    guard let value = node.float(name) else { return }
    node.attributes[name] = nil
    node.setInput(index, maker.constant(ONNXTensor(value), name, for: node))
  }

  /// Opset 1 repeats one axis, and says both in inputs; since 6 there is a number for each axis.
  mutating func tile(_ node: ONNXNode) {
    guard node.opset < 6, let x = node.input(0), let times = node.input(1), let axis = node.input(2) else {
      return maker.nodes.append(node)
    }
    let one = maker.constant(ONNXTensor([1]), "one", for: node)
    func list(_ value: String, _ maker: inout NodeMaker) -> String {
      let integer = maker.add("Cast", [value], ["to": .int(Int(ONNXType.int64.rawValue))], for: node)
      return maker.add("Reshape", [integer, one], for: node)
    }
    let rank = maker.add("Shape", [maker.add("Shape", [x], for: node)], for: node)
    let ones = maker.add(
      "ConstantOfShape", [rank], ["value": .tensor(ONNXTensor(shape: [1], integers: [1]))], for: node)
    let (index, update) = (list(axis, &maker), list(times, &maker))
    let repeats = maker.add("ScatterElements", [ones, index, update], ["axis": .int(0)], for: node)
    var node = node
    node.inputs = [x, repeats]
    maker.nodes.append(node)
  }

  /// The type by its name until opset 5; all kinds of floats are float here.
  mutating func cast(_ node: ONNXNode) throws(CNNError) {
    var node = node
    if let name = node.string("to") {
      guard let type = ONNXType(name: name.lowercased()) else {
        throw CNNError("the element type \(name) is not supported")
      }
      node.attributes["to"] = .int(Int(type.rawValue))
    }
    if let code = node.int("to"), let type = Int32(exactly: code).flatMap(ONNXType.init(rawValue:)), type.isFloat,
      type.minifloat == nil
    {
      node.attributes["to"] = .int(Int(ONNXType.float.rawValue))
    }
    maker.nodes.append(node)
  }

  /// A Cast where it is known to which type: constants that functions make in the type of their input are folded then.
  mutating func castLike(_ node: ONNXNode, _ types: [String: ONNXType]) {
    var node = node
    if let type = node.input(1).flatMap({ types[$0] }), type != .string {
      node.op = "Cast"
      node.inputs.removeLast(node.inputs.count - 1)
      node.attributes["to"] = .int(Int(type.rawValue))
    }
    maker.nodes.append(node)
  }

  /// Constants are no nodes.
  mutating func constant(_ node: ONNXNode) throws(CNNError) {
    guard let output = node.output(0) else { return }
    let tensor: ONNXTensor? =
      if let value = node.tensor("value") {
        value
      } else if let value = node.float("value_float") {
        ONNXTensor(value)
      } else if let values = node.floats("value_floats") {
        ONNXTensor(shape: [values.count], floats: values)
      } else if let value = node.int("value_int") {
        ONNXTensor(shape: [], integers: [Int64(value)])
      } else if let values = node.ints("value_ints") {
        ONNXTensor(values)
      } else {
        try strings(node)
      }
    guard let tensor else { return maker.nodes.append(node) }
    constants[output] = tensor
  }

  private func strings(_ node: ONNXNode) throws(CNNError) -> ONNXTensor? {
    var tensor = ONNXTensor(.string, shape: [], integers: [])
    if let value = node.string("value_string") {
      tensor.values = .strings([value])
    } else if case .strings(let values)? = node.attributes["value_strings"] {
      tensor.shape = [values.count]
      tensor.values = .strings(values)
    } else {
      return nil
    }
    return tensor
  }

  /// Inference drops nothing: the node is its input, unless it is told to train or asked what it has kept.
  mutating func dropout(_ node: ONNXNode) {
    let training = node.opset < 12 ? nil : node.input(2)
    let trains = training.map { constants[$0]?.integer != 0 } ?? false
    var node = node
    if node.opset < 12 { node.attributes["is_test"] = nil }
    if !trains && node.output(1) == nil {
      node.op = "Identity"
      node.inputs = [node.inputs.first ?? ""]
      node.attributes = [:]
    }
    maker.nodes.append(node)
  }
}

extension ONNXNode {
  /// Sets an input; those before it that are not there are "".
  mutating func setInput(_ index: Int, _ value: String) {
    while inputs.count <= index { inputs.append("") }
    inputs[index] = value
  }
}

extension ONNXType {
  /// By the name that TensorProto has for it, in lower case.
  init?(name: String) {
    guard let type = ONNXType.allCases.first(where: { $0.name == name }) else { return nil }
    self = type
  }
}
