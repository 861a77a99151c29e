import CNNModel
import CNNSupport

/// Normalisations outside training.
extension ImportWalk {
  var normalizations: [String: Converter] {
    [
      "BatchNormalization": { (node) throws(CNNError) in [try self.batchNormalization(node)] },
      "LayerNormalization": { (node) throws(CNNError) in try self.layerNormalization(node) },
      "RMSNormalization": { (node) throws(CNNError) in [.activation(try self.rmsNormalization(node))] },
      "GroupNormalization": { (node) throws(CNNError) in
        let x = try self.floatActivation(node)
        let groups = node.int("num_groups") ?? 0
        guard x.shape.count >= 3, groups > 0, x.shape[1] % groups == 0 else {
          throw CNNError("has \(groups) groups of \(x.shape)")
        }
        return [
          try self.perChannel(node, x, .groupNormalization(groups: groups, epsilon: node.epsilon), groups: groups)
        ]
      },
      "InstanceNormalization": { (node) throws(CNNError) in
        let x = try self.floatActivation(node)
        return [try self.perChannel(node, x, .instanceNormalization(epsilon: node.epsilon))]
      },
      "LRN": { (node) throws(CNNError) in [try self.lrn(node)] },
    ]
  }

  private func batchNormalization(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    let x = try floatActivation(node)
    guard x.shape.count >= 2 else { throw CNNError("reads a tensor of rank \(x.shape.count)") }
    let channels = x.shape[1]
    var operands: [String] = []
    for (index, name) in ["scale", "B", "input_mean", "input_var"].enumerated() {
      operands.append(try channelConstant(node, index + 1, name, channels))
    }
    let kind = OperatorKind.batchNormalization(epsilon: node.epsilon)
    return .activation(try asPlane(x) { (image) throws(CNNError) in try self.emit(kind, [image] + operands) })
  }

  /// An operator for x of rank 2 or 4 on images of any rank, whose other axes become one.
  private func asPlane(
    _ x: ImportedActivation, _ body: (String) throws(CNNError) -> String
  ) throws(CNNError) -> ImportedActivation {
    try perImage(x) { (image) throws(CNNError) in
      let shape = self.graph.tensors[image]!.shape
      if shape.count == 2 || shape.count == 4 { return try body(image) }
      let plane = try self.reshape(image, [1, shape[1], shape[2...].reduce(1, *), 1])
      return try self.reshape(try body(plane), shape)
    }
  }

  private func channelConstant(
    _ node: ONNXNode, _ index: Int, _ name: String, _ channels: Int
  ) throws(CNNError) -> String {
    guard let weight = try weight(node, index, name) else { throw CNNError("its input \(name) is missing") }
    guard weight.shape.checkedCount == channels else {
      throw CNNError("its \(name) is of shape \(weight.shape) for \(channels) channels")
    }
    return try operand(weight.reshaped([channels]))
  }

  /// GroupNormalization, InstanceNormalization: scale and bias for each channel, or for each group.
  private func perChannel(
    _ node: ONNXNode, _ x: ImportedActivation, _ kind: OperatorKind, groups: Int? = nil
  ) throws(CNNError) -> ImportedValue {
    guard x.shape.count >= 3 else { throw CNNError("reads a tensor of rank \(x.shape.count)") }
    let channels = x.shape[1]
    var operands: [String] = []
    for (index, name) in ["scale", "bias"].enumerated() {
      guard let weight = try weight(node, index + 1, name) else { throw CNNError("its input \(name) is missing") }
      if let groups, groups != channels, weight.shape == [groups] {
        let floats = weight.floats.flatMap { [Float](repeating: $0, count: channels / groups) }
        operands.append(constant(floats, shape: [channels]))
      } else {
        operands.append(try channelConstant(node, index + 1, name, channels))
      }
    }
    return .activation(try perImage(x) { (image) throws(CNNError) in try self.emit(kind, [image] + operands) })
  }

