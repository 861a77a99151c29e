import CNNSupport

extension ONNXPass {
  /// x · ½ (1 + erf(x/√2)) and x · ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), in any order of factors, as Gelu.
  package static let gelu = rewriting("gelu", ["Mul", "Div"]) { (view, node, maker) throws(CNNError) in
    let output = node.outputs[0]
    for gate in Set(view.product(output).factors) {
      guard let (x, half, kind) = view.geluGate(gate) else { continue }
      let product = view.product(output, atoms: [x, gate])
      guard product.factors.sorted() == [x, gate].sorted(), isClose(product.number * half, 0.5) else { continue }
      maker.add("Gelu", [x], ["approximate": .string(kind)], output: output, for: node)
      return true
    }
    return false
  }
}

extension GraphView {
  /// The x of a gate `half` · (1 + erf(x/√2)), or the one with tanh, and the name that ONNX has for which.
  fileprivate func geluGate(_ gate: String) -> (x: String, half: Float, kind: String)? {
    guard let (term, half) = sum(gate) else { return nil }
    let (inner, factor) = scaled(term)
    guard factor == half else { return nil }
    if let erf = writer(inner, "Erf"), let argument = erf.input(0) {
      let (x, factor) = scaled(argument)
      return isClose(factor, Float(0.5).squareRoot()) ? (x, half, "none") : nil
    }
    if let tanh = writer(inner, "Tanh"), let argument = tanh.input(0) {
      return tanhArgument(argument).map { ($0, half, "tanh") }
    }
    return nil
  }

  /// The x of √(2/π) (x + 0.044715 x³), or of √(2/π) x (1 + 0.044715 x²).
  private func tanhArgument(_ value: String) -> String? {
    let factor: Float = 0.797_884_56
    for bracket in Set(product(value).factors) {
      guard let add = writer(bracket, "Add") else { continue }
      for (x, cube) in operands(add) where scalar(x) == nil && scalar(cube) == nil {
        let terms = product(cube, atoms: [x])
        let outer = product(value, atoms: [bracket])
        if terms.factors == [x, x, x], isClose(terms.number, 0.044715), outer.factors == [bracket],
          isClose(outer.number, factor)
        {
          return x
        }
      }
      guard let (square, one) = sum(bracket), one == 1 else { continue }
      let terms = product(square)
      guard terms.factors.count == 2, terms.factors[0] == terms.factors[1], isClose(terms.number, 0.044715) else {
        continue
      }
      let x = terms.factors[0]
      let outer = product(value, atoms: [bracket, x])
      if outer.factors.sorted() == [bracket, x].sorted(), isClose(outer.number, factor) { return x }
    }
    return nil
  }
}
