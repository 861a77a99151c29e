import CNNModel

extension Pass {
  /// Reshape, Flatten, and Transpose where only axes of size 1 move, are one family: the elements stay in their order.
  /// Of two in a row the second does it alone; one that changes nothing goes. Operators that do not mind the shape are
  /// done before a Reshape, where then fewer of them are left. Between [N,C,1,1] → [N,C] and [N,M] → [N,M,1,1], Gemm
  /// becomes a 1×1 Conv: squeeze and excite.
  public static let cancelReshapes = Pass("cancel-reshapes") { graph in
    var editor = GraphEditor(graph)
    var count = editor.apply { $0.nameReshape($1) || $0.joinReshapes($1) || $0.squeezeLater($1) }
    var moved = editor
    // A Reshape passes an operator once; the bound is for graphs that nobody thought of.
    var budget = 100 + 8 * graph.operators.count
    _ = moved.apply { graph, index in
      guard budget > 0, graph.joinReshapes(index) || graph.reshapeLater(index) else { return false }
      budget -= 1
      return true
    }
    let fewer = editor.reshapeCount - moved.reshapeCount
    if fewer > 0 {
      editor = moved
      count += fewer
    }
    if count > 0 { graph = editor.graph }
    return count
  }
}

extension OperatorKind {
  fileprivate var isReshape: Bool {
    switch self {
    case .flatten, .reshape: true
    default: false
    }
  }

  /// From one shape to another: Flatten is what other passes look for.
  fileprivate init(from x: [Int], to y: [Int]) { self = x.count > 2 && y.count == 2 ? .flatten : .reshape(y) }
}

extension GraphEditor {
  fileprivate var reshapeCount: Int { operators.count { $0.kind.isReshape } }

  /// The shape that a tensor had before a Reshape made it, and what has it.
  private func reshaped(_ tensor: String) -> (x: String, shape: [Int])? {
    guard let index = producer(of: tensor), self[index].kind.isReshape else { return nil }
    return (self[index].inputs[0], shape(of: self[index].inputs[0]))
  }

  fileprivate mutating func nameReshape(_ index: Int) -> Bool {
    let (x, y) = (shape(of: self[index].inputs[0]), shape(of: self[index].output))
    switch self[index].kind {
    case .reshape where OperatorKind(from: x, to: y) == .flatten: self[index].kind = .flatten
    case .transpose(let perm):
      let moved = perm.filter { x[$0] > 1 }
      guard moved == moved.sorted() else { return false }
      self[index].kind = OperatorKind(from: x, to: y)
    default: return false
    }
    return true
  }

  /// The second of two reads what the first does; one whose result is its input goes.
  fileprivate mutating func joinReshapes(_ index: Int) -> Bool {
    guard self[index].kind.isReshape else { return false }
    let (x, y) = (self[index].inputs[0], shape(of: self[index].output))
    if shape(of: x) == y { return bypass(index) }
    guard let source = reshaped(x) else { return false }
    self[index].kind = OperatorKind(from: source.shape, to: y)
    rewire(0, of: index, to: source.x)
    return true
  }

  /// An operator all of whose activations are reshaped alike works on what they were, and its result is reshaped.
  fileprivate mutating func reshapeLater(_ index: Int) -> Bool {
    let layer = self[index]
    let activations = activations(of: layer)
    guard let x = activations.first.flatMap({ reshaped(layer.inputs[$0]) })?.shape,
      activations.allSatisfy({ reshaped(layer.inputs[$0])?.shape == x }), !layer.kind.hasWeight,
      !isQuantizedNext(layer.output), let form = form(of: index, for: x)
    else { return false }
    var between = tensors[layer.output]!
    let old = between.shape
    between.shape = form.result
    let name = freeName("\(layer.output).reshaped")
    tensors[name] = between
    apply(form, to: index)
    self[index].outputs = [name]
    insert(
      "\(layer.name).reshape", OperatorKind(from: form.result, to: old), [name], writing: layer.output, after: index)
    for input in Set(activations.map { layer.inputs[$0] }) {
      replaceInput(input, of: index, by: reshaped(input)!.x)
    }
    return true
  }

