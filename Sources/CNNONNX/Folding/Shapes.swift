import CNNSupport

extension Folding {
  /// Operators that read or change a shape and leave the elements as they are.
  static let shapeRules: [String: Rule] = [
    "Shape": one(shape),
    "Size": one(size),
    "Reshape": one(reshape),
    "Flatten": one(flatten),
    "Squeeze": one(squeeze),
    "Unsqueeze": one(unsqueeze),
    "Identity": one(identity),
    "Dropout": many(dropout),
    "Constant": one(constant),
  ]

  private func identity() throws(CNNError) -> ONNXTensor { try input(0) }

  private func size() throws(CNNError) -> ONNXTensor {
    ONNXTensor(shape: [], integers: [Int64(try input(0).count)])
  }

  private func shape() throws(CNNError) -> ONNXTensor {
    let shape = try input(0).shape
    let rank = shape.count
    func clipped(_ place: Int) -> Int { min(max(place < 0 ? place + rank : place, 0), rank) }
    let start = clipped(node.int("start") ?? 0)
    let end = clipped(node.int("end") ?? rank)
    return ONNXTensor(start < end ? Array(shape[start..<end]) : [])
  }

  private func reshape() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    return tensor.reshaped(
      try ONNXShape.reshaped(tensor.shape, to: try integers(1), allowZero: node.int("allowzero") == 1))
  }

  private func flatten() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    return tensor.reshaped(try ONNXShape.flattened(tensor.shape, axis: node.int("axis") ?? 1))
  }

  private func squeeze() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    return tensor.reshaped(try ONNXShape.squeezed(tensor.shape, axes: try optionalIntegers(1)))
  }

  private func unsqueeze() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    return tensor.reshaped(try ONNXShape.unsqueezed(tensor.shape, axes: try integers(1)))
  }

  /// Inference: nothing is dropped.
  private func dropout() throws(CNNError) -> [ONNXTensor] {
    let tensor = try input(0)
    guard optional(2)?.integer ?? 0 == 0 else { throw CNNError("it is in training mode") }
    guard node.outputs.count > 1 else { return [tensor] }
    return [tensor, ONNXTensor(.bool, shape: tensor.shape, integers: .init(repeating: 1, count: tensor.count))]
  }

  private func constant() throws(CNNError) -> ONNXTensor {
    guard let value = node.tensor("value") else { throw CNNError("it has no value") }
    return value
  }
}

/// The shapes to which ONNX's operators lead; what is folded and what is converted asks the same questions.
package enum ONNXShape {
  /// Reshape's: 0 keeps a size, −1 is what is left over.
  package static func reshaped(_ shape: [Int], to wanted: [Int], allowZero: Bool) throws(CNNError) -> [Int] {
    let count = try elementCount(shape)
    var result = wanted
    var unknown: Int?
    for (axis, size) in wanted.enumerated() {
      if size == 0 && !allowZero {
        guard axis < shape.count else { throw CNNError("the shape \(wanted) keeps axis \(axis), which \(shape) lacks") }
        result[axis] = shape[axis]
      } else if size == -1 {
        guard unknown == nil else { throw CNNError("the shape \(wanted) leaves more than one size open") }
        unknown = axis
        result[axis] = 1
      } else if size < 0 {
        throw CNNError("the shape \(wanted) has a negative size")
      }
    }
    let known = try elementCount(result)
    if let unknown {
      guard known > 0 && count % known == 0 else {
        throw CNNError("the \(count) elements of \(shape) do not fill the shape \(wanted)")
      }
      result[unknown] = count / known
    } else if known != count {
      throw CNNError("the \(count) elements of \(shape) do not fill the shape \(wanted)")
    }
    return result
  }

  /// Flatten's: everything before the axis, and the rest.
  package static func flattened(_ shape: [Int], axis: Int) throws(CNNError) -> [Int] {
    // One more axis than there is: all before, nothing after.
    guard axis >= -shape.count && axis <= shape.count else {
      throw CNNError("the axis \(axis) does not exist in a tensor of rank \(shape.count)")
    }
    let axis = axis < 0 ? axis + shape.count : axis
    return [try elementCount(Array(shape[..<axis])), try elementCount(Array(shape[axis...]))]
  }

  /// - Parameter axes: nil for all of size 1.
  package static func squeezed(_ shape: [Int], axes: [Int]?) throws(CNNError) -> [Int] {
    let axes =
      try axes.map { (a) throws(CNNError) in try checkedAxes(a, rank: shape.count) }
      ?? shape.indices.filter { shape[$0] == 1 }
    if let axis = axes.first(where: { shape[$0] != 1 }) {
      throw CNNError("axis \(axis) of \(shape) is to be removed, but its size is not 1")
    }
    return shape.indices.filter { !axes.contains($0) }.map { shape[$0] }
  }

  /// - Parameter axes: of the result.
  package static func unsqueezed(_ shape: [Int], axes: [Int]) throws(CNNError) -> [Int] {
    let axes = try checkedAxes(axes, rank: shape.count + axes.count)
    var rest = shape.makeIterator()
    return (0..<shape.count + axes.count).map { axes.contains($0) ? 1 : rest.next() ?? 1 }
  }

  /// Expand's and all arithmetic's: multidirectional broadcasting.
  package static func broadcast(_ a: [Int], _ b: [Int]) throws(CNNError) -> [Int] { try CNNONNX.broadcast(a, b) }
}
