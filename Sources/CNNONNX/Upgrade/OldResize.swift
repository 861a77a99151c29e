import CNNSupport

extension Upgrade {
  /// Upsample, and Resize of opset 10, place pixel i of the result at i / scale ("asymmetric") and take the pixel
  /// below.
  mutating func resize(_ node: ONNXNode) throws(CNNError) {
    var node = node
    if node.op == "Upsample" || node.opset < 11 {
      if node.op == "Upsample" && node.opset < 9 { try scales(&node) }
      guard node.inputs.count == 2 else { throw CNNError("it has no scales") }
      node.op = "Resize"
      node.inputs = [node.inputs[0], "", node.inputs[1]]
      node.attributes = [
        "mode": .string(node.string("mode") == "bilinear" ? "linear" : node.string("mode") ?? "nearest"),
        "coordinate_transformation_mode": .string("asymmetric"), "nearest_mode": .string("floor"),
      ]
    }
    // Opset 11 wanted empty tensors for what is not given.
    for index in node.inputs.indices.dropFirst() where constants[node.inputs[index]]?.count == 0 {
      node.inputs[index] = ""
    }
    while node.inputs.last == "" { node.inputs.removeLast() }
    if node.string("coordinate_transformation_mode") != "tf_crop_and_resize" && node.inputs.count > 1 {
      node.inputs[1] = ""
    }
    maker.nodes.append(node)
  }

  /// From the attributes of opset 7, or those of opset 1.
  private mutating func scales(_ node: inout ONNXNode) throws(CNNError) {
    var scales = node.floats("scales")
    if let height = node.float("height_scale"), let width = node.float("width_scale") {
      scales = [1, 1, height, width]
    }
    guard let scales else { throw CNNError("it has no scales") }
    node.inputs = [
      node.inputs.first ?? "", maker.constant(ONNXTensor(shape: [scales.count], floats: scales), "scales", for: node),
    ]
  }
}