  /// Results: Y, and if somebody wants them the mean and 1 / √(variance + epsilon).
  private func layerNormalization(_ node: ONNXNode) throws(CNNError) -> [ImportedValue] {
    let rank = try floatActivation(node).shape.count
    let first = try checkedAxis(node.int("axis") ?? -1, rank: rank)
    let axes = Array(first..<rank)
    let x = try avoiding(axes, try floatActivation(node))
    let shape = Array(x.shape[first...])
    var operands: [String] = []
    for (index, name) in ["Scale", "B"].enumerated() {
      guard let weight = try weight(node, index + 1, name) else {
        operands.append("")
        continue
      }
      guard try ONNXShape.broadcast(weight.shape, shape) == shape else {
        throw CNNError("its \(name) is of shape \(weight.shape) where \(shape) is normalised")
      }
      _ = try limited(shape.reduce(1, *))
      let tensor = ONNXTensor(shape: weight.shape, floats: weight.floats).expanded(shape)
      operands.append(weight.shape == shape ? try operand(weight) : constant(tensor.floats ?? [], shape: shape))
    }
    let kind = OperatorKind.layerNormalization(axis: x.form.axis(first), epsilon: node.epsilon)
    var y = x
    y.tensor = try emit(kind, [x.tensor] + operands)
    let wanted = node.output(1) != nil || node.output(2) != nil
    return [.activation(y)] + (wanted ? try statistics(x, axes, epsilon: node.epsilon) : [])
  }

  /// With v the variance and d = x − mean: r = 1 / √(v + ε) is what d is multiplied by, so mean(d · r · d) = v · r, and
  /// r = v · r / v. Where v is 0, what is added to both makes it 1 / √ε.
  private func statistics(
    _ x: ImportedActivation, _ axes: [Int], epsilon: Float
  ) throws(CNNError) -> [ImportedValue] {
    let (places, tiny) = (axes.map(x.form.axis), Float(1e-20))
    let mean = try emit(.reduce(.mean, axes: places), [x.tensor])
    let difference = try emit(.sub, [x.tensor, mean])
    let normal = try emit(.layerNormalization(axis: places[0], epsilon: epsilon), [x.tensor])
    let product = try emit(.reduce(.mean, axes: places), [try emit(.mul, [difference, normal])])
    let variance = try emit(.reduce(.mean, axes: places), [try emit(.mul, [difference, difference])])
    let above = try emit(.add, [product, constant([tiny], shape: [1])])
    let below = try emit(.add, [variance, constant([tiny * epsilon.squareRoot()], shape: [1])])
    let inverse = try emit(.div, [above, below])
    let shape = x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] }
    return [result(mean, shape, x.form), result(inverse, shape, x.form)]
  }

  private func rmsNormalization(_ node: ONNXNode) throws(CNNError) -> ImportedActivation {
    let x = try floatActivation(node)
    let axis = try checkedAxis(node.int("axis") ?? -1, rank: x.shape.count)
    let scale = try value(node, 1, "scale")
    guard try ONNXShape.broadcast(scale.shape, x.shape) == x.shape else {
      throw CNNError("its scale is of shape \(scale.shape) for \(x.shape)")
    }
    let y = try overRootMeanSquare(x, from: axis, epsilon: node.epsilon)
    return try binary(.mul, (.activation(y), ""), (scale, node.inputs[1]))
  }

  /// x / √(mean(x²) + ε) over the axes from one on: LayerNormalization of x and −x together, of which the mean is 0 and the
  /// variance mean(x²).
  func overRootMeanSquare(
    _ x: ImportedActivation, from axis: Int, epsilon: Float
  ) throws(CNNError) -> ImportedActivation {
    let x = try avoiding([axis], x)
    let place = x.form.axis(axis)
    let shape = graph.tensors[x.tensor]!.shape
    let negative = try emit(.mul, [x.tensor, constant([-1], shape: [1])])
    let both = try emit(.concat(axis: place), [x.tensor, negative])
    let normal = try emit(.layerNormalization(axis: place, epsilon: epsilon), [both])
    var result = x
    result.tensor = try emit(.slice(Slice(starts: shape.map { _ in 0 }, sizes: shape)), [normal])
    return result
  }

  private func lrn(_ node: ONNXNode) throws(CNNError) -> ImportedValue {
    guard let size = node.int("size"), size > 0, size <= 65_536 else { throw CNNError("has no size") }
    let kind = OperatorKind.lrn(
      size: size, alpha: node.float("alpha") ?? 1e-4, beta: node.float("beta") ?? 0.75, bias: node.float("bias") ?? 1)
    let x = try floatActivation(node)
    guard x.shape.count >= 3 else { throw CNNError("reads a tensor of rank \(x.shape.count)") }
    return .activation(try asPlane(x) { (image) throws(CNNError) in try self.emit(kind, [image]) })
  }
}

extension ONNXNode {
  var epsilon: Float { float("epsilon") ?? 1e-5 }
}
