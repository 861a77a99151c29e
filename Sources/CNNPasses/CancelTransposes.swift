import CNNModel

extension Pass {
  /// Networks of other frameworks have their channels last, and exporters put Transposes around each operator that wants
  /// them first. They are moved behind operators that can do with either order until they meet and cancel. Only where
  /// fewer elements are transposed in the end; the count is that of the Transposes gone.
  public static let cancelTransposes = Pass("cancel-transposes") { graph in
    var editor = GraphEditor(graph)
    let before = (count: editor.transposeCount, elements: editor.transposedElements)
    guard before.count > 0 else { return 0 }
    editor.moveTransposes()
    guard editor.transposedElements < before.elements else { return 0 }
    graph = editor.graph
    return max(before.count - editor.transposeCount, 1)
  }
}

extension GraphEditor {
  /// Moves Transposes behind other operators as far as possible, and joins those that meet.
  fileprivate mutating func moveTransposes() {
    // A Transpose passes an operator once; the bound is for graphs that nobody thought of.
    var budget = 100 + 8 * operators.count
    _ = apply { graph, index in
      guard budget > 0,
        graph.joinTransposes(index) || graph.flattenUntransposed(index) || graph.transposeLater(index)
      else { return false }
      budget -= 1
      return true
    }
  }

  private var transposes: [Operator] { operators.filter { if case .transpose = $0.kind { true } else { false } } }
  fileprivate var transposeCount: Int { transposes.count }

  /// What transposing costs.
  fileprivate var transposedElements: Int { transposes.reduce(0) { $0 + tensors[$1.output]!.count } }

  /// The order of a tensor's axes and what it is the order of, if a Transpose made it.
  private func transposed(_ tensor: String) -> (x: String, perm: [Int])? {
    guard let index = producer(of: tensor), case .transpose(let perm) = self[index].kind else { return nil }
    return (self[index].inputs[0], perm)
  }

  /// Two in a row are one, or none.
  fileprivate mutating func joinTransposes(_ index: Int) -> Bool {
    guard case .transpose(let perm) = self[index].kind else { return false }
    if perm == Array(perm.indices) { return bypass(index) }
    guard let (x, inner) = transposed(self[index].inputs[0]) else { return false }
    self[index].kind = .transpose(perm.map { inner[$0] })
    rewire(0, of: index, to: x)
    return true
  }

  /// Transpose, Flatten, Gemm: the columns of the weight in the other order.
  fileprivate mutating func flattenUntransposed(_ index: Int) -> Bool {
    guard self[index].kind == .gemm, isPrivate(self[index].inputs[0]),
      let flatten = producer(of: self[index].inputs[0]),
      self[flatten].kind.flattens(to: shape(of: self[flatten].output)),
      let (x, perm) = transposed(self[flatten].inputs[0]), let weights = floats(self[index].inputs[1])
    else { return false }
    // Where the element at a place of the transposed image is in the image itself.
    let places = Array(0..<shape(of: x).reduce(1, *)).transposed(shape(of: x), perm)
    let rows = shape(of: self[index].inputs[1])[0]
    var reordered = weights
    for row in 0..<rows {
      for (column, place) in places.enumerated() {
        reordered[row * places.count + place] = weights[row * places.count + column]
      }
    }
    setParameter(1, of: index, to: Tensor(.float32(reordered), shape: [rows, places.count]))
    self[flatten].kind = .flatten
    rewire(0, of: flatten, to: x)
    return true
  }

  /// An operator all of whose activations are transposed alike works on what they were, and its result is transposed.
  fileprivate mutating func transposeLater(_ index: Int) -> Bool {
    let layer = self[index]
    let result = tensors[layer.output]!
    guard leavesRegionsWhole(layer), let perm = commonOrder(of: layer),
      let moved = layer.kind.beforeTranspose(perm, result: result.shape)
    else { return false }
    var inputs = layer.inputs
    for (place, input) in layer.inputs.enumerated() { inputs[place] = untransposed(input, perm, for: index) }
    guard let shape = try? moved.kind.outputShape(inputs.map { tensors[$0]?.shape }) else { return false }
    var between = result
    between.shape = shape
    let name = freeName("\(layer.output).untransposed")
    tensors[name] = between
    self[index] = Operator(layer.name, moved.kind, inputs: inputs, outputs: [name], activation: layer.activation)
    insert("\(layer.name).transpose", .transpose(moved.perm), [name], writing: layer.output, after: index)
    for input in layer.inputs { removeIfUnread(input) }
    return true
  }

  /// What lies between DequantizeLinear and QuantizeLinear is to become one operator: nothing gets in there.
  private func leavesRegionsWhole(_ layer: Operator) -> Bool {
    switch layer.kind {
    case .quantizeLinear:
      guard let source = transposed(layer.inputs[0])?.x else { return false }
      return producer(of: source).map { self[$0].kind } != .dequantizeLinear
    case .dequantizeLinear:
      return readers(of: layer.output).allSatisfy { if case .transpose = self[$0].kind { true } else { false } }
    default: return !isQuantizedNext(layer.output)
    }
  }

