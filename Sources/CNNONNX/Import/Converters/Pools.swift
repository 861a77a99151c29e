import CNNModel
import CNNSupport

/// Pools, 1-D and 2-D, and the global ones over any number of axes.
extension ImportWalk {
  var pools: [String: Converter] {
    [
      "MaxPool": { (node) throws(CNNError) in
        [.activation(try self.pool(node, try self.activation(node, 0, "X")) { .maxPool($0, ceilMode: $1) })]
      },
      "AveragePool": { (node) throws(CNNError) in
        let countsPadding = node.int("count_include_pad") ?? 0 != 0
        let x = try self.floatActivation(node)
        return [
          .activation(
            try self.pool(node, x) { .averagePool($0, countIncludePad: countsPadding, ceilMode: $1) })
        ]
      },
      "GlobalAveragePool": { (node) throws(CNNError) in
        [.activation(try self.globalPool(.globalAveragePool, try self.floatActivation(node)))]
      },
      "GlobalMaxPool": { (node) throws(CNNError) in
        [.activation(try self.globalPool(.globalMaxPool, try self.activation(node, 0, "X")))]
      },
    ]
  }

  func pool(
    _ node: ONNXNode, _ x: ImportedActivation, _ kind: (Window, Bool) -> OperatorKind
  ) throws(CNNError) -> ImportedActivation {
    var window = try NodeWindow(node, shape: x.shape, kernel: nil)
    try window.applyAutoPad(node, shape: x.shape)
    return try windowed(x, window.window, ceilMode: node.int("ceil_mode") ?? 0 != 0, kind)
  }

  func globalPool(_ kind: OperatorKind, _ x: ImportedActivation) throws(CNNError) -> ImportedActivation {
    let shape = x.shape
    guard shape.count >= 3 else { throw CNNError("reads a tensor of rank \(shape.count)", advice: "it needs an image") }
    return try perImage(x) { (image) throws(CNNError) in
      let plane = shape.count == 4 ? image : try self.reshape(image, [1, shape[1], shape[2...].reduce(1, *), 1])
      let pooled = try self.emit(kind, [plane])
      return try self.reshape(pooled, [1, shape[1]] + shape.dropFirst(2).map { _ in 1 })
    }
  }
}
