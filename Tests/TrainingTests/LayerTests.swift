import CCNNRT
import CNNModel
import CNNSupport
import Testing

/// The gradients of a layer between two others that learn: what is before it gets its gradient through it.
private func check(
  channels: Int = 5, height: Int = 6, width: Int = 5, count: Int = 2, seed: UInt64 = 1, threads: Int = 1,
  tolerance: Double = 3e-5, _ location: SourceLocation = #_sourceLocation,
  _ body: (inout RandomNetwork) throws -> Void
) throws {
  var net = RandomNetwork(channels: 2, height: height, width: width, seed: seed)
  try net.conv(channels, Window(3, padding: 1))
  try body(&net)
  try compareGradients(
    net.finish(classes: 3), count: count, threads: threads, seed: seed, tolerance: tolerance, location)
}

@Suite struct LayerTests {
  // MARK: - Convolutions

  @Test(arguments: [3, 16, 21, 40])
  func depthwise(_ channels: Int) throws {
    let windows = [
      Window(3, padding: 1), Window(3, stride: 2, padding: 1), Window(5, padding: 2),
      Window(3, padding: 2, dilation: 2),
      Window(5, stride: 2, padding: 2), Window(1, stride: 2),
      Window(kernelHeight: 2, kernelWidth: 4, strideY: 3, strideX: 1, padTop: 1, padRight: 2, dilationX: 2),
    ]
    for (i, window) in windows.enumerated() {
      try check(channels: channels, height: 9, width: 11, seed: UInt64(i)) { net in
        try net.conv(
          channels, window, group: channels, bias: i % 2 == 0,
          activation: i % 3 == 0 ? .clip(min: -0.5, max: 0.7) : .none)
      }
    }
  }

  /// Groups narrower than a block, as wide, and across blocks; a depthwise convolution with several outputs per channel.
  @Test(arguments: [(6, 4, 2), (32, 32, 2), (24, 12, 3), (36, 60, 3), (20, 20, 4), (5, 15, 5), (34, 17, 17)])
  func grouped(_ inputs: Int, _ outputs: Int, _ group: Int) throws {
    for (i, window) in [Window(3, padding: 1), Window(3, stride: 2, padding: 1), Window(1)].enumerated() {
      try check(channels: inputs, height: 5, width: 6, seed: UInt64(i)) { net in
        try net.conv(outputs, window, group: group, bias: i != 1, activation: i == 0 ? .relu : .none)
      }
    }
  }

  @Test(arguments: [(3, 5, 1), (16, 20, 1), (20, 8, 4), (18, 18, 18), (36, 12, 3)])
  func transposed(_ inputs: Int, _ outputs: Int, _ group: Int) throws {
    let cases: [(Window, (Int, Int))] = [
      (Window(2, stride: 2), (0, 0)), (Window(3, stride: 2, padding: 1), (1, 1)),
      (Window(4, stride: 2, padding: 1), (0, 0)),
      (Window(3, stride: 1, padding: 1), (0, 0)), (Window(3, stride: 3, padding: 0, dilation: 2), (0, 2)),
      (Window(kernelHeight: 1, kernelWidth: 3, strideY: 2, strideX: 1, padRight: 1), (1, 0)),
    ]
    for (i, (window, padding)) in cases.enumerated() {
      try check(channels: inputs, height: 3, width: 4, seed: UInt64(i)) { net in
        try net.convTranspose(outputs, window, group: group, padding: padding, bias: i % 2 == 0)
      }
    }
  }

  // MARK: - Element by element

  @Test func activations() throws {
    let functions: [UnaryFunction] = [
      .leakyRelu(alpha: 0.1), .elu(alpha: 0.7), .sigmoid, .tanh, .swish(alpha: 1), .swish(alpha: 1.7),
      .hardSigmoid(alpha: 0.3, beta: 0.4), .hardSwish, .erf, .gelu(approximate: false), .gelu(approximate: true),
    ]
    for (i, function) in functions.enumerated() {
      for channels in [3, 18] {
        try check(channels: channels, seed: UInt64(i)) { net in
          // From far below 0 to far above.
          try net.append(.mul, constant: [1], 4, 5)
          try net.append(.unary(function))
        }
      }
      // Plain: of rank 3.
      try check(channels: 4, seed: UInt64(i)) { net in
        try net.append(.reshape([1, 12, 10]))
        try net.append(.unary(function))
      }
    }
  }

