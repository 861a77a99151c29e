extension Upgrade {
  /// Before opset 7 the second input lay at `axis` of the first, and in `PRelu` one slope at each channel; since then
  /// both are lined up at their last axes. The second input becomes one with sizes of 1 behind.
  mutating func broadcasting(_ node: ONNXNode) {
    var node = node
    if node.opset < 7 {
      let axis = node.op == "PRelu" ? 1 : node.int("axis")
      let isBroadcast = node.op == "PRelu" || node.int("broadcast") ?? 0 != 0
      node.attributes["axis"] = nil
      node.attributes["broadcast"] = nil
      if isBroadcast, let axis, let a = node.input(0), let b = node.input(1) {
        node.inputs[1] = linedUp(b, at: axis, of: a, for: node)
      }
    }
    maker.nodes.append(node)
  }

  private mutating func linedUp(_ b: String, at axis: Int, of a: String, for node: ONNXNode) -> String {
    if axis >= 0, let rankA = rank(of: a), let rankB = rank(of: b) {
      let behind = rankA - axis.clamped - rankB
      guard behind > 0 else { return b }
      let axes = maker.constant(ONNXTensor(Array(rankB..<rankB + behind)), "axes", for: node)
      return maker.add("Unsqueeze", [b, axes], for: node)
    }
    // Sizes of 1: as many as the rank of a has more than axis and b together. A rank is the shape of a shape.
    let shapeA = maker.add("Shape", [a], for: node)
    let shapeB = maker.add("Shape", [b], for: node)
    let before = maker.constant(ONNXTensor([max(axis, -(1 << 20))]), "axis", for: node)
    let rankB = maker.add("Shape", [shapeB], for: node)
    // A negative axis counts from the end: the rank of a cancels.
    let free =
      axis < 0
      ? maker.add("Neg", [before], for: node)
      : maker.add("Sub", [maker.add("Shape", [shapeA], for: node), before], for: node)
    let behind = maker.add("Sub", [free, rankB], for: node)
    let zero = maker.constant(ONNXTensor([0]), "zero", for: node)
    let count = maker.add("Max", [behind, zero], for: node)
    let ones = maker.add(
      "ConstantOfShape", [count], ["value": .tensor(ONNXTensor(shape: [1], integers: [1]))], for: node)
    let shape = maker.add("Concat", [shapeB, ones], ["axis": .int(0)], for: node)
    return maker.add("Reshape", [b, shape], for: node)
  }
}