  /// Operators between two Reshapes, Gemm among them, each read by the next only.
  fileprivate mutating func squeezeLater(_ last: Int) -> Bool {
    guard self[last].kind.isReshape else { return false }
    var chain: [Int] = []
    var x = self[last].inputs[0]
    while reshaped(x) == nil {
      guard isPrivate(x), let index = producer(of: x), activations(of: self[index]).count == 1 else { return false }
      chain.insert(index, at: 0)
      x = self[index].inputs[activations(of: self[index])[0]]
    }
    guard isPrivate(x), chain.contains(where: { self[$0].kind == .gemm }) else { return false }
    var shape = reshaped(x)!.shape
    var forms: [Form] = []
    for index in chain {
      guard let form = form(of: index, for: shape) else { return false }
      forms.append(form)
      shape = form.result
    }
    guard shape == self.shape(of: self[last].output) else { return false }
    for (index, form) in zip(chain, forms) {
      apply(form, to: index)
      tensors[self[index].output]!.shape = form.result
    }
    replaceInput(x, of: chain[0], by: reshaped(x)!.x)
    return true
  }

  /// The places of the activations among the inputs.
  private func activations(of layer: Operator) -> [Int] {
    layer.inputs.indices.filter { tensors[layer.inputs[$0]]?.isConstant == false }
  }

  private mutating func replaceInput(_ old: String, of index: Int, by new: String) {
    self[index].inputs = self[index].inputs.map { $0 == old ? new : $0 }
    removeIfUnread(old)
  }

  /// An operator for activations of another shape.
  private struct Form {
    var kind: OperatorKind
    /// By input.
    var constants: [Int: Tensor] = [:]
    var result: [Int]
  }

  private mutating func apply(_ form: Form, to index: Int) {
    self[index].kind = form.kind
    for (input, constant) in form.constants { setParameter(input, of: index, to: constant) }
  }

  /// What an operator is for activations of the shape `x` instead of their own; nil where it minds the shape.
  private func form(of index: Int, for x: [Int]) -> Form? {
    let layer = self[index]
    let old = shape(of: layer.inputs[activations(of: layer)[0]])
    switch layer.kind {
    case .relu, .clip, .unary, .dropout: return Form(kind: layer.kind, result: x)
    case .batchNormalization:
      return [2, 4].contains(x.count) && x[1] == old[1] ? Form(kind: layer.kind, result: x) : nil
    case .binary:
      guard let operand = ConstantOperand(self, layer) else {
        let isPair = activations(of: layer).count == 2 && shape(of: layer.inputs[0]) == shape(of: layer.inputs[1])
        return isPair ? Form(kind: layer.kind, result: x) : nil
      }
      guard let constant = tensors[operand.constant]?.reshaped(for: old, as: x) else { return nil }
      return Form(kind: layer.kind, constants: [operand.isFirst ? 0 : 1: constant], result: x)
    case .gemm:
      guard x.count == 4, x[2] * x[3] == 1, isFloat(layer.inputs[0]), var weight = tensors[layer.inputs[1]],
        weight.isConstant
      else { return nil }
      weight.shape += [1, 1]
      return Form(kind: .conv(Window(1)), constants: [1: weight], result: [x[0], weight.shape[0], 1, 1])
    default: return nil
    }
  }
}

extension Tensor {
  /// The constant that meets an activation of shape `x` as this one meets it in the shape `old`: one number, one for
  /// each element, or one for each channel.
  fileprivate func reshaped(for old: [Int], as x: [Int]) -> Tensor? {
    var result = self
    let axis = 1 - (old.count - shape.count)
    if count == 1 {
      result.shape = [1]
    } else if count == old.reduce(1, *) {
      result.shape = x
    } else if shape.indices.contains(axis), count == shape[axis], x.count >= 2, x[1] == old[1] {
      result.shape = [count] + .init(repeating: 1, count: x.count - 2)
    } else {
      return nil
    }
    return result
  }
}
