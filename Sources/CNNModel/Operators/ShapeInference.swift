import CNNSupport

extension OperatorKind {
  /// The shape of the output from those of the inputs (nil for an absent one), by ONNX's rules.
  /// - Throws: `CNNError` that says which sizes do not fit; without a place.
  public func outputShape(_ inputs: [[Int]?]) throws(CNNError) -> [Int] {
    let inputs = InputShapes(operation: name, shapes: inputs)
    let x = try inputs.shape(0, "x")
    switch self {
    case .conv(let window, let group): return try inputs.conv(window, group)
    case .convTranspose(let window, let group, let paddingY, let paddingX):
      return try inputs.convTranspose(window, group, paddingY, paddingX)
    case .gemm:
      _ = try inputs.shape(0, "x", rank: 2)
      let weight = try inputs.shape(1, "weight", rank: 2)
      guard weight[1] == x[1] else {
        throw CNNError("Gemm with weight \(text(weight)) does not fit its input \(text(x))")
      }
      try inputs.channels(2, "bias", weight[0])
      return [x[0], weight[0]]
    case .matMul: return try inputs.matMul()
    case .batchNormalization:
      guard x.count == 2 || x.count == 4 else {
        throw CNNError("BatchNormalization needs x of rank 2 or 4, not \(text(x))")
      }
      for (index, name) in ["scale", "bias", "mean", "variance"].enumerated() {
        _ = try inputs.shape(index + 1, name, rank: 1)
        try inputs.channels(index + 1, name, x[1])
      }
      return x
    case .layerNormalization(let axis, _):
      guard (1..<max(x.count, 1)).contains(axis) else { throw inputs.wrongAxis(axis) }
      for (index, name) in ["scale", "bias"].enumerated() {
        try inputs.require(index + 1, name, Array(x[axis...]))
      }
      return x
    case .groupNormalization, .instanceNormalization:
      guard x.count >= 3 else { throw CNNError("\(name) needs x of rank 3 or more, not \(text(x))") }
      if case .groupNormalization(let groups, _) = self {
        guard groups > 0, x[1] % groups == 0 else { throw CNNError("\(x[1]) channels are not \(groups) equal groups") }
      }
      for (index, name) in ["scale", "bias"].enumerated() {
        _ = try inputs.shape(index + 1, name, rank: 1)
        try inputs.channels(index + 1, name, x[1])
      }
      return x
    case .lrn: return try inputs.shape(0, "x", rank: 4)
    case .pRelu:
      guard x.count >= 2 else { throw CNNError("PRelu needs x of rank 2 or more, not \(text(x))") }
      _ = try inputs.shape(1, "slope", rank: 1)
      try inputs.channels(1, "slope", x[1])
      return x
    case .relu, .clip, .dropout, .quantizeLinear, .dequantizeLinear: return x
    case .unary:
      try inputs.require(1, "table", [256])
      return x
    case .binary: return try inputs.broadcast(x, try inputs.shape(1, "b"))
    case .maxPool(let window, let ceilMode), .averagePool(let window, _, let ceilMode):
      _ = try inputs.shape(0, "x", rank: 4)
      let size = try window.outputSize(of: x, ceilMode: ceilMode)
      guard window.alwaysMeets(x, outputSize: size) else {
        throw CNNError("\(self.name) has a window that lies wholly in the padding", advice: "use less padding")
      }
      return [x[0], x[1]] + size
    case .globalAveragePool, .globalMaxPool:
      _ = try inputs.shape(0, "x", rank: 4)
      return [x[0], x[1], 1, 1]
    case .reduce(_, let axes, let keepDims):
      for axis in axes where !(1..<x.count).contains(axis) { throw inputs.wrongAxis(axis) }
      guard !axes.isEmpty, axes == Set(axes).sorted() else { throw CNNError("\(name) with the axes \(text(axes))") }
      return x.indices.compactMap { axes.contains($0) ? keepDims ? 1 : nil : x[$0] }
    case .softmax(let axis):
      guard (1..<max(x.count, 1)).contains(axis) else { throw inputs.wrongAxis(axis) }
      return x
    case .flatten:
      guard x.count >= 2 else { throw CNNError("Flatten needs x of rank 2 or more, not \(text(x))") }
      guard let count = Array(x[1...]).checkedCount else { throw CNNError("Flatten's result is too large") }
      return [x[0], count]
    case .reshape(let shape):
      guard shape.first == x.first, let count = shape.checkedCount, count == x.checkedCount else {
        throw CNNError("Reshape cannot make \(text(shape)) of \(text(x)): the count or the batch differs")
      }
      return shape
    case .transpose(let perm):
      guard perm.sorted() == Array(x.indices), perm.first == 0 else {
        throw CNNError(
          "Transpose with perm \(text(perm)) does not fit \(text(x))", advice: "name each axis once; the first stays")
      }
      return perm.map { x[$0] }
    case .concat(let axis): return try inputs.concat(axis)
    case .slice(let slice): return try slice.outputShape(of: x)
    case .pad(let padding): return try padding.outputShape(of: x)
    case .resize(let resize): return try resize.outputShape(of: try inputs.shape(0, "x", rank: 4))
    case .depthToSpace(let block, _):
      _ = try inputs.shape(0, "x", rank: 4)
      guard (1...4096).contains(block), x[1] % (block * block) == 0 else {
        throw CNNError("DepthToSpace: \(x[1]) channels are no multiple of \(block)²")
      }
      return [x[0], x[1] / (block * block), x[2] * block, x[3] * block]
    case .spaceToDepth(let block):
      _ = try inputs.shape(0, "x", rank: 4)
      guard (1...4096).contains(block), x[2] % block == 0, x[3] % block == 0 else {
        throw CNNError("SpaceToDepth: \(x[2])×\(x[3]) is no multiple of \(block)")
      }
      return [x[0], x[1] * block * block, x[2] / block, x[3] / block]
    }
  }
}

