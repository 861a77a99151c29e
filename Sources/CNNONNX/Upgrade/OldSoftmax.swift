extension Upgrade {
  /// Before opset 13 these went over all axes from `axis` (1) on together. The same as over the last alone if `axis` is
  /// the last; else the tensor is made a matrix and back.
  mutating func softmax(_ node: ONNXNode) {
    guard node.opset < 13, let x = node.input(0) else {
      return maker.nodes.append(node)
    }
    var node = node
    let axis = node.int("axis") ?? 1
    let rank = rank(of: x)
    if axis == -1 || rank.map({ $0 - 1 }) == axis {
      node.attributes["axis"] = .int(-1)
      return maker.nodes.append(node)
    }
    let output = node.outputs[0]
    let shape = maker.add("Shape", [x], for: node)
    let matrix = maker.add("Flatten", [x], ["axis": .int(axis)], for: node)
    let result = maker.add(node.op, [matrix], ["axis": .int(-1)], for: node)
    maker.add("Reshape", [result, shape], output: output, for: node)
  }
}
