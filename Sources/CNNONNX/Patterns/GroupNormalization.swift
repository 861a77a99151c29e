import CNNSupport

extension ONNXPass {
  /// What PyTorch exports for GroupNorm before opset 21: Reshape to [N, groups, −1], InstanceNormalization, Reshape
  /// back, and perhaps a scale and a bias for each channel. As GroupNormalization.
  package static let instanceOrGroupNorm = rewriting("group-normalization", ["Reshape", "Mul", "Add"]) {
    (view, node, maker) throws(CNNError) in
    if node.op == "Reshape" { return view.groupNormalization(node, &maker) }
    return view.takeInChannels(node, &maker)
  }
}

extension GraphView {
  fileprivate func groupNormalization(_ node: ONNXNode, _ maker: inout NodeMaker) -> Bool {
    guard let normalized = writer(node.input(0), "InstanceNormalization"), normalized.inputs.count == 3,
      let split = writer(normalized.input(0), "Reshape"), let x = split.input(0),
      let wanted = constant(split.input(1))?.integers, wanted.count == 3, wanted[2] == -1, wanted[1] > 0,
      let scale = constant(normalized.input(1))?.floats, let bias = constant(normalized.input(2))?.floats,
      scale.count == wanted[1], scale.allSatisfy({ $0 == 1 }), bias.allSatisfy({ $0 == 0 }),
      keepsBatch(wanted[0], x), let back = node.input(1), isShape(back, of: x)
    else { return false }
    let groups = wanted[1]
    // A scale of 1 and a bias of 0 for each channel; the number of channels is the shape's.
    let channels = maker.add("Shape", [x], ["start": .int(1), "end": .int(2)], for: node)
    let one = maker.constant(ONNXTensor(1), "one", for: node)
    let zero = maker.constant(ONNXTensor(0), "zero", for: node)
    let ones = maker.add("Expand", [one, channels], for: node)
    let zeros = maker.add("Expand", [zero, channels], for: node)
    maker.add(
      "GroupNormalization", [x, ones, zeros],
      ["num_groups": .int(groups), "epsilon": .float(normalized.float("epsilon") ?? 1e-5)], output: node.outputs[0],
      for: node)
    return true
  }

  /// Whether the first size of a Reshape is that of x.
  private func keepsBatch(_ size: Int, _ x: String) -> Bool {
    if size == 0 { return true }
    guard let known = sizes(of: x) else { return false }
    return known.first == .size(size)
  }

  /// Whether a shape is that of x: taken from it, or the constant that the file says it has.
  private func isShape(_ shape: String, of x: String) -> Bool {
    if let node = writer(shape, "Shape"), node.int("start") ?? 0 == 0, node.int("end") == nil {
      return node.input(0) == x
    }
    guard let constant = constant(shape)?.integers, let known = sizes(of: x), known.count == constant.count,
      let batch = constant.first
    else { return false }
    // 0 is the batch as it comes; any other axis of the split shape is not that of x.
    return (batch <= 0 || known[0] == .size(batch)) && known.dropFirst() == constant.dropFirst().map { .size($0) }[...]
  }

  private func sizes(of value: String) -> [ONNXGraph.Dimension]? {
    graph.hints[value]?.shape ?? graph.inputs.first { $0.name == value }?.shape
  }

  /// GroupNormalization(x) · scale or + bias of shape [channels, 1, 1].
  fileprivate func takeInChannels(_ node: ONNXNode, _ maker: inout NodeMaker) -> Bool {
    for (value, other) in operands(node) {
      guard let group = writer(value, "GroupNormalization"), isPrivate(value), group.inputs.count == 3,
        let rank = facts.ranks[value], let constant = constant(other), constant.type == .float,
        constant.shape.count <= rank
      else { continue }
      let shape = Array(constant.shape.drop { $0 == 1 })
      let isPlain = scalar(writer(group.input(1), "Expand")?.input(0)) == 1
      let isUnbiased = scalar(writer(group.input(2), "Expand")?.input(0)) == 0
      guard shape.count == rank - 1, let channels = shape.first, shape.dropFirst().allSatisfy({ $0 == 1 }), isUnbiased,
        node.op == "Add" ? isPlain || self.constant(group.input(1))?.count == channels : isPlain
      else { continue }
      let name = maker.constant(constant.reshaped([channels]), node.op == "Mul" ? "scale" : "bias", for: node)
      var inputs = group.inputs
      inputs[node.op == "Mul" ? 1 : 2] = name
      maker.add("GroupNormalization", inputs, group.attributes, output: node.outputs[0], for: node)
      return true
    }
    return false
  }
}