  @Test func clamps() throws {
    for (i, activation) in [Activation.relu, .clip(min: -0.4, max: 0.3), .clip(min: 0, max: 6)].enumerated() {
      let kind: OperatorKind = i == 0 ? .relu : .clip(min: activation.bounds.lower, max: activation.bounds.upper)
      // Behind a convolution (one layer), behind a sum, behind something that takes no clamp, and twice.
      try check(channels: 18) { try $0.append(kind) }
      try check { net in
        let x = net.x
        try net.conv(5, Window(3, padding: 1), activation: activation)
        try net.add(x)
        try net.append(kind)
      }
      try check { net in
        try net.append(.maxPool(Window(2)))
        try net.append(kind)
        try net.append(kind)
      }
      try check(tolerance: 1e-4) { net in
        try net.batchNorm()
        try net.append(kind)
        try net.conv(4, Window(3))
        try net.batchNorm()
        try net.append(kind)
        try net.append(.maxPool(Window(2, stride: 2)))
      }
    }
  }

  @Test(arguments: [3, 16, 20])
  func prelu(_ channels: Int) throws {
    try check(channels: channels) { try $0.append(.pRelu, constant: [channels], -0.3, 0.4) }
    try check(channels: channels, threads: 2) { net in
      try net.append(.globalAveragePool)
      try net.append(.flatten)
      try net.append(.pRelu, constant: [channels], -0.3, 0.4)
    }
  }

  // MARK: - Arithmetic

  /// Between two activations, all of whose gradients are wanted.
  @Test(arguments: BinaryFunction.allCases)
  func arithmetic(_ function: BinaryFunction) throws {
    for (i, pool) in [nil, OperatorKind.globalAveragePool, .reduce(.mean, axes: [1])].enumerated() {
      for channels in [4, 16, 19] {
        for swapped in [false, true] {
          try check(channels: channels, seed: UInt64(i)) { net in
            let a = net.x
            if let pool { try net.append(pool) } else { try net.conv(channels, Window(1)) }
            // Away from 0, for Div.
            try net.append(.unary(.sigmoid))
            try net.append(.add, constant: [1], 0.5, 0.6)
            let b = net.x
            try net.combine(function, a, b)
            if swapped && function != .div { try net.combine(function, b, net.x) }
            try net.append(.relu)
          }
        }
      }
    }
  }

  @Test func arithmeticWithConstants() throws {
    for function in BinaryFunction.allCases {
      for shape in [[1], [7, 1, 1], [1, 7, 1, 1], [6, 5], [7, 6, 5], [1, 7, 1, 5], [1, 1, 6, 1]] {
        try check(channels: 7) { try $0.append(.binary(function), constant: shape, 0.5, 1.5) }
      }
      // The constant first: c ∘ x.
      try check(channels: 7) { net in
        try net.append(.unary(.sigmoid))
        try net.append(.add, constant: [1], 0.5, 0.6)
        let x = net.x
        net.graph.tensors["c"] = Tensor(.float32([0.5, 1, 1.5, 2, 2.5, 3, 3.5]), shape: [7, 1, 1])
        try net.combine(function, "c", x)
      }
      // Plain: rank 3.
      try check(channels: 4) { net in
        try net.append(.reshape([1, 12, 10]))
        let a = net.x
        try net.append(.reduce(.max, axes: [2]))
        let b = net.x
        try net.combine(function, a, b)
        try net.append(.binary(function), constant: [12, 1], 0.5, 1.5)
      }
    }
  }

  // MARK: - Many to one

