import CNNONNX
import CNNSupport
import Glibc

/// Runs a graph by the interpreter, node by node. The normalizations and Softmax, which the interpreter leaves to
/// kernels, are computed here from their definitions.
/// - Returns: the outputs, or nil if an operator is known to neither.
func evaluate(_ graph: ONNXGraph, _ inputs: [String: ONNXTensor]) throws(CNNError) -> [ONNXTensor]? {
  var values = graph.constants.merging(inputs) { _, given in given }
  for node in graph.nodes {
    let read = node.inputs.map { $0.isEmpty ? nil : values[$0] }
    guard let results = try node.fold(read) ?? definition(node, read) else { return nil }
    for (name, result) in zip(node.outputs, results) where !name.isEmpty { values[name] = result }
  }
  var outputs: [ONNXTensor] = []
  for output in graph.outputs {
    guard let value = values[output.name] else { throw CNNError("nothing computed \(output.name)") }
    outputs.append(value)
  }
  return outputs
}

private func definition(_ node: ONNXNode, _ inputs: [ONNXTensor?]) -> [ONNXTensor]? {
  guard node.outputs.count == 1, let x = inputs.first ?? nil, let a = x.floats else { return nil }
  let shape = x.shape
  let parameters = inputs.dropFirst().map { $0?.floats ?? [] }
  let epsilon = node.float("epsilon") ?? 1e-5
  let axis = {
    let axis = node.int("axis") ?? -1; return axis < 0 ? axis + shape.count : axis
  }()
  let channels = shape.count > 1 ? shape[1] : 1
  let plane = shape.dropFirst(2).reduce(1, *)
  switch node.op {
  case "LayerNormalization":
    let length = shape[axis...].reduce(1, *)
    let y = normalized(a, length, epsilon).enumerated().map { index, value in
      value * parameters[0][index % length % parameters[0].count]
        + (parameters.count > 1 ? parameters[1][index % length % parameters[1].count] : 0)
    }
    return [ONNXTensor(shape: shape, floats: y)]
  case "InstanceNormalization", "GroupNormalization":
    let groups = node.op == "InstanceNormalization" ? channels : node.int("num_groups") ?? 1
    let y = normalized(a, channels / groups * plane, epsilon).enumerated().map { index, value in
      value * parameters[0][index / plane % channels] + parameters[1][index / plane % channels]
    }
    return [ONNXTensor(shape: shape, floats: y)]
  case "BatchNormalization":
    let y = a.enumerated().map { index, value in
      let c = index / plane % channels
      let deviation = (parameters[3][c] + epsilon).squareRoot()
      return (value - parameters[2][c]) / deviation * parameters[0][c] + parameters[1][c]
    }
    return [ONNXTensor(shape: shape, floats: y)]
  case "Softmax":
    let (length, inner) = (shape[axis], shape[(axis + 1)...].reduce(1, *))
    var y = a
    for line in 0..<a.count / max(length, 1) {
      let places = (0..<length).map { (line / inner * length + $0) * inner + line % inner }
      let largest = places.map { a[$0] }.max() ?? 0
      let powers = places.map { expf(a[$0] - largest) }
      let sum = powers.reduce(0, +)
      for (place, power) in zip(places, powers) { y[place] = power / sum }
    }
    return [ONNXTensor(shape: shape, floats: y)]
  default: return nil
  }
}

/// Runs of `length` elements with mean 0 and variance 1.
private func normalized(_ a: [Float], _ length: Int, _ epsilon: Float) -> [Float] {
  stride(from: 0, to: a.count, by: max(length, 1)).flatMap { start in
    let run = a[start..<start + length].map(Double.init)
    let mean = run.reduce(0, +) / Double(length)
    let variance = run.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(length)
    return run.map { Float(($0 - mean) / (variance + Double(epsilon)).squareRoot()) }
  }
}

/// How far two tensors are apart.
enum Difference {
  /// What differs, or nil if types and shapes are the same, integers too, and floats within `tolerance` of 1 + |b|.
  static func between(_ a: ONNXTensor, _ b: ONNXTensor, tolerance: Float = 1e-5) -> String? {
    guard a.type == b.type else { return "type \(a.type.name) for \(b.type.name)" }
    guard a.shape == b.shape else { return "shape \(a.shape) for \(b.shape)" }
    guard let x = a.floats, let y = b.floats else { return a.values == b.values ? nil : "other integers" }
    for (p, q) in zip(x, y) where p != q && !(p.isNaN && q.isNaN) {
      guard (p - q).magnitude <= tolerance * (1 + q.magnitude) else { return "\(p) for \(q)" }
    }
    return nil
  }
}
