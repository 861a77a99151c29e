import CNNSupport

extension OperatorKind {
  /// The shape of the output from those of the inputs (nil for an absent one), by ONNX's rules.
  /// - Throws: `CNNError` that says which sizes do not fit; without a place.
  public func outputShape(_ inputs: [[Int]?]) throws(CNNError) -> [Int] {
    func shape(_ index: Int, _ name: String, rank: Int? = nil) throws(CNNError) -> [Int] {
      guard index < inputs.count, let shape = inputs[index] else {
        throw CNNError("\(self.name) lacks its input \(name)")
      }
      if let rank, shape.count != rank {
        throw CNNError("\(self.name) needs \(name) of rank \(rank), not \(text(shape))")
      }
      return shape
    }
    func channels(_ index: Int, _ name: String, _ count: Int) throws(CNNError) {
      guard index < inputs.count, let shape = inputs[index] else { return }
      guard shape == [count] else {
        throw CNNError("\(self.name) needs \(name) of shape [\(count)], not \(text(shape))")
      }
    }

    let x = try shape(0, "x")
    switch self {
    case .conv(let window, let group):
      _ = try shape(0, "x", rank: 4)
      let weight = try shape(1, "weight", rank: 4)
      guard group > 0, x[1] % group == 0, weight[0] % group == 0, weight[1] == x[1] / group else {
        throw CNNError("Conv with weight \(text(weight)) and group \(group) does not fit its input \(text(x))")
      }
      guard weight[2] == window.kernelHeight, weight[3] == window.kernelWidth else {
        throw CNNError(
          "Conv's kernel \(window.kernelHeight)×\(window.kernelWidth) is not that of its weight \(text(weight))")
      }
      try channels(2, "bias", weight[0])
      return [x[0], weight[0]] + (try window.outputSize(of: x, ceilMode: false))
    case .gemm:
      _ = try shape(0, "x", rank: 2)
      let weight = try shape(1, "weight", rank: 2)
      guard weight[1] == x[1] else {
        throw CNNError("Gemm with weight \(text(weight)) does not fit its input \(text(x))")
      }
      try channels(2, "bias", weight[0])
      return [x[0], weight[0]]
    case .batchNormalization:
      guard x.count == 2 || x.count == 4 else {
        throw CNNError("BatchNormalization needs x of rank 2 or 4, not \(text(x))")
      }
      for (index, name) in ["scale", "bias", "mean", "variance"].enumerated() {
        _ = try shape(index + 1, name, rank: 1)
        try channels(index + 1, name, x[1])
      }
      return x
    case .relu:
      return x
    case .maxPool(let window, let ceilMode), .averagePool(let window, _, let ceilMode):
      _ = try shape(0, "x", rank: 4)
      let size = try window.outputSize(of: x, ceilMode: ceilMode)
      guard window.alwaysMeets(x, outputSize: size) else {
        throw CNNError("\(self.name) has a window that lies wholly in the padding", advice: "use less padding")
      }
      return [x[0], x[1]] + size
    case .globalAveragePool, .globalMaxPool:
      _ = try shape(0, "x", rank: 4)
      return [x[0], x[1], 1, 1]
    case .add:
      let other = try shape(1, "b")
      guard x == other else { throw CNNError("Add needs two tensors of one shape, not \(text(x)) and \(text(other))") }
      return x
    case .flatten:
      guard x.count >= 2 else { throw CNNError("Flatten needs x of rank 2 or more, not \(text(x))") }
      guard let count = elementCount(Array(x[1...])) else { throw CNNError("Flatten's result is too large") }
      return [x[0], count]
    case .softmax:
      return try shape(0, "x", rank: 2)
    }
  }
}

extension Window {
  /// Height and width of the result over x [N,C,H,W]. In ceil mode a last window that is not whole counts too, but only
  /// if it begins in the image or the padding before it (PyTorch's rule, and ONNX's).
  public func outputSize(of x: [Int], ceilMode: Bool) throws(CNNError) -> [Int] {
    func size(
      _ name: String, _ input: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ after: Int, _ dilation: Int
    ) throws(CNNError) -> Int {
      let largest = Int(Int32.max)
      guard (1...largest).contains(kernel), (1...largest).contains(stride), (1...largest).contains(dilation),
        (0...largest).contains(before), (0...largest).contains(after), (1...largest).contains(input)
      else { throw CNNError("the window has a size out of range: \(self)") }
      // Below 2³²·2³¹: no overflow.
      let rest = input + before + after - ((kernel - 1) * dilation + 1)
      guard rest >= 0 else {
        let sizes = "\(name) \((kernel - 1) * dilation + 1) over \(input + before + after)"
        throw CNNError("the kernel is larger than the padded input: \(sizes)")
      }
      if !ceilMode { return rest / stride + 1 }
      let count = (rest + stride - 1) / stride + 1
      return (count - 1) * stride >= input + before ? count - 1 : count
    }
    return [
      try size("height", x[2], kernelHeight, strideY, padTop, padBottom, dilationY),
      try size("width", x[3], kernelWidth, strideX, padLeft, padRight, dilationX),
    ]
  }
}

extension Window {
  /// Whether every window has at least one element of x [N,C,H,W] in it: a pool has no result for none.
  func alwaysMeets(_ x: [Int], outputSize: [Int]) -> Bool {
    func meets(
      _ input: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ after: Int, _ dilation: Int, count: Int
    ) -> Bool {
      guard max(before, after) <= (kernel - 1) * dilation else { return false }
      // Only a window with gaps can still step over the whole input.
      return dilation == 1
        || (0..<count).allSatisfy { index in
          let start = index * stride - before
          let first = start >= 0 ? start : (start % dilation + dilation) % dilation
          return first < input && first <= start + (kernel - 1) * dilation
        }
    }
    return meets(x[2], kernelHeight, strideY, padTop, padBottom, dilationY, count: outputSize[0])
      && meets(x[3], kernelWidth, strideX, padLeft, padRight, dilationX, count: outputSize[1])
  }
}

extension Graph {
  /// Computes the shapes of all activations from those of the inputs and constants; an output that no pass has declared
  /// yet becomes float32.
  /// - Throws: `CNNError` with the layer's name.
  public mutating func inferShapes() throws(CNNError) {
    for layer in operators {
      let shape = try outputShape(of: layer)
      for output in layer.outputs { tensors[output, default: Tensor(shape: shape)].shape = shape }
    }
  }

  /// The shape of a layer's output, computed from its inputs' shapes.
  public func outputShape(of layer: Operator) throws(CNNError) -> [Int] {
    var shapes: [[Int]?] = []
    for name in layer.inputs {
      guard name.isEmpty || tensors[name] != nil else {
        throw CNNError("reads \(name), which is not there", at: "layer \(layer.name)")
      }
      shapes.append(tensors[name]?.shape)
    }
    do { return try layer.kind.outputShape(shapes) } catch { throw error.inside("layer \(layer.name)") }
  }
}

/// "[1, 3, 224, 224]"
func text(_ shape: [Int]) -> String { "[" + shape.map(String.init).joined(separator: ", ") + "]" }

/// The product of a shape, or nil if a dimension is not positive or the product is beyond 2⁴⁰.
func elementCount(_ shape: [Int]) -> Int? {
  var count = 1
  for size in shape {
    let (product, overflow) = count.multipliedReportingOverflow(by: size)
    guard size > 0, !overflow, product <= 1 << 40 else { return nil }
    count = product
  }
  return count
}