  @Test(arguments: Reduction.allCases)
  func reductions(_ reduction: Reduction) throws {
    for (i, axes) in [[1], [2], [3], [2, 3], [1, 2], [1, 3], [1, 2, 3]].enumerated() {
      for channels in [3, 16, 20] {
        for keepsDims in [true, false] {
          try check(channels: channels, seed: UInt64(i)) {
            try $0.append(.reduce(reduction, axes: axes, keepDims: keepsDims))
          }
        }
      }
    }
    try check(channels: 4) { net in
      try net.append(.reshape([1, 2, 3, 4, 5]))
      try net.append(.reduce(reduction, axes: [1, 3]))
    }
  }

  @Test func softmaxInTheMiddle() throws {
    for axis in 1...3 {
      for channels in [5, 18] { try check(channels: channels) { try $0.append(.softmax(axis: axis)) } }
    }
    try check(channels: 4) { net in
      try net.append(.reshape([1, 12, 10]))
      try net.append(.softmax(axis: 2))
    }
    try check(channels: 20) { net in
      try net.append(.globalAveragePool)
      try net.append(.flatten)
      try net.append(.softmax(axis: 1))
    }
  }

  @Test func localResponse() throws {
    for (size, channels) in [(3, 5), (4, 20), (5, 16), (1, 3)] {
      try check(channels: channels) { try $0.append(.lrn(size: size, alpha: 0.9, beta: 0.75, bias: 0.6)) }
    }
  }

  // MARK: - Normalisations

  @Test func groupNormalization() throws {
    for (channels, groups) in [(4, 2), (16, 4), (20, 5), (36, 2), (7, 1)] {
      try check(channels: channels, tolerance: 1e-4) {
        try $0.normalize(.groupNormalization(groups: groups, epsilon: 1e-5), [channels])
      }
      try check(channels: channels, threads: 2, tolerance: 1e-4) {
        try $0.normalize(.instanceNormalization(epsilon: 1e-3), [channels])
      }
    }
    // Of rank 3.
    try check(channels: 4, tolerance: 1e-4) { net in
      try net.append(.reshape([1, 12, 10]))
      try net.normalize(.groupNormalization(groups: 3, epsilon: 1e-5), [12])
    }
  }

  @Test func layerNormalization() throws {
    for (axis, shape) in [(1, [6, 6, 5]), (2, [6, 5]), (3, [5])] {
      try check(channels: 6, tolerance: 1e-4) {
        try $0.normalize(.layerNormalization(axis: axis, epsilon: 1e-5), shape)
      }
    }
    // Over the channels, as ConvNeXt does; without scale and bias; of rank 3.
    try check(channels: 10, threads: 2, tolerance: 1e-4) { net in
      try net.append(.transpose([0, 2, 3, 1]))
      try net.normalize(.layerNormalization(axis: 3, epsilon: 1e-6), [10])
      try net.append(.transpose([0, 3, 1, 2]))
    }
    try check(channels: 4, tolerance: 1e-4) { net in
      try net.append(.reshape([1, 12, 10]))
      try net.append(.layerNormalization(axis: 2, epsilon: 1e-5))
    }
  }

  @Test func batchNormalizationOfRank2() throws {
    try check(channels: 18, count: 5, tolerance: 2e-4) { net in
      try net.append(.flatten)
      try net.gemm(20)
      try net.batchNorm()
      try net.append(.relu)
      try net.gemm(7)
    }
  }

  // MARK: - Products

  @Test func matMul() throws {
    // By a weight, of rank 3 and 4, and between activations, repeated along an axis.
    try check(channels: 4) { net in
      try net.append(.reshape([1, 12, 10]))
      try net.append(.matMul, constant: [10, 7], -0.5, 0.5)
    }
    try check(channels: 4) { try $0.append(.matMul, constant: [5, 3], -0.5, 0.5) }
    try check(channels: 4) { net in
      try net.append(.reshape([1, 2, 6, 10]))
      let a = net.x
      try net.append(.transpose([0, 1, 3, 2]))
      try net.combine(a, matMul: net.x)
    }
    try check(channels: 6) { net in
      let a = net.x
      try net.append(.reduce(.mean, axes: [1]))
      try net.append(.transpose([0, 1, 3, 2]))
      try net.combine(a, matMul: net.x)
    }
  }

  // MARK: - Moving

