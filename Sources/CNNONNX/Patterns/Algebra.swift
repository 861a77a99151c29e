import CNNSupport

// Operators that have no kernel, as ones that have: equal, not nearly so. All of floats; what is left of integers is
// the arithmetic of shapes, which is folded.

extension ONNXPass {
  /// −x = −1 · x
  package static let negToMul = rewriting("neg-to-mul", ["Neg"]) { (view, node, maker) throws(CNNError) in
    guard view.isFloat(node.input(0)) else { return false }
    maker.times(node.inputs[0], -1, output: node.outputs[0], for: node)
    return true
  }

  /// x · 1, x / 1, x + 0 and x − 0 are x.
  package static let removeNeutral = rewriting("remove-neutral", ["Mul", "Div", "Add", "Sub"]) {
    (view, node, maker) throws(CNNError) in
    let neutral: Float = node.op == "Mul" || node.op == "Div" ? 1 : 0
    let isCommutative = node.op == "Mul" || node.op == "Add"
    for (x, number) in isCommutative ? view.operands(node) : Array(view.operands(node).prefix(1)) {
      guard view.constant(x) == nil, view.scalar(number) == neutral, view.keepsRank(x, number) else { continue }
      maker.add("Identity", [x], output: node.outputs[0], for: node)
      return true
    }
    return false
  }

  /// x · (1/y) = x / y, and 1/y alone as a division too.
  package static let reciprocalToDiv = rewriting("reciprocal-to-div", ["Mul", "Reciprocal"]) {
    (view, node, maker) throws(CNNError) in
    if node.op == "Reciprocal" {
      guard let y = node.input(0), !view.isFactor(node.outputs[0]) else { return false }
      maker.add("Div", [maker.constant(ONNXTensor(1), "one", for: node), y], output: node.outputs[0], for: node)
      return true
    }
    for (x, inverse) in view.operands(node) {
      guard let y = view.writer(inverse, "Reciprocal")?.input(0) else { continue }
      maker.add("Div", [x, y], output: node.outputs[0], for: node)
      return true
    }
    return false
  }

  /// Powers with the exponents 1, 2, 3, 4 and −1.
  package static let powToMul = rewriting("pow-to-mul", ["Pow"]) { (view, node, maker) throws(CNNError) in
    guard let x = node.input(0), view.isFloat(x), let exponent = view.exponent(node) else { return false }
    let output = node.outputs[0]
    switch exponent {
    case 1: maker.add("Identity", [x], output: output, for: node)
    case 2: maker.add("Mul", [x, x], output: output, for: node)
    case 3: maker.add("Mul", [maker.add("Mul", [x, x], for: node), x], output: output, for: node)
    case 4:
      let square = maker.add("Mul", [x, x], for: node)
      maker.add("Mul", [square, square], output: output, for: node)
    case -1: maker.add("Div", [maker.constant(ONNXTensor(1), "one", for: node), x], output: output, for: node)
    default: return false
    }
    return true
  }

  /// Sum of any number as additions, Mean divided by their number.
  package static let sumToAdd = rewriting("sum-to-add", ["Sum", "Mean"]) { (view, node, maker) throws(CNNError) in
    guard !node.inputs.isEmpty, node.inputs.allSatisfy({ view.isFloat($0) }) else { return false }
    let (output, count) = (node.outputs[0], node.inputs.count)
    let isMean = node.op == "Mean" && count > 1
    var sum = node.inputs[0]
    for (index, term) in node.inputs.enumerated().dropFirst() {
      sum = maker.add("Add", [sum, term], output: index == count - 1 && !isMean ? output : nil, for: node)
    }
    if count == 1 { maker.add("Identity", [sum], output: output, for: node) }
    if isMean { maker.times(sum, 1 / Float(count), output: output, for: node) }
    return true
  }

  /// Max and Min with a number as Clip; two Clips, or a Relu and a Clip, as one.
  package static let maxMinToClip = rewriting("max-min-to-clip", ["Max", "Min", "Clip"]) {
    (view, node, maker) throws(CNNError) in
    if node.op == "Clip" { return view.mergeClips(node, &maker) }
    for (x, other) in view.operands(node) where view.isFloat(x) && view.constant(x) == nil {
      guard let bound = view.scalar(other), !bound.isNaN else { continue }
      let name = maker.constant(ONNXTensor(bound), "bound", for: node)
      maker.add("Clip", node.op == "Max" ? [x, name] : [x, "", name], output: node.outputs[0], for: node)
      return true
    }
    return false
  }

  /// Reductions by others: of squares, and of absolute values.
  package static let reductions = rewriting("reductions", ["ReduceSumSquare", "ReduceL1"]) {
    (view, node, maker) throws(CNNError) in
    guard let x = node.input(0), view.isFloat(x) else { return false }
    let term = maker.add(node.op == "ReduceL1" ? "Abs" : "Mul", node.op == "ReduceL1" ? [x] : [x, x], for: node)
    maker.add("ReduceSum", [term] + node.inputs.dropFirst(), node.attributes, output: node.outputs[0], for: node)
    return true
  }

  /// x / ‖x‖ along an axis, and 0 where all of x is.
  package static let lpNormalization = rewriting("lp-normalization", ["LpNormalization"]) {
    (view, node, maker) throws(CNNError) in
    let (x, order) = (node.input(0), node.int("p") ?? 2)
    guard let x, view.isFloat(x), order == 1 || order == 2 else { return false }
    let axes = maker.constant(ONNXTensor([node.int("axis") ?? -1]), "axes", for: node)
    let norm = maker.add("ReduceL\(order)", [x, axes], for: node)
    let smallest = maker.constant(ONNXTensor(1e-30), "smallest", for: node)
    maker.add("Div", [x, maker.add("Clip", [norm, smallest], for: node)], output: node.outputs[0], for: node)
    return true
  }

