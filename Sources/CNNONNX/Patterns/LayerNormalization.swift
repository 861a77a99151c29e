import CNNSupport

extension ONNXPass {
  /// (x − mean) / √(mean of (x − mean)² + ε), written out, as LayerNormalization; over axes that are not the last ones
  /// between two transposes. A product with a scale and a sum with a bias behind it are taken in.
  package static let layerNormalization = rewriting("layer-normalization", ["Div", "Mul", "Add"]) {
    (view, node, maker) throws(CNNError) in
    if let found = view.normalized(node) {
      return maker.normalize(found.x, axes: found.axes, rank: view.facts.ranks[found.x], found.epsilon, for: node)
    }
    return view.takeIn(node, &maker)
  }

  /// MeanVarianceNormalization over any axes, as LayerNormalization.
  package static let meanVarianceNormalization = rewriting(
    "mean-variance-normalization", ["MeanVarianceNormalization"]
  ) { (view, node, maker) throws(CNNError) in
    guard let x = node.input(0) else { return false }
    // The reference divides by √variance + 1e-9; under the root that is below float's precision all the same.
    return maker.normalize(x, axes: node.ints("axes") ?? [0, 2, 3], rank: view.facts.ranks[x], 1e-9, for: node)
  }
}

extension GraphView {
  /// value = x − mean of x along axes.
  private func centred(_ value: String?) -> (x: String, axes: [Int])? {
    guard let sub = writer(value, "Sub"), let x = sub.input(0), let mean = mean(sub.input(1)), mean.x == x else {
      return nil
    }
    return mean
  }

  private func mean(_ value: String?) -> (x: String, axes: [Int])? {
    guard let mean = writer(value, "ReduceMean"), let x = mean.input(0), mean.int("keepdims") ?? 1 == 1,
      let axes = constant(mean.input(1))?.integers, !axes.isEmpty
    else { return nil }
    return (x, axes.sorted())
  }

  /// value = √(mean of centred² + epsilon).
  private func deviation(_ value: String?) -> (x: String, axes: [Int], epsilon: Float)? {
    guard let sum = writer(value, "Sqrt")?.input(0) else { return nil }
    return variance(sum)
  }

  /// value = mean of centred² + epsilon.
  private func variance(_ value: String) -> (x: String, axes: [Int], epsilon: Float)? {
    guard let (term, epsilon) = sum(value), epsilon >= 0, let mean = mean(term) else { return nil }
    var factor: String?
    if let pow = writer(mean.x, "Pow"), exponent(pow) == 2 { factor = pow.input(0) }
    if let mul = writer(mean.x, "Mul"), mul.input(0) == mul.input(1) { factor = mul.input(0) }
    guard let centred = centred(factor), centred.axes == mean.axes else { return nil }
    return (centred.x, centred.axes, epsilon)
  }

  fileprivate func normalized(_ node: ONNXNode) -> (x: String, axes: [Int], epsilon: Float)? {
    func fits(_ value: String, _ deviation: (x: String, axes: [Int], epsilon: Float)?) -> Bool {
      guard let deviation, let centred = centred(value) else { return false }
      return centred == (deviation.x, deviation.axes)
    }
    if node.op == "Div", let value = node.input(0), let found = deviation(node.input(1)), fits(value, found) {
      return found
    }
    guard node.op == "Mul" else { return nil }
    for (value, inverse) in operands(node) {
      var found: (x: String, axes: [Int], epsilon: Float)?
      if let reciprocal = writer(inverse, "Reciprocal") { found = deviation(reciprocal.input(0)) }
      if let div = writer(inverse, "Div"), scalar(div.input(0)) == 1 { found = deviation(div.input(1)) }
      if let pow = writer(inverse, "Pow"), exponent(pow) == -0.5 { found = pow.input(0).flatMap(variance) }
      if fits(value, found) { return found }
    }
    return nil
  }

  /// LayerNormalization(x) · scale or + bias, with a constant that has an element for each that is normalized.
  fileprivate func takeIn(_ node: ONNXNode, _ maker: inout NodeMaker) -> Bool {
    guard node.op != "Div" else { return false }
    for (value, other) in operands(node) {
      guard let layer = writer(value, "LayerNormalization"), isPrivate(value), let axis = layer.int("axis"), axis < 0,
        let constant = constant(other), constant.type == .float
      else { continue }
      let shape = Array(constant.shape.drop { $0 == 1 })
      // Ones in front must not make more axes than there are.
      guard constant.shape == shape || constant.shape.count <= facts.ranks[layer.inputs[0]] ?? 0 else { continue }
      let isPlain = scalar(writer(layer.input(1), "Expand")?.input(0)) == 1
      guard -shape.count == axis, node.op == "Mul" ? isPlain && layer.input(2) == nil : layer.input(2) == nil else {
        continue
      }
      // The bias must be as large as the scale is, or the scale is 1 and has whatever size there is.
      if node.op == "Add", !isPlain, self.constant(layer.input(1))?.shape != shape { continue }
      let name = maker.constant(constant.reshaped(shape), node.op == "Mul" ? "scale" : "bias", for: node)
      let inputs = node.op == "Mul" ? [layer.inputs[0], name] : [layer.inputs[0], layer.inputs[1], name]
      maker.add("LayerNormalization", inputs, layer.attributes, output: node.outputs[0], for: node)
      return true
    }
    return false
  }
}

extension NodeMaker {
  /// LayerNormalization over any axes, with a scale of 1: directly if they are the last ones.
  /// - Parameter rank: of x, if it is known.
  /// - Returns: false, and nothing made, if the rank must be known and is not, or the axes are wrong.
  fileprivate mutating func normalize(
    _ x: String, axes: [Int], rank: Int?, _ epsilon: Float, for node: ONNXNode
  ) -> Bool {
    guard !axes.isEmpty else { return false }
    let attributes: [String: ONNXAttribute] = ["axis": .int(-axes.count), "epsilon": .float(epsilon)]
    let isLast = axes.sorted() == Array(-axes.count..<0)
    guard let rank else {
      guard isLast else { return false }
      add("LayerNormalization", [x, ones(x, axes.count, for: node)], attributes, output: node.outputs[0], for: node)
      return true
    }
    guard let checked = try? checkedAxes(axes, rank: rank).sorted() else { return false }
    let order = (0..<rank).filter { !checked.contains($0) } + checked
    if order == Array(0..<rank) {
      add("LayerNormalization", [x, ones(x, axes.count, for: node)], attributes, output: node.outputs[0], for: node)
      return true
    }
    let moved = add("Transpose", [x], ["perm": .ints(order)], for: node)
    let result = add("LayerNormalization", [moved, ones(moved, axes.count, for: node)], attributes, for: node)
    let back = (0..<rank).map { axis in order.firstIndex(of: axis) ?? axis }
    add("Transpose", [result], ["perm": .ints(back)], output: node.outputs[0], for: node)
    return true
  }

  /// As many ones as the last axes of a value have elements, in their shape.
  private mutating func ones(_ value: String, _ axes: Int, for node: ONNXNode) -> String {
    let one = constant(ONNXTensor(1), "one", for: node)
    let shape = add("Shape", [value], ["start": .int(-axes)], for: node)
    return add("Expand", [one, shape], for: node)
  }
}
