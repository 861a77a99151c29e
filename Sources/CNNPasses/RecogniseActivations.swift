import CNNModel

extension Pass {
  /// Activations that exporters take apart:
  ///   x · Sigmoid(c · x) is Swish,
  ///   Clip(a · x + b, 0, h) / h is HardSigmoid,
  ///   x · HardSigmoid(x) with 1/6 and ½ is HardSwish, as is x · Clip(x + 3, 0, 6) / 6.
  public static let recogniseActivations = Pass.everywhere("recognise-activations") { graph, index in
    guard graph.isFloat(graph[index].output), graph[index].activation == .none else { return false }
    return graph.recogniseHardSigmoid(index) || graph.recogniseScaledHardSwish(index) || graph.recogniseGate(index)
  }
}

/// factor · x + offset, the same for all elements, as some operators compute it.
private struct Line {
  var x: String
  var factor = 1.0
  var offset = 0.0

  var isIdentity: Bool { factor == 1 && offset == 0 }
}

/// Constants of a file are rounded.
private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-6 * abs(b) }

extension GraphEditor {
  /// What a tensor is, as a line over the earliest tensor, through operators that nobody else reads.
  private func line(of tensor: String) -> Line {
    var line = Line(x: tensor)
    while isPrivate(line.x), let index = producer(of: line.x), self[index].activation == .none,
      let operand = ConstantOperand(self, self[index]), let value = operand.scalar(self)
    {
      switch self[index].kind {
      case .add: line.offset += line.factor * value
      case .sub where operand.isFirst:
        line.offset += line.factor * value
        line.factor = -line.factor
      case .sub: line.offset -= line.factor * value
      case .mul: line.factor *= value
      case .div where !operand.isFirst && value != 0: line.factor /= value
      default: return line
      }
      line.x = operand.x
    }
    return line
  }

  /// The operator behind a tensor that only one operator reads.
  private func privateProducer(_ tensor: String) -> Operator? {
    guard isPrivate(tensor), let index = producer(of: tensor), self[index].activation == .none else { return nil }
    return self[index]
  }

  /// Mul or Div by one number.
  private func scaling(_ index: Int) -> (x: String, factor: Double)? {
    guard let operand = ConstantOperand(self, self[index]), let value = operand.scalar(self) else { return nil }
    switch self[index].kind {
    case .mul: return (operand.x, value)
    case .div where !operand.isFirst && value != 0: return (operand.x, 1 / value)
    default: return nil
    }
  }

  fileprivate mutating func recogniseHardSigmoid(_ index: Int) -> Bool {
    guard let (inner, factor) = clipped(index), case .clip(min: 0, let max) = inner.kind,
      isClose(Double(max) * factor, 1)
    else { return false }
    let line = line(of: inner.inputs[0])
    guard !line.isIdentity else { return false }
    // A convolution can scale and clamp by itself.
    if factor == 1, isPrivate(line.x), let producer = producer(of: line.x), self[producer].kind.hasWeight {
      return false
    }
    replace(
      index, by: .hardSigmoid(alpha: Float(line.factor * factor), beta: Float(line.offset * factor)), of: line.x)
    return true
  }

  /// A Clip, or the Clip that an operator only scales.
  private func clipped(_ index: Int) -> (Operator, factor: Double)? {
    if case .clip = self[index].kind { return (self[index], 1) }
    guard let (x, factor) = scaling(index), let inner = privateProducer(x) else { return nil }
    return (inner, factor)
  }

  /// x · Clip(x + 3, 0, 6) / 6, multiplied first.
  fileprivate mutating func recogniseScaledHardSwish(_ index: Int) -> Bool {
    guard let (product, factor) = scaling(index), isClose(factor, 1.0 / 6), let mul = privateProducer(product),
      mul.kind == .mul
    else { return false }
    for (x, gate) in [(mul.inputs[0], mul.inputs[1]), (mul.inputs[1], mul.inputs[0])] {
      guard let clip = privateProducer(gate), clip.kind == .clip(min: 0, max: 6) else { continue }
      let line = line(of: clip.inputs[0])
      guard line.x == x, isClose(line.factor, 1), isClose(line.offset, 3) else { continue }
      replace(index, by: .hardSwish, of: x)
      return true
    }
    return false
  }

  /// x · Sigmoid(c · x), x · HardSigmoid(x)
  fileprivate mutating func recogniseGate(_ index: Int) -> Bool {
    guard self[index].kind == .mul else { return false }
    let (a, b) = (self[index].inputs[0], self[index].inputs[1])
    for (x, gate) in [(a, b), (b, a)] {
      guard let inner = privateProducer(gate), case .unary(let function) = inner.kind else { continue }
      switch function {
      case .sigmoid:
        let line = line(of: inner.inputs[0])
        guard line.x == x, line.offset == 0 else { continue }
        replace(index, by: .swish(alpha: Float(line.factor)), of: x)
      case .hardSigmoid(let alpha, let beta):
        guard inner.inputs[0] == x, isClose(Double(alpha), 1.0 / 6), beta == 0.5 else { continue }
        replace(index, by: .hardSwish, of: x)
      default: continue
      }
      return true
    }
    return false
  }

  private mutating func replace(_ index: Int, by function: UnaryFunction, of x: String) {
    let old = self[index].inputs
    self[index].kind = .unary(function)
    self[index].inputs = [x]
    for input in old where input != x { removeIfUnread(input) }
  }
}