  /// |x| = Relu(x) + Relu(−x); Softsign is x / (1 + |x|).
  package static let absToRelu = rewriting("abs-to-relu", ["Abs", "Softsign"]) { (view, node, maker) throws(CNNError) in
    guard let x = node.input(0), view.isFloat(x) else { return false }
    if node.op == "Softsign" {
      let sum = maker.plus(maker.add("Abs", [x], for: node), 1, for: node)
      maker.add("Div", [x, sum], output: node.outputs[0], for: node)
    } else {
      let positive = maker.add("Relu", [x], for: node)
      let negative = maker.add("Relu", [maker.times(x, -1, for: node)], for: node)
      maker.add("Add", [positive, negative], output: node.outputs[0], for: node)
    }
    return true
  }

  /// Selu(x) = γ · Elu(x), Celu(x) = α · Elu(x / α).
  package static let seluToElu = rewriting("selu-to-elu", ["Selu", "Celu"]) { (view, node, maker) throws(CNNError) in
    guard let x = node.input(0), view.isFloat(x) else { return false }
    let output = node.outputs[0]
    if node.op == "Selu" {
      let elu = maker.add("Elu", [x], ["alpha": .float(node.float("alpha") ?? 1.673_263_2)], for: node)
      maker.times(elu, node.float("gamma") ?? 1.050_701, output: output, for: node)
      return true
    }
    let alpha = node.float("alpha") ?? 1
    guard alpha != 0, alpha.isFinite else { return false }
    let elu = maker.add("Elu", [maker.times(x, 1 / alpha, for: node)], ["alpha": .float(1)], for: node)
    maker.times(elu, alpha, output: output, for: node)
    return true
  }

  /// Mish(x) = x · tanh(ln(1 + eˣ)), as an operator or written out. With s = σ(−x) = 1 / (1 + eˣ) it is
  /// x · (1 − s²) / (1 + s²).
  package static let mish = rewriting("mish", ["Mish", "Mul"]) { (view, node, maker) throws(CNNError) in
    var x: String?
    if node.op == "Mish" { x = node.input(0) }
    if node.op == "Mul" {
      for (value, gate) in view.operands(node) {
        guard let softplus = view.writer(view.writer(gate, "Tanh")?.input(0), "Softplus") else { continue }
        if softplus.input(0) == value { x = value }
      }
    }
    guard let x else { return false }
    let s = maker.add("Sigmoid", [maker.times(x, -1, for: node)], for: node)
    let square = maker.add("Mul", [s, s], for: node)
    let above = maker.plus(maker.times(square, -1, for: node), 1, for: node)
    let gate = maker.add("Div", [above, maker.plus(square, 1, for: node)], for: node)
    maker.add("Mul", [x, gate], output: node.outputs[0], for: node)
    return true
  }
}

extension GraphView {
  /// Whether some Mul reads it: it is a matter of that node then.
  fileprivate func isFactor(_ value: String) -> Bool {
    graph.nodes.contains { $0.op == "Mul" && $0.domain.isEmpty && $0.inputs.contains(value) }
  }

  /// Whether broadcasting with a number leaves the rank as it is.
  fileprivate func keepsRank(_ x: String, _ number: String) -> Bool {
    constant(number)?.shape.isEmpty ?? false || facts.ranks[x] ?? 0 > 0
  }

  fileprivate func mergeClips(_ node: ONNXNode, _ maker: inout NodeMaker) -> Bool {
    guard let outer = bounds(node), let value = node.input(0), isPrivate(value) else { return false }
    var inner: (low: Float, high: Float) = (0, .infinity)
    var source = writer(value, "Relu")?.input(0)
    if let clip = writer(value, "Clip"), let found = bounds(clip) {
      source = clip.input(0)
      inner = found
    }
    guard let source else { return false }
    // Both at once, in the order in which they come: the outer bounds win where the two do not meet.
    let low = min(max(inner.low, outer.low), outer.high)
    let high = max(min(inner.high, outer.high), outer.low)
    guard outer.low <= outer.high, inner.low <= inner.high, low <= high else { return false }
    let inputs = [source] + maker.bounds(low, high, for: node)
    maker.add("Clip", inputs, output: node.outputs[0], for: node)
    return true
  }
}

extension NodeMaker {
  /// x · number
  @discardableResult
  mutating func times(_ x: String, _ number: Float, output: String? = nil, for node: ONNXNode) -> String {
    add("Mul", [x, constant(ONNXTensor(number), "factor", for: node)], output: output, for: node)
  }

  /// x + number
  mutating func plus(_ x: String, _ number: Float, for node: ONNXNode) -> String {
    add("Add", [x, constant(ONNXTensor(number), "term", for: node)], for: node)
  }

  /// The inputs of a Clip; infinite ones are left out.
  fileprivate mutating func bounds(_ low: Float, _ high: Float, for node: ONNXNode) -> [String] {
    let first = low > -.infinity ? constant(ONNXTensor(low), "min", for: node) : ""
    return high < .infinity ? [first, constant(ONNXTensor(high), "max", for: node)] : first.isEmpty ? [] : [first]
  }
}
