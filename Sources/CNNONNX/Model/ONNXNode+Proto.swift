import CNNSupport

extension ONNXNode {
  /// - Parameter opsets: of the model or of the function that the node is in.
  init(_ node: Onnx_NodeProto, _ opsets: Opsets) throws(CNNError) {
    let domain = Opsets.canonical(node.domain)
    self.init(name: node.name, op: node.opType, domain: domain, inputs: node.input, outputs: node.output)
    guard let opset = opsets[domain] ?? (domain.isEmpty ? nil : 1) else {
      throw CNNError("the file does not say which opset it is written for (opset_import)", at: place)
    }
    self.opset = opset
    for attribute in node.attribute {
      do {
        attributes[attribute.name] = try ONNXAttribute(attribute)
      } catch {
        throw error.inside("\(place), attribute “\(attribute.name)”")
      }
    }
  }
}

extension ONNXAttribute {
  init(_ attribute: Onnx_AttributeProto) throws(CNNError) {
    switch attribute.type {
    case .float: self = .float(attribute.f)
    case .int: self = .int(Int(attribute.i))
    case .string: self = .string(String(decoding: attribute.s, as: UTF8.self))
    case .tensor: self = .tensor(try ONNXTensor(attribute.t, folder: nil))
    case .floats: self = .floats(attribute.floats)
    case .ints: self = .ints(attribute.ints.map { Int($0) })
    case .strings: self = .strings(attribute.strings.map { String(decoding: $0, as: UTF8.self) })
    case .graph: self = .other("a subgraph")
    case .graphs: self = .other("subgraphs")
    case .tensors: self = .other("a list of tensors")
    case .sparseTensor, .sparseTensors: self = .other("a sparse tensor")
    case .typeProto, .typeProtos: self = .other("a type")
    case .undefined: self = try Self(untyped: attribute)
    case .UNRECOGNIZED(let number): self = .other("of kind \(number)")
    }
  }

  /// The files of before 2017 do not say which of the fields is meant: it is the one that is there.
  private init(untyped attribute: Onnx_AttributeProto) throws(CNNError) {
    if !attribute.floats.isEmpty {
      self = .floats(attribute.floats)
    } else if !attribute.ints.isEmpty {
      self = .ints(attribute.ints.map { Int($0) })
    } else if !attribute.strings.isEmpty {
      self = .strings(attribute.strings.map { String(decoding: $0, as: UTF8.self) })
    } else if attribute.hasT {
      self = .tensor(try ONNXTensor(attribute.t, folder: nil))
    } else if !attribute.s.isEmpty {
      self = .string(String(decoding: attribute.s, as: UTF8.self))
    } else if attribute.f != 0 {
      self = .float(attribute.f)
    } else {
      self = .int(Int(attribute.i))
    }
  }
}