  @Test func shapes() throws {
    for perm in [[0, 2, 3, 1], [0, 1, 3, 2], [0, 3, 1, 2]] {
      for channels in [5, 16, 20] { try check(channels: channels) { try $0.append(.transpose(perm)) } }
    }
    for shape in [[1, 10, 3, 32], [1, 60, 16], [1, 16, 60], [1, 960], [1, 2, 8, 6, 10], [1, 32, 6, 5]] {
      try check(channels: 32) { net in
        try net.append(.reshape(shape))
        if shape.count == 4 { try net.conv(3, Window(3, padding: 1)) }
      }
    }
    try check(channels: 4) { net in
      try net.append(.reshape([1, 2, 3, 4, 5]))
      try net.append(.transpose([0, 3, 1, 4, 2]))
    }
  }

  @Test func depthAndSpace() throws {
    for channels in [8, 18 * 4, 64] {
      for mode in [DepthToSpaceMode.dcr, .crd] {
        try check(channels: channels, height: 3, width: 4) { net in
          try net.append(.depthToSpace(blockSize: 2, mode: mode))
          try net.conv(2, Window(3, padding: 1))
        }
      }
    }
    for channels in [3, 16] {
      try check(channels: channels, height: 4, width: 6) { net in
        try net.append(.spaceToDepth(blockSize: 2))
        try net.conv(2, Window(3, padding: 1))
      }
    }
  }

  @Test func parts() throws {
    let slices = [
      Slice(starts: [0, 1, 0, 2], sizes: [1, 17, 6, 3]), Slice(starts: [0, 16, 0, 0], sizes: [1, 4, 6, 5]),
      Slice(starts: [0, 19, 5, 0], sizes: [1, 10, 3, 3], steps: [1, -2, -2, 2]),
    ]
    for slice in slices {
      try check(channels: 20) { net in
        try net.append(.slice(slice))
        try net.conv(3, Window(3, padding: 1))
      }
    }
    let paddings: [(Padding.Mode, [Int], [Int])] = [
      (.constant(0.5), [0, 1, 2, 0], [0, 3, 0, 1]), (.edge, [0, 0, 2, 1], [0, 0, 1, 3]),
      (.reflect, [0, 0, 2, 1], [0, 0, 3, 4]), (.wrap, [0, 0, 2, 1], [0, 0, 3, 4]),
      (.constant(0), [0, -2, 1, -1], [0, -1, -2, 2]), (.reflect, [0, 2, 0, 0], [0, 1, 0, 0]),
    ]
    for (mode, begins, ends) in paddings {
      try check(channels: 19) { net in
        try net.append(.pad(Padding(begins: begins, ends: ends, mode: mode)))
        try net.conv(3, Window(3, padding: 1))
      }
    }
  }

  @Test func concat() throws {
    for axis in 1...3 {
      for channels in [16, 5] {
        try check(channels: channels) { net in
          let a = net.x
          try net.conv(channels, Window(3, padding: 1), activation: .relu)
          let b = net.x
          net.x = a
          // One of them twice.
          try net.append(.concat(axis: axis), [b, a])
          try net.append(.relu)
          try net.conv(4, Window(3, padding: 1))
        }
      }
    }
  }

  @Test func resize() throws {
    let sizes = [(12, 10), (9, 7), (4, 3), (1, 1), (6, 5)]
    for (i, (height, width)) in sizes.enumerated() {
      let (y, x) = (Float(height) / 6, Float(width) / 5)
      for coordinates in Resize.Coordinates.allCases {
        let linear = Resize(
          mode: .linear, coordinates: coordinates, height: height, width: width, scaleY: y, scaleX: x)
        try check(channels: 18, seed: UInt64(i)) { try $0.append(.resize(linear)) }
      }
      for rounding in Resize.Rounding.allCases {
        let nearest = Resize(
          mode: .nearest(rounding), coordinates: .asymmetric, height: height, width: width, scaleY: y, scaleX: x)
        try check(channels: 18, seed: UInt64(i)) { net in
          try net.append(.resize(nearest))
          try net.conv(3, Window(3, padding: 1))
        }
      }
    }
  }
}
