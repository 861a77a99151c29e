import CNNSupport

extension ONNXNode {
  /// What the node computes from constants: ONNX's reference semantics, integers with the wrap and the truncating
  /// division of their type, floats in float32.
  /// - Parameter inputs: as many as the node has; nil for absent optional ones.
  /// - Returns: as many tensors as the node has outputs, or nil if this is no operator that the interpreter knows.
  /// - Throws: if the operator is known but the values do not fit it, or the result is too large.
  package func fold(_ inputs: [ONNXTensor?]) throws(CNNError) -> [ONNXTensor]? {
    guard domain.isEmpty, let rule = Folding.rules[op] else { return nil }
    do {
      return try rule(Folding(node: self, inputs: inputs))
    } catch {
      throw error.place.hasPrefix(place) ? error : error.inside(place)
    }
  }
}

/// One node and its inputs, while it is folded. The operators are extensions of it, a file for each family.
struct Folding {
  typealias Rule = @Sendable (Folding) throws(CNNError) -> [ONNXTensor]

  let node: ONNXNode
  let inputs: [ONNXTensor?]

  /// A result with more elements is refused, not allocated.
  static let limit = 1 << 28

  static let rules: [String: Rule] = [
    shapeRules, rearrangementRules, indexRules, arithmeticRules, comparisonRules, floatRules, reductionRules,
    generationRules, matrixRules, castRules,
  ].reduce(into: [:]) { rules, family in rules.merge(family) { first, _ in first } }

  /// The rule of an operator with one output.
  static func one(_ rule: @escaping @Sendable (Folding) -> () throws(CNNError) -> ONNXTensor) -> Rule {
    { (folding) throws(CNNError) in [try rule(folding)()] }
  }

  /// The rule of an operator with several outputs.
  static func many(_ rule: @escaping @Sendable (Folding) -> () throws(CNNError) -> [ONNXTensor]) -> Rule {
    { (folding) throws(CNNError) in try rule(folding)() }
  }
}

// MARK: Inputs, checked

extension Folding {
  func optional(_ index: Int) -> ONNXTensor? { index < inputs.count ? inputs[index] : nil }

  func input(_ index: Int) throws(CNNError) -> ONNXTensor {
    guard let tensor = optional(index) else { throw CNNError("its input \(index) is missing") }
    return tensor
  }

  /// A numeric input.
  func numbers(_ index: Int) throws(CNNError) -> ONNXTensor {
    let tensor = try input(index)
    if case .strings = tensor.values { throw CNNError("its input \(index) has strings, which are not supported") }
    return tensor
  }

  func integers(_ index: Int) throws(CNNError) -> [Int] {
    guard let list = try input(index).integers else { throw CNNError("its input \(index) has no integers") }
    return list
  }

  func optionalIntegers(_ index: Int) throws(CNNError) -> [Int]? {
    optional(index) == nil ? nil : try integers(index)
  }

  func floats(_ index: Int) throws(CNNError) -> ONNXTensor {
    let tensor = try input(index)
    guard tensor.floats != nil else { throw CNNError("its input \(index) has no floats") }
    return tensor
  }
}

/// An axis counted from the front.
/// - Parameter rank: of the tensor whose axis it is.
func checkedAxis(_ axis: Int, rank: Int) throws(CNNError) -> Int {
  guard axis >= -rank && axis < rank else {
    throw CNNError("the axis \(axis) does not exist in a tensor of rank \(rank)")
  }
  return axis < 0 ? axis + rank : axis
}

/// Axes counted from the front, each at most once.
func checkedAxes(_ axes: [Int], rank: Int) throws(CNNError) -> [Int] {
  var checked: [Int] = []
  for axis in axes {
    let axis = try checkedAxis(axis, rank: rank)
    guard !checked.contains(axis) else { throw CNNError("the axis \(axis) is there twice") }
    checked.append(axis)
  }
  return checked
}

/// The number of elements of a result.
/// - Throws: if it is negative or more than `Folding.limit`.
@discardableResult
func checkedCount(_ shape: [Int]) throws(CNNError) -> Int {
  let count = try elementCount(shape)
  guard count <= Folding.limit else {
    throw CNNError("its result of shape \(shape) is too large to compute in advance")
  }
  return count
}
