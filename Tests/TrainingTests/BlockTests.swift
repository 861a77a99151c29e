import CCNNRT
import CNNModel
import CNNSupport
import Testing

/// The gradients of layers in the arrangements that networks are made of.
@Suite struct BlockTests {
  private func check(
    _ count: Int = 4, tolerance: Double = 2e-4, _ location: SourceLocation = #_sourceLocation,
    _ body: (inout RandomNetwork) throws -> Void
  ) throws {
    var net = RandomNetwork(channels: 3, height: 8, width: 8, seed: 9)
    try net.conv(18, Window(3, padding: 1), bias: false)
    try body(&net)
    for threads in [1, 3] {
      try compareGradients(net.finish(classes: 3), count: count, threads: threads, tolerance: tolerance, location)
    }
  }

  @Test func residualWithProjection() throws {
    try check { net in
      try net.batchNorm()
      try net.append(.relu)
      let x = net.x
      try net.conv(20, Window(3, stride: 2, padding: 1), bias: false)
      try net.batchNorm()
      try net.append(.relu)
      try net.conv(20, Window(3, padding: 1), bias: false)
      try net.batchNorm()
      let body = net.x
      net.x = x
      try net.conv(20, Window(1, stride: 2))
      try net.add(body)
      try net.append(.relu)
      try net.append(.globalAveragePool)
    }
  }

  @Test func invertedResidual() throws {
    try check { net in
      let x = net.x
      try net.conv(40, Window(1), bias: false)
      try net.batchNorm()
      try net.append(.clip(min: 0, max: 6))
      try net.conv(40, Window(3, padding: 1), group: 40, bias: false)
      try net.batchNorm()
      try net.append(.clip(min: 0, max: 6))
      try net.conv(18, Window(1), bias: false)
      try net.batchNorm()
      try net.add(x)
      try net.conv(24, Window(1), bias: false)
      try net.batchNorm()
      try net.append(.clip(min: 0, max: 1))
      try net.conv(24, Window(3, stride: 2, padding: 1), group: 24, bias: false)
      try net.batchNorm()
      try net.append(.globalAveragePool)
    }
  }

  @Test func squeezeAndExcite() throws {
    try check { net in
      let x = net.x
      try net.append(.globalAveragePool)
      try net.conv(5, Window(1), activation: .relu)
      try net.conv(18, Window(1))
      try net.append(.unary(.hardSigmoid(alpha: 1 / 6, beta: 0.5)))
      try net.combine(.mul, x, net.x)
      try net.append(.unary(.hardSwish))
      try net.conv(6, Window(3, padding: 1))
    }
  }

  @Test func denseBlock() throws {
    try check { net in
      var whole = net.x
      for _ in 0..<2 {
        net.x = whole
        try net.batchNorm()
        try net.append(.relu)
        try net.conv(6, Window(3, padding: 1), bias: false)
        let new = net.x
        net.x = whole
        try net.append(.concat(), [new])
        whole = net.x
      }
      try net.append(.averagePool(Window(2, stride: 2)))
    }
  }

  @Test func uNet() throws {
    try check { net in
      try net.append(.relu)
      let skip = net.x
      try net.append(.maxPool(Window(2, stride: 2)))
      try net.conv(24, Window(3, padding: 1), activation: .relu)
      try net.convTranspose(10, Window(2, stride: 2))
      try net.append(.concat(), [skip])
      try net.conv(5, Window(3, padding: 1), activation: .relu)
      let linear = Resize(mode: .linear, height: 16, width: 16, scaleY: 2, scaleX: 2)
      try net.append(.resize(linear))
      try net.conv(2, Window(3, padding: 1))
    }
  }

  /// Self-attention over the pixels.
  @Test func attention() throws {
    try check(tolerance: 5e-4) { net in
      try net.append(.reshape([1, 18, 64]))
      try net.append(.transpose([0, 2, 1]))
      let x = net.x
      try net.normalize(.layerNormalization(axis: 2, epsilon: 1e-5), [18])
      let y = net.x
      try net.append(.matMul, constant: [18, 6], -0.5, 0.5)
      let query = net.x
      net.x = y
      try net.append(.matMul, constant: [18, 6], -0.5, 0.5)
      try net.append(.transpose([0, 2, 1]))
      try net.combine(query, matMul: net.x)
      try net.append(.mul, constant: [1], 0.4, 0.5)
      try net.append(.softmax(axis: 2))
      try net.combine(net.x, matMul: y)
      try net.add(x)
      try net.append(.reduce(.mean, axes: [1], keepDims: false))
    }
  }
}