/// The shapes that an operator reads, and how they fit together.
private struct InputShapes {
  let operation: String
  let shapes: [[Int]?]

  func shape(_ index: Int, _ name: String, rank: Int? = nil) throws(CNNError) -> [Int] {
    guard index < shapes.count, let shape = shapes[index] else {
      throw CNNError("\(operation) lacks its input \(name)")
    }
    if let rank, shape.count != rank {
      throw CNNError("\(operation) needs \(name) of rank \(rank), not \(text(shape))")
    }
    return shape
  }

  /// An input that must have this shape if it is there.
  func require(_ index: Int, _ name: String, _ expected: [Int]) throws(CNNError) {
    guard index < shapes.count, let shape = shapes[index] else { return }
    guard shape == expected else {
      throw CNNError("\(operation) needs \(name) of shape \(text(expected)), not \(text(shape))")
    }
  }

  func channels(_ index: Int, _ name: String, _ count: Int) throws(CNNError) { try require(index, name, [count]) }

  func wrongAxis(_ axis: Int) -> CNNError {
    CNNError("\(operation) over axis \(axis) of \(text(shapes[0] ?? []))", advice: "the axes 1 and up are possible")
  }

  func conv(_ window: Window, _ group: Int) throws(CNNError) -> [Int] {
    let x = try shape(0, "x", rank: 4)
    let weight = try shape(1, "weight", rank: 4)
    guard group > 0, x[1] % group == 0, weight[0] % group == 0, weight[1] == x[1] / group else {
      throw CNNError("Conv with weight \(text(weight)) and group \(group) does not fit its input \(text(x))")
    }
    try checkKernel(window, weight)
    try channels(2, "bias", weight[0])
    return [x[0], weight[0]] + (try window.outputSize(of: x, ceilMode: false))
  }

  func convTranspose(_ window: Window, _ group: Int, _ paddingY: Int, _ paddingX: Int) throws(CNNError) -> [Int] {
    let x = try shape(0, "x", rank: 4)
    let weight = try shape(1, "weight", rank: 4)
    guard group > 0, x[1] % group == 0, weight[0] == x[1] else {
      throw CNNError("ConvTranspose with weight \(text(weight)) and group \(group) does not fit its input \(text(x))")
    }
    try checkKernel(window, weight)
    try channels(2, "bias", weight[1] * group)
    return [x[0], weight[1] * group] + (try window.transposedSize(of: x, paddingY, paddingX))
  }

  private func checkKernel(_ window: Window, _ weight: [Int]) throws(CNNError) {
    guard weight[2] == window.kernelHeight, weight[3] == window.kernelWidth else {
      throw CNNError(
        "\(operation)'s kernel \(window.kernelHeight)×\(window.kernelWidth) is not that of its weight \(text(weight))")
    }
  }

  func matMul() throws(CNNError) -> [Int] {
    let a = try shape(0, "a")
    let b = try shape(1, "b")
    guard a.count >= 2, b.count >= 2, b.count <= a.count, a.last == b[b.count - 2] else {
      throw CNNError("MatMul cannot multiply \(text(a)) by \(text(b))")
    }
    return try broadcast(Array(a.dropLast(2)), Array(b.dropLast(2))) + [a[a.count - 2], b[b.count - 1]]
  }

  func broadcast(_ a: [Int], _ b: [Int]) throws(CNNError) -> [Int] {
    let rank = max(a.count, b.count)
    var result: [Int] = []
    for (x, y) in zip(aligned(a, rank), aligned(b, rank)) {
      guard x == y || x == 1 || y == 1 else {
        throw CNNError("\(operation) cannot broadcast \(text(a)) and \(text(b)) to one shape")
      }
      result.append(x == 1 ? y : x)
    }
    return result
  }