  /// The order that all activations of a layer have from Transposes, but for those with one axis alone, of which the
  /// order does not matter; nil too where a constant cannot follow.
  private func commonOrder(of layer: Operator) -> [Int]? {
    var common: [Int]?
    for (_, perm) in layer.inputs.compactMap(transposed) where perm != common {
      guard common == nil else { return nil }
      common = perm
    }
    guard let common else { return nil }
    let follow = layer.inputs.allSatisfy { input in
      guard let tensor = tensors[input] else { return true }
      if tensor.isConstant { return layer.kind.isTable(tensor) || tensor.canFollow(common) }
      return transposed(input) != nil || tensor.shape.count == common.count && tensor.shape.count { $0 > 1 } <= 1
    }
    return follow ? common : nil
  }

  /// The tensor that becomes an operator's input when it is transposed; made where it is not there.
  private mutating func untransposed(_ input: String, _ perm: [Int], for index: Int) -> String {
    if let (x, _) = transposed(input) { return x }
    guard let tensor = tensors[input], !self[index].kind.isTable(tensor) else { return input }
    let original = tensor.untransposed(perm)
    guard original.isConstant else {
      return insert("\(input).untransposed", .reshape(original.shape), [input], as: original, before: index)
    }
    let name = freeName("\(input).untransposed")
    tensors[name] = original
    return name
  }
}

extension OperatorKind {
  /// Whether a constant is the table of a function, which has no place.
  fileprivate func isTable(_ tensor: Tensor) -> Bool { if case .unary = self { tensor.isConstant } else { false } }

  /// Whether the operator makes vectors [N, …] of whole images.
  fileprivate func flattens(to shape: [Int]) -> Bool {
    switch self {
    case .flatten: true
    case .reshape: shape.count == 2
    default: false
    }
  }

  /// For an operator on tensors that are transposed by `perm`: the operator on what they were, and the order that its
  /// result then lacks. nil where it cannot do without.
  fileprivate func beforeTranspose(_ perm: [Int], result: [Int]) -> (kind: OperatorKind, perm: [Int])? {
    func original(_ values: [Int]) -> [Int] {
      var moved = values
      for (axis, source) in perm.enumerated() { moved[source] = values[axis] }
      return moved
    }
    switch self {
    case .relu, .clip, .unary, .dropout, .quantizeLinear, .dequantizeLinear: return (self, perm)
    case .binary: return result.count == perm.count ? (self, perm) : nil
    case .concat(let axis): return (.concat(axis: perm[axis]), perm)
    case .softmax(let axis): return (.softmax(axis: perm[axis]), perm)
    case .slice(let slice):
      return (
        .slice(
          Slice(starts: original(slice.starts), sizes: original(slice.sizes), steps: original(slice.steps))), perm
      )
    case .pad(let padding):
      return (
        .pad(Padding(begins: original(padding.begins), ends: original(padding.ends), mode: padding.mode)), perm
      )
    case .reduce(let reduction, let axes, let keepDims):
      let moved = OperatorKind.reduce(reduction, axes: axes.map { perm[$0] }.sorted(), keepDims: keepDims)
      if keepDims { return (moved, perm) }
      let kept = perm.indices.filter { !axes.contains($0) }.map { perm[$0] }
      let sorted = kept.sorted()
      return (moved, kept.map { sorted.firstIndex(of: $0)! })
    default: return nil
    }
  }
}

extension Tensor {
  fileprivate func canFollow(_ perm: [Int]) -> Bool { shape.count <= perm.count && [.float32, .uint8].contains(type) }

  /// The tensor that becomes this one, aligned to the right as broadcasting does, when it is transposed by `perm`.
  fileprivate func untransposed(_ perm: [Int]) -> Tensor {
    let aligned = [Int](repeating: 1, count: perm.count - shape.count) + shape
    var inverse = perm
    for (axis, source) in perm.enumerated() { inverse[source] = axis }
    var result = self
    result.shape = inverse.map { aligned[$0] }
    switch data {
    case .float32(let values): result.data = .float32(values.transposed(aligned, inverse))
    case .uint8(let values): result.data = .uint8(values.transposed(aligned, inverse))
    default: break
    }
    return result
  }
}

extension Array {
  /// Row-major elements of `shape` with the axes in another order: result axis i is axis `perm[i]`.
  fileprivate func transposed(_ shape: [Int], _ perm: [Int]) -> [Element] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    var result: [Element] = []
    result.reserveCapacity(count)
    func walk(_ axis: Int, _ offset: Int) {
      guard axis < perm.count else { return result.append(self[offset]) }
      for index in 0..<shape[perm[axis]] { walk(axis + 1, offset + index * strides[perm[axis]]) }
    }
    walk(0, 0)
    return result
  }
}
