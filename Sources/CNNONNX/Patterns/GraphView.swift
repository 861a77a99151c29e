import CNNSupport

/// A graph while patterns are looked for in it: who writes a value, what is constant, and what is known of it.
struct GraphView {
  let graph: ONNXGraph
  let facts: ValueFacts
  private var writers: [String: Int] = [:]
  private var reads: [String: Int] = [:]

  init(_ graph: ONNXGraph) {
    self.graph = graph
    var facts = ValueFacts(graph)
    for (index, node) in graph.nodes.enumerated() {
      facts.learn(node) { graph.constants[$0] }
      for output in node.outputs where !output.isEmpty { writers[output] = index }
      for input in node.inputs { reads[input, default: 0] += 1 }
    }
    for output in graph.outputs { reads[output.name, default: 0] += 1 }
    self.facts = facts
  }

  /// The node that writes a value, if it is ONNX's operator of that name.
  func writer(_ value: String?, _ op: String) -> ONNXNode? {
    guard let value, let index = writers[value] else { return nil }
    let node = graph.nodes[index]
    return node.op == op && node.domain.isEmpty && node.outputs.first == value ? node : nil
  }

  /// Whether one node reads it, once, and the caller does not see it.
  func isPrivate(_ value: String) -> Bool { reads[value] == 1 }

  func isFloat(_ value: String?) -> Bool { value.flatMap { facts.types[$0] } == .float }

  func constant(_ value: String?) -> ONNXTensor? { value.flatMap { graph.constants[$0] } }

  /// A constant float that changes no other shape by being broadcast.
  func scalar(_ value: String?) -> Float? {
    guard let tensor = constant(value), tensor.shape.count <= 1 else { return nil }
    return tensor.float
  }

  /// The inputs of a node with two, both ways round.
  func operands(_ node: ONNXNode) -> [(String, String)] {
    guard let a = node.input(0), let b = node.input(1), node.inputs.count == 2 else { return [] }
    return [(a, b), (b, a)]
  }

  /// value = term + number.
  func sum(_ value: String) -> (term: String, number: Float)? {
    if let add = writer(value, "Add") {
      for (term, other) in operands(add) { if let number = scalar(other) { return (term, number) } }
    }
    if let sub = writer(value, "Sub"), let term = sub.input(0), let number = scalar(sub.input(1)) {
      return (term, -number)
    }
    return nil
  }

  /// value = term · number, with the number 1 if it is no product with a number.
  func scaled(_ value: String) -> (term: String, number: Float) {
    if let mul = writer(value, "Mul") {
      for (term, other) in operands(mul) { if let number = scalar(other) { return (term, number) } }
    }
    if let div = writer(value, "Div"), let term = div.input(0), let number = scalar(div.input(1)), number != 0 {
      return (term, 1 / number)
    }
    return (value, 1)
  }

  /// A value as the product of a number and other values, whatever the order and the brackets.
  /// - Parameter atoms: values that are not taken apart.
  func product(_ value: String, atoms: Set<String> = []) -> (factors: [String], number: Float) {
    product(value, atoms, depth: 6)
  }

  private func product(_ value: String, _ atoms: Set<String>, depth: Int) -> (factors: [String], number: Float) {
    guard depth > 0, !atoms.contains(value) else { return ([value], 1) }
    if let number = scalar(value) { return ([], number) }
    if let mul = writer(value, "Mul"), let a = mul.input(0), let b = mul.input(1) {
      let (x, y) = (product(a, atoms, depth: depth - 1), product(b, atoms, depth: depth - 1))
      return (x.factors + y.factors, x.number * y.number)
    }
    if let div = writer(value, "Div"), let a = div.input(0), let number = scalar(div.input(1)), number != 0 {
      let x = product(a, atoms, depth: depth - 1)
      return (x.factors, x.number / number)
    }
    if let neg = writer(value, "Neg"), let a = neg.input(0) {
      let x = product(a, atoms, depth: depth - 1)
      return (x.factors, -x.number)
    }
    if let pow = writer(value, "Pow"), let a = pow.input(0), let times = exponent(pow), times == 2 || times == 3 {
      let x = product(a, atoms, depth: depth - 1)
      return (
        (0..<Int(times)).flatMap { _ in x.factors }, times == 2 ? x.number * x.number : x.number * x.number * x.number
      )
    }
    return ([value], 1)
  }

  /// The constant exponent of a Pow, which may be of another type than its base.
  func exponent(_ pow: ONNXNode) -> Float? {
    guard let tensor = constant(pow.input(1)), tensor.shape.count <= 1 else { return nil }
    return tensor.float ?? tensor.integer.map { Float($0) }
  }

  /// The bounds of a Clip of floats, if they are constant.
  func bounds(_ clip: ONNXNode) -> (low: Float, high: Float)? {
    guard isFloat(clip.input(0)) else { return nil }
    let low = clip.input(1).map { constant($0)?.float } ?? -.infinity
    let high = clip.input(2).map { constant($0)?.float } ?? .infinity
    guard let low, let high else { return nil }
    return (low, high)
  }
}

/// Whether two numbers of a pattern are the same, as exporters round them.
func isClose(_ a: Float, _ b: Float) -> Bool { (a - b).magnitude <= 1e-4 * max(a.magnitude, b.magnitude) }

extension ONNXPass {
  /// What may stand instead of a node. It makes nodes that write the same outputs and returns true, or makes nothing.
  typealias Rule = @Sendable (GraphView, ONNXNode, inout NodeMaker) throws(CNNError) -> Bool

  /// A pass that replaces nodes of some operators, until nothing is left to be replaced.
  static func rewriting(_ name: String, _ operators: Set<String>, _ rule: @escaping Rule) -> ONNXPass {
    ONNXPass(name) { (graph) throws(CNNError) in
      var total = 0
      // A rule that fed itself would be a mistake of ours; it ends all the same.
      for _ in 0..<64 {
        let view = GraphView(graph)
        var maker = NodeMaker(graph)
        var count = 0
        for node in graph.nodes {
          if node.domain.isEmpty, operators.contains(node.op), node.output(0) != nil {
            if try rule(view, node, &maker) {
              count += 1
              continue
            }
          }
          maker.nodes.append(node)
        }
        guard count > 0 else { break }
        graph.nodes = maker.nodes
        graph.constants.merge(maker.constants) { old, _ in old }
        graph.removeIdentities()
        _ = graph.removeUnused()
        total += count
      }
      return total
    }
  }
}
