import CNNModel

/// A graph in the hands of a pass. An operator has a number for as long as it is there, whatever comes and goes around
/// it; who writes a tensor and who reads it is known at once, so that a pass takes time in proportion to the graph.
package struct GraphEditor {
  package var tensors: [String: Tensor]
  package let outputs: Set<String>
  private var original: Graph
  /// By number; nil: removed.
  private var slots: [Operator?]
  /// The execution order, as a list. A removed operator keeps its place, so that a walk goes on from it.
  private var following: [Int?]
  private var preceding: [Int?]
  package private(set) var first: Int?
  private var writers: [String: Int] = [:]
  /// A number for each use: twice where an operator reads a tensor twice.
  private var uses: [String: [Int]] = [:]
  private var layerNames: Set<String> = []

  /// The operators' numbers are their indices.
  package init(_ graph: Graph) {
    original = graph
    tensors = graph.tensors
    outputs = Set(graph.outputs)
    slots = graph.operators
    let count = graph.operators.count
    following = (0..<count).map { $0 + 1 < count ? $0 + 1 : nil }
    preceding = (0..<count).map { $0 > 0 ? $0 - 1 : nil }
    first = count > 0 ? 0 : nil
    for index in 0..<count { link(index) }
  }

  /// What has become of it, in execution order. Tensors that nobody names any more are still there.
  package var graph: Graph {
    var result = original
    result.tensors = tensors
    result.operators = operators
    return result
  }

  /// In execution order.
  package var operators: [Operator] {
    var result: [Operator] = []
    var index = first
    while let number = index {
      result.append(slots[number]!)
      index = following[number]
    }
    return result
  }

  // MARK: Looking around

  package subscript(_ index: Int) -> Operator {
    get { slots[index]! }
    set {
      unlink(index)
      slots[index] = newValue
      link(index)
    }
  }

  package func contains(_ index: Int) -> Bool { slots[index] != nil }

  /// The operator behind another one, which may have been removed meanwhile.
  package func next(after index: Int) -> Int? {
    var next = following[index]
    while let number = next, slots[number] == nil { next = following[number] }
    return next
  }

  /// The operator that writes a tensor; nil for inputs and constants.
  package func producer(of tensor: String) -> Int? { writers[tensor] }

  /// The operators that read a tensor, each as often as it does.
  package func readers(of tensor: String) -> [Int] { uses[tensor] ?? [] }

  /// Whether exactly one operator reads a tensor, once, and the network's caller does not see it: then nobody notices
  /// when its producer writes something else instead.
  package func isPrivate(_ tensor: String) -> Bool { uses[tensor]?.count == 1 && !outputs.contains(tensor) }

  package func shape(of tensor: String) -> [Int] { tensors[tensor]!.shape }

  /// Whether a tensor is float32, the only type that the rules of arithmetic hold for.
  package func isFloat(_ tensor: String) -> Bool { tensors[tensor]?.type == .float32 }

  /// The elements of a float32 constant; nil for anything else.
  package func floats(_ name: String?) -> [Float]? { name.flatMap { tensors[$0]?.data?.floats } }

  /// Whether two tensors store the same values in the same way.
  package func sameType(_ a: String, _ b: String) -> Bool {
    tensors[a]!.type == tensors[b]!.type && tensors[a]!.quantization == tensors[b]!.quantization
  }

  /// A tensor's or operator's name that is free: `base`, or `base` with the first number that makes it so.
  package func freeName(_ base: String) -> String {
    func isFree(_ name: String) -> Bool { tensors[name] == nil && !layerNames.contains(name) }
    return isFree(base) ? base : (2...).lazy.map { "\(base)_\($0)" }.first(where: isFree)!
  }

  // MARK: Rewriting

  /// Adds an operator before another one, with a result like `tensor`, of its own name.
  /// - Returns: the result's name.
  package mutating func insert(
    _ name: String, _ kind: OperatorKind, _ inputs: [String], as tensor: Tensor, before index: Int
  ) -> String {
    let name = freeName(name)
    tensors[name] = tensor
    add(Operator(name, kind, inputs: inputs, outputs: [name]), between: preceding[index], and: index)
    return name
  }

  /// Adds an operator behind another one that writes `output`.
  package mutating func insert(
    _ name: String, _ kind: OperatorKind, _ inputs: [String], writing output: String, after index: Int
  ) {
    add(Operator(freeName(name), kind, inputs: inputs, outputs: [output]), between: index, and: following[index])
  }

  package mutating func remove(_ index: Int) {
    unlink(index)
    slots[index] = nil
    let (before, after) = (preceding[index], following[index])
    if let before { following[before] = after } else { first = after }
    if let after { preceding[after] = before }
  }

  /// Removes the operator that writes a tensor if nobody reads it, and what only that one has read.
  package mutating func removeIfUnread(_ tensor: String) {
    var unread = [tensor]
    while let name = unread.popLast() {
      guard readers(of: name).isEmpty, !outputs.contains(name), let index = producer(of: name) else { continue }
      unread += self[index].inputs
      remove(index)
    }
  }

  /// Makes an operator read `new` instead of its input, and removes what is not needed any more.
  package mutating func rewire(_ input: Int, of index: Int, to new: String) {
    let old = self[index].inputs[input]
    self[index].inputs[input] = new
    if old != new { removeIfUnread(old) }
  }

  /// Makes every operator that reads `old` read `new`.
  package mutating func replaceUses(of old: String, with new: String) {
    for index in Set(readers(of: old)) { self[index].inputs = self[index].inputs.map { $0 == old ? new : $0 } }
  }

  /// Removes an operator that gives what it reads, its first input.
  /// - Returns: false where the network's caller needs it: an input that is an output, a value with two names.
  package mutating func bypass(_ index: Int) -> Bool {
    let (before, after) = (self[index].inputs[0], self[index].output)
    if !outputs.contains(after) {
      remove(index)
      replaceUses(of: after, with: before)
      return true
    }
    // The caller knows the result by its name, so what makes it takes that name.
    guard isPrivate(before), let producer = producer(of: before) else { return false }
    merge(index, into: producer)
    return true
  }

  /// Joins an operator to the one before it. The result keeps the earlier one's name, that of the layer which computes
  /// it, unless the network's caller knows the later one's.
  package mutating func merge(_ later: Int, into earlier: Int) {
    let (before, after) = (self[earlier].output, self[later].output)
    if self[later].activation != .none { self[earlier].activation = self[later].activation }
    remove(later)
    if outputs.contains(after) {
      self[earlier].outputs = [after]
    } else {
      tensors[before] = tensors[after]
      replaceUses(of: after, with: before)
    }
  }

  /// Gives an operator a constant: in place of the one it has, or beside it where others read that one too.
  package mutating func setParameter(_ input: Int, of index: Int, to constant: Tensor) {
    var name = self[index].input(input) ?? ""
    if name.isEmpty || tensors[name]?.isConstant != true || !isPrivate(name) {
      name = freeName("\(self[index].name).\(self[index].kind.parameterName(input))")
    }
    var inputs = self[index].inputs
    while inputs.count <= input { inputs.append("") }
    inputs[input] = name
    tensors[name] = constant
    self[index].inputs = inputs
  }

  // MARK: The index

  private mutating func add(_ layer: Operator, between before: Int?, and after: Int?) {
    slots.append(layer)
    following.append(after)
    preceding.append(before)
    let index = slots.count - 1
    if let before { following[before] = index } else { first = index }
    if let after { preceding[after] = index }
    link(index)
  }

  private mutating func link(_ index: Int) {
    let layer = slots[index]!
    layerNames.insert(layer.name)
    for input in layer.inputs where !input.isEmpty { uses[input, default: []].append(index) }
    for output in layer.outputs { writers[output] = index }
  }

  private mutating func unlink(_ index: Int) {
    let layer = slots[index]!
    layerNames.remove(layer.name)
    for input in layer.inputs where !input.isEmpty {
      let place = uses[input]!.firstIndex(of: index)!
      uses[input]!.swapAt(place, uses[input]!.count - 1)
      uses[input]!.removeLast()
    }
    for output in layer.outputs where writers[output] == index { writers[output] = nil }
  }
}

extension OperatorKind {
  /// What the constant at an input is called behind the layer's name.
  package func parameterName(_ input: Int) -> String {
    switch self {
    case .conv, .convTranspose, .gemm: ["x", "weight", "bias"][input]
    case .batchNormalization: ["x", "scale", "bias", "mean", "variance"][input]
    default: "operand\(input)"
    }
  }
}
