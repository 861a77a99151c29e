import CNNModel
import CNNSupport

/// Reductions and Softmax, over any axes.
extension ImportWalk {
  var reductions: [String: Converter] {
    func reduce(_ reduction: Reduction) -> Converter {
      { (node) throws(CNNError) in
        let selects = reduction == .max || reduction == .min
        let x = selects ? try self.activation(node, 0, "data") : try self.floatActivation(node, 0, "data")
        return [.activation(try self.reduced(node, x, reduction))]
      }
    }
    return [
      "ReduceMean": reduce(.mean), "ReduceSum": reduce(.sum), "ReduceMax": reduce(.max), "ReduceMin": reduce(.min),
      "Softmax": { (node) throws(CNNError) in [.activation(try self.softmax(node, try self.floatActivation(node)))] },
    ]
  }

  private func reduced(
    _ node: ONNXNode, _ x: ImportedActivation, _ reduction: Reduction
  ) throws(CNNError) -> ImportedActivation {
    let rank = x.shape.count
    let given = try integers(node, 1, "axes") ?? []
    let axes: [Int]
    if given.isEmpty {
      if node.int("noop_with_empty_axes") ?? 0 != 0 { return x }
      axes = Array(0..<rank)
    } else {
      axes = try checkedAxes(given, rank: rank).sorted()
    }
    guard !axes.isEmpty else { return x }
    return try reduced(x, reduction, axes: axes, keepDims: node.int("keepdims") ?? 1 != 0)
  }

  func reduced(
    _ x: ImportedActivation, _ reduction: Reduction, axes: [Int], keepDims: Bool
  ) throws(CNNError) -> ImportedActivation {
    let x = try avoiding(axes, x)
    let kind = OperatorKind.reduce(reduction, axes: axes.map(x.form.axis), keepDims: keepDims)
    let shape = x.shape.indices.compactMap { axes.contains($0) ? keepDims ? 1 : nil : x.shape[$0] }
    return ImportedActivation(tensor: try emit(kind, [x.tensor]), shape: shape, form: x.form, type: x.type)
  }

  func softmax(_ node: ONNXNode, _ x: ImportedActivation) throws(CNNError) -> ImportedActivation {
    let axis = try checkedAxis(node.int("axis") ?? -1, rank: x.shape.count)
    let x = try avoiding([axis], x)
    return try elementwise(.softmax(axis: x.form.axis(axis)), x)
  }
}