  private func aligned(_ shape: [Int], _ rank: Int) -> [Int] {
    [Int](repeating: 1, count: rank - shape.count) + shape
  }

  func concat(_ axis: Int) throws(CNNError) -> [Int] {
    var result = try shape(0, "x")
    guard (1..<max(result.count, 1)).contains(axis) else { throw wrongAxis(axis) }
    for index in shapes.indices.dropFirst() {
      var other = try shape(index, "\(index)", rank: result.count)
      let size = other[axis]
      other[axis] = result[axis]
      guard other == result, size <= Int(Int32.max) else {
        throw CNNError("Concat along axis \(axis) cannot join \(text(shapes[0]!)) and \(text(shapes[index]!))")
      }
      result[axis] += size
    }
    return result
  }
}

extension Slice {
  fileprivate func outputShape(of x: [Int]) throws(CNNError) -> [Int] {
    let ranks = [starts.count, sizes.count, steps.count]
    guard ranks.allSatisfy({ $0 == x.count }) else { throw CNNError("Slice is not of the rank of \(text(x))") }
    for axis in x.indices {
      guard (0..<x[axis]).contains(starts[axis]), (1...x[axis]).contains(sizes[axis]), steps[axis] != 0,
        abs(steps[axis]) <= Int(Int32.max), (0..<x[axis]).contains(starts[axis] + (sizes[axis] - 1) * steps[axis])
      else {
        throw CNNError(
          "Slice takes \(sizes[axis]) from \(starts[axis]) in steps of \(steps[axis]) along axis \(axis) of \(text(x))")
      }
    }
    guard !x.isEmpty, starts[0] == 0, sizes[0] == x[0], steps[0] == 1 else {
      throw CNNError("Slice parts the batch", advice: "slice the other axes")
    }
    return sizes
  }
}

extension Padding {
  fileprivate func outputShape(of x: [Int]) throws(CNNError) -> [Int] {
    guard begins.count == x.count, ends.count == x.count, begins.first == 0, ends.first == 0 else {
      throw CNNError("Pad is not of the rank of \(text(x)), or pads the batch")
    }
    let largest = Int(Int32.max)
    for axis in x.indices {
      let (begin, end) = (begins[axis], ends[axis])
      guard (-x[axis]...largest).contains(begin), (-x[axis]...largest).contains(end),
        (1...largest).contains(x[axis] + begin + end), max(begin, end) <= reach(over: x[axis])
      else { throw CNNError("Pad by \(begin) and \(end) along axis \(axis) of \(text(x))") }
    }
    return x.indices.map { x[$0] + begins[$0] + ends[$0] }
  }

  /// How far the new elements may lie from an axis of `size`.
  private func reach(over size: Int) -> Int {
    switch mode {
    case .constant: Int(Int32.max)
    case .edge, .wrap: size
    case .reflect: size - 1
    }
  }
}

extension Resize {
  fileprivate func outputShape(of x: [Int]) throws(CNNError) -> [Int] {
    for (size, result, scale) in [(x[2], height, scaleY), (x[3], width, scaleX)] {
      // The size is the scaled one, rounded either way.
      guard scale.isNormal, scale > 0, (1...65_536).contains(result), abs(Float(size) * scale - Float(result)) < 1
      else {
        throw CNNError("Resize from \(size) to \(result) with the scale \(scale)")
      }
    }
    return [x[0], x[1], height, width]
  }
}

extension Window {
  /// Height and width of a transposed convolution's result over x [N,C,H,W].
  func transposedSize(of x: [Int], _ paddingY: Int, _ paddingX: Int) throws(CNNError) -> [Int] {
    func size(
      _ name: String, _ input: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ after: Int, _ dilation: Int,
      _ extra: Int
    ) throws(CNNError) -> Int {
      let sizes = 1...65_536
      guard sizes.contains(kernel), sizes.contains(stride), sizes.contains(dilation), before >= 0, after >= 0,
        before < 65_536, after < 65_536, (1...Int(Int32.max)).contains(input), extra >= 0,
        extra == 0 || extra < max(stride, dilation)
      else { throw CNNError("the window has a size out of range: \(self), output padding \(extra)") }
      let result = (input - 1) * stride - before - after + (kernel - 1) * dilation + 1 + extra
      guard (1...Int(Int32.max)).contains(result) else { throw CNNError("its \(name) would be \(result)") }
      return result
    }
    return [
      try size("height", x[2], kernelHeight, strideY, padTop, padBottom, dilationY, paddingY),
      try size("width", x[3], kernelWidth, strideX, padLeft, padRight, dilationX, paddingX),
    ]
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

extension [Int] {
  /// The product of a shape, or nil if a dimension is not positive or the product is beyond 2⁴⁰.
  package var checkedCount: Int? {
    var count = 1
    for size in self {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard size > 0, !overflow, product <= 1 << 40 else { return nil }
      count = product
    }
    return count
  }
}
