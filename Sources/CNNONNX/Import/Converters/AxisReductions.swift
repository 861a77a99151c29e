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
      "ReduceL2": { (node) throws(CNNError) in
        [.activation(try self.reducedL2(node, try self.floatActivation(node, 0, "data")))]
      },
      "Softmax": { (node) throws(CNNError) in [.activation(try self.softmax(node, try self.floatActivation(node)))] },
    ]
  }

  private func reduced(
    _ node: ONNXNode, _ x: ImportedActivation, _ reduction: Reduction
  ) throws(CNNError) -> ImportedActivation {
    let axes = try reducedAxes(node, rank: x.shape.count)
    return axes.isEmpty ? x : try reduced(x, reduction, axes: axes, keepDims: node.int("keepdims") ?? 1 != 0)
  }

  /// Empty if the node does nothing.
  private func reducedAxes(_ node: ONNXNode, rank: Int) throws(CNNError) -> [Int] {
    let given = try integers(node, 1, "axes") ?? []
    if given.isEmpty { return node.int("noop_with_empty_axes") ?? 0 != 0 ? [] : Array(0..<rank) }
    return try checkedAxes(given, rank: rank).sorted()
  }

  /// √Σx² over n elements is Σ(x · x/√mean(x²)) / √n.
  private func reducedL2(_ node: ONNXNode, _ x: ImportedActivation) throws(CNNError) -> ImportedActivation {
    let axes = try reducedAxes(node, rank: x.shape.count)
    guard !axes.isEmpty else { return x }
    let rest = x.shape.indices.filter { !axes.contains($0) }
    let rows = try transposed(x, rest + axes)
    let direction = try overRootMeanSquare(rows, from: rest.count, epsilon: 1e-30)
    let products = try binary(.mul, (.activation(rows), ""), (.activation(direction), ""))
    let last = Array(rest.count..<x.shape.count)
    let sum = try reduced(products, .sum, axes: last, keepDims: false)
    let norm = try times(sum, 1 / Float(axes.reduce(1) { $0 * x.shape[$1] }).squareRoot())
    guard node.int("keepdims") ?? 1 != 0 else { return norm }
    return try reshaped(norm, to: x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] })
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
