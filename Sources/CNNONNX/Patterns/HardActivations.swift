import CNNSupport

extension ONNXPass {
  /// x · HardSigmoid(x) and x · Clip(x + 3, 0, 6) / 6, in any order of factors, as HardSwish.
  package static let hardSwish = rewriting("hard-swish", ["Mul", "Div"]) { (view, node, maker) throws(CNNError) in
    let output = node.outputs[0]
    for gate in Set(view.product(output).factors) {
      guard let (x, line) = view.hardGate(gate) else { continue }
      let product = view.product(output, atoms: [x, gate])
      guard product.factors.sorted() == [x, gate].sorted(), isClose(line.alpha * product.number, 1 / 6),
        isClose(line.beta * product.number, 0.5), isClose(line.high * product.number, 1)
      else { continue }
      maker.add("HardSwish", [x], output: output, for: node)
      return true
    }
    return false
  }

  /// Clip(x + 3, 0, 6) / 6 and Clip(x / 6 + ½, 0, 1), in any order of factors, as HardSigmoid.
  package static let hardSigmoid = rewriting("hard-sigmoid", ["Mul", "Div", "Clip"]) {
    (view, node, maker) throws(CNNError) in
    let output = node.outputs[0]
    let product = node.op == "Clip" ? ([output], 1) : view.product(output)
    guard product.0.count == 1, view.writer(product.0[0], "Clip") != nil,
      let (x, line) = view.hardGate(product.0[0]), isClose(line.high * product.1, 1),
      isClose(line.beta * product.1, 0.5)
    else { return false }
    maker.add(
      "HardSigmoid", [x], ["alpha": .float(line.alpha * product.1), "beta": .float(line.beta * product.1)],
      output: output, for: node)
    return true
  }
}

extension GraphView {
  /// A value that is alpha · x + beta between 0 and high.
  fileprivate func hardGate(_ value: String) -> (x: String, line: (alpha: Float, beta: Float, high: Float))? {
    if let node = writer(value, "HardSigmoid"), let x = node.input(0) {
      return (x, (node.float("alpha") ?? 0.2, node.float("beta") ?? 0.5, 1))
    }
    guard let clip = writer(value, "Clip"), let bounds = bounds(clip), bounds.low == 0, bounds.high.isFinite,
      let (term, beta) = clip.input(0).flatMap(sum)
    else { return nil }
    let (x, alpha) = scaled(term)
    return (x, (alpha, beta, bounds.high))
  }
}
