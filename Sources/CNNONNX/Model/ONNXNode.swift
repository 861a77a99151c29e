import CNNSupport

/// An operator of an ONNX model as the file has it, but in the newest opset's form (`upgradeOpset`).
package struct ONNXNode: Equatable, Sendable {
  /// As in the file, else made from the operator and its first output; unique.
  package var name: String
  /// "Conv"
  package var op: String
  /// "" for ONNX's own operators, "com.microsoft" …
  package var domain = ""
  /// An optional input that is absent is "".
  package var inputs: [String]
  package var outputs: [String]
  package var attributes: [String: ONNXAttribute] = [:]
  /// Of `domain`, that the file was written for: errors name it.
  package var opset = 0

  package init(
    name: String, op: String, domain: String = "", inputs: [String], outputs: [String],
    attributes: [String: ONNXAttribute] = [:], opset: Int = 0
  ) {
    self.name = name
    self.op = op
    self.domain = domain
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.opset = opset
  }

  /// The input at `index`, or nil if it is absent.
  package func input(_ index: Int) -> String? { index < inputs.count && !inputs[index].isEmpty ? inputs[index] : nil }

  /// The output at `index`, or nil if nobody asked for it.
  package func output(_ index: Int) -> String? {
    index < outputs.count && !outputs[index].isEmpty ? outputs[index] : nil
  }

  /// "Conv node “conv1” (opset 11)"; "com.microsoft.QLinearAdd node …"
  package var place: String { "\(domain.isEmpty ? "" : domain + ".")\(op) node “\(name)” (opset \(opset))" }

  // MARK: Attributes. Nil where there is none of that name; a wrong type is an error of the file, thrown on reading it.

  package func int(_ name: String) -> Int? { if case .int(let value)? = attributes[name] { value } else { nil } }
  package func ints(_ name: String) -> [Int]? { if case .ints(let value)? = attributes[name] { value } else { nil } }
  package func float(_ name: String) -> Float? { if case .float(let value)? = attributes[name] { value } else { nil } }
  package func floats(_ name: String) -> [Float]? {
    if case .floats(let value)? = attributes[name] { value } else { nil }
  }
  package func string(_ name: String) -> String? {
    if case .string(let value)? = attributes[name] { value } else { nil }
  }
  package func tensor(_ name: String) -> ONNXTensor? {
    if case .tensor(let value)? = attributes[name] { value } else { nil }
  }
}

/// What cannot be read (subgraphs, sparse tensors) is `.other` with the name of its kind.
package enum ONNXAttribute: Equatable, Sendable {
  case int(Int)
  case ints([Int])
  case float(Float)
  case floats([Float])
  case string(String)
  case strings([String])
  case tensor(ONNXTensor)
  case other(String)
}
