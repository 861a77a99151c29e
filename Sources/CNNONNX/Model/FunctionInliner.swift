import CNNSupport

/// Replaces calls of the model's own functions by their nodes.
struct FunctionInliner {
  private struct Key: Hashable {
    let domain: String
    let name: String
    let overload: String
  }

  private var functions: [Key: Onnx_FunctionProto] = [:]
  /// Names of values, so that those inside a function get others.
  private var names = UniqueNames()
  /// Nodes and calls made: functions that call each other twice a level could otherwise make any number.
  private var made = 0
  private static let limit = 1 << 17

  init(_ functions: [Onnx_FunctionProto]) {
    for function in functions {
      self.functions[
        Key(
          domain: Opsets.canonical(function.domain), name: function.name, overload: function.overload)] = function
    }
  }

  mutating func reserve(_ values: [String]) { names.reserve(values) }

  /// The node itself, or what the function that it calls does.
  mutating func inlined(_ node: Onnx_NodeProto, _ opsets: Opsets) throws(CNNError) -> [ONNXNode] {
    try inlined(node, opsets, Scope())
  }

  /// What is around a node inside a function.
  private struct Scope {
    /// Names inside → names outside.
    var values: [String: String] = [:]
    var attributes: [String: Onnx_AttributeProto] = [:]
    var prefix = ""
    var calls: [Key] = []
  }

  private mutating func inlined(
    _ node: Onnx_NodeProto, _ opsets: Opsets, _ scope: Scope
  ) throws(CNNError) -> [ONNXNode] {
    made += 1
    guard made < Self.limit else {
      throw CNNError(
        "its functions call one another too often (over \(Self.limit) nodes)", at: "function \(node.opType)")
    }
    var node = node
    node.domain = Opsets.canonical(node.domain)
    node.input = node.input.map { scope.values[$0] ?? $0 }
    node.output = node.output.map { scope.values[$0] ?? $0 }
    if !node.name.isEmpty { node.name = scope.prefix + node.name }
    node.attribute = node.attribute.compactMap { attribute in
      guard !attribute.refAttrName.isEmpty else { return attribute }
      guard var value = scope.attributes[attribute.refAttrName] else { return nil }
      value.name = attribute.name
      return value
    }
    let key = Key(domain: node.domain, name: node.opType, overload: node.overload)
    guard let function = functions[key] else { return [try ONNXNode(node, opsets)] }
    guard !scope.calls.contains(key) else {
      throw CNNError(
        "the function calls itself, which ONNX does not allow", at: "function \(node.domain).\(node.opType)")
    }
    return try body(function, of: node, calls: scope.calls + [key])
  }

  private mutating func body(
    _ function: Onnx_FunctionProto, of node: Onnx_NodeProto, calls: [Key]
  ) throws(CNNError) -> [ONNXNode] {
    let place = "function \(node.domain).\(node.opType)"
    guard node.input.count <= function.input.count, node.output.count <= function.output.count else {
      throw CNNError(
        "it is called with \(node.input.count) inputs and \(node.output.count) outputs but has "
          + "\(function.input.count) and \(function.output.count)", at: place)
    }
    var scope = Scope()
    scope.calls = calls
    scope.prefix = (node.name.isEmpty ? node.opType : node.name) + "/"
    for attribute in function.attributeProto { scope.attributes[attribute.name] = attribute }
    for attribute in node.attribute { scope.attributes[attribute.name] = attribute }
    for (index, name) in function.input.enumerated() {
      scope.values[name] = index < node.input.count ? node.input[index] : ""
    }
    for name in function.node.flatMap(\.output) where !name.isEmpty {
      guard scope.values[name] == nil else {
        throw CNNError("there are two values of the name “\(name)” in it", at: place)
      }
      scope.values[name] = names.make(scope.prefix + name)
    }
    // What leaves the function has the caller's name; what also is an input of it, or leaves twice, is copied.
    let written = Set(function.node.flatMap(\.output))
    var copies: [ONNXNode] = []
    var named: Set<String> = []
    for (inner, outer) in zip(function.output, node.output) where !outer.isEmpty {
      if written.contains(inner) && named.insert(inner).inserted {
        scope.values[inner] = outer
      } else {
        guard let source = scope.values[inner] else {
          throw CNNError("nothing writes its output “\(inner)”", at: place)
        }
        copies.append(ONNXNode(name: "", op: "Identity", inputs: [source], outputs: [outer]))
      }
    }
    var nodes: [ONNXNode] = []
    let opsets = Opsets(function.opsetImport)
    for node in function.node { try nodes += inlined(node, opsets, scope) }
    return nodes + copies
  }
}
