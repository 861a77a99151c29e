extension Upgrade {
  /// `spatial` 0 (before opset 9): statistics of every element, not of every channel. That is plain arithmetic.
  mutating func batchNormalization(_ node: ONNXNode) {
    var node = node
    let isSpatial = node.int("spatial") ?? 1 != 0
    for name in ["spatial", "is_test", "momentum"] { node.attributes[name] = nil }
    guard !isSpatial, node.inputs.count == 5, node.outputs.count == 1, node.opset < 9 else {
      return maker.nodes.append(node)
    }
    let epsilon = maker.constant(ONNXTensor(node.float("epsilon") ?? 1e-5), "epsilon", for: node)
    let (x, scale, bias, mean, variance) = (
      node.inputs[0], node.inputs[1], node.inputs[2], node.inputs[3], node.inputs[4]
    )
    let deviation = maker.add("Sqrt", [maker.add("Add", [variance, epsilon], for: node)], for: node)
    let factor = maker.add("Div", [scale, deviation], for: node)
    let centred = maker.add("Sub", [x, mean], for: node)
    let scaled = maker.add("Mul", [centred, factor], for: node)
    maker.add("Add", [scaled, bias], output: node.outputs[0], for: node)
  }

  /// Before opset 21 there was a scale and a bias for each group; since then for each channel.
  mutating func groupNormalization(_ node: ONNXNode) {
    guard node.opset < 21, let groups = node.int("num_groups"), groups > 0, node.inputs.count == 3 else {
      return maker.nodes.append(node)
    }
    var node = node
    func constant(_ list: [Int], _ what: String, _ maker: inout NodeMaker) -> String {
      maker.constant(ONNXTensor(list), what, for: node)
    }
    let shape = maker.add("Shape", [node.inputs[0]], ["start": .int(1), "end": .int(2)], for: node)
    let count = constant([groups], "groups", &maker)
    let part = maker.add("Div", [shape, count], for: node)
    let expanded = maker.add("Concat", [count, part], ["axis": .int(0)], for: node)
    let (last, all) = (constant([1], "axes", &maker), constant([-1], "all", &maker))
    for index in 1...2 {
      let column = maker.add("Unsqueeze", [node.inputs[index], last], for: node)
      let rows = maker.add("Expand", [column, expanded], for: node)
      node.inputs[index] = maker.add("Reshape", [rows, all], for: node)
    }
    maker.nodes.append(node)
  }
}
