import CNNModel
import CNNSupport

/// Values in the form that an operator needs.
extension ImportWalk {
  func canBeBatched(_ shape: [Int]) -> Bool {
    switch mode {
    case .images(let count): shape.first == count
    case .whole: shape.first == 1
    }
  }

  /// The form of a value of which nothing else is known.
  func form(of shape: [Int]) -> Form { canBeBatched(shape) ? .batched : .whole }

  /// A shape in the graph.
  /// - Throws: if the value cannot be held in this form, or has too many axes.
  func graphShape(_ shape: [Int], _ form: Form) throws(CNNError) -> [Int] {
    if form == .whole, case .images(let count) = mode, count > 1 {
      needsWhole = true
      throw CNNError("mixes the images of a batch")
    }
    guard form == .whole || canBeBatched(shape) else {
      throw CNNError("has \(shape.first ?? 0) images where the batch has another number")
    }
    let result = form.graphShape(shape)
    guard result.count <= 6 else {
      throw CNNError("has a tensor of rank \(shape.count)", advice: "up to 5 is possible")
    }
    return result
  }

  /// The tensor of a value in a form.
  func tensor(_ x: ImportedActivation, _ form: Form) throws(CNNError) -> String {
    x.form == form ? x.tensor : try reshape(x.tensor, try graphShape(x.shape, form))
  }

  /// The same value in a form.
  func converted(_ x: ImportedActivation, _ form: Form) throws(CNNError) -> ImportedActivation {
    ImportedActivation(tensor: try tensor(x, form), shape: x.shape, form: form, type: x.type)
  }

  /// A form in which an operator along these axes of ONNX's shape does not touch the batch: the one it has, if possible.
  func avoiding(_ axes: [Int], _ x: ImportedActivation) throws(CNNError) -> ImportedActivation {
    x.form == .batched && axes.contains(0) ? try converted(x, .whole) : x
  }

  /// A tensor in another shape of the graph. Reshapes of Reshapes are not piled up.
  func reshape(_ tensor: String, _ shape: [Int]) throws(CNNError) -> String {
    var source = tensor
    while true {
      if graph.tensors[source]!.shape == shape { return source }
      guard let before = reshapes[source] else { break }
      source = before
    }
    let result = try emit(.reshape(shape), [source])
    reshapes[result] = source
    return result
  }

  /// A value in another ONNX shape of as many elements.
  func reshaped(_ x: ImportedActivation, to shape: [Int]) throws(CNNError) -> ImportedActivation {
    guard shape != x.shape else { return x }
    guard shape.checkedCount != nil, shape.checkedCount == x.shape.checkedCount else {
      throw CNNError("cannot make \(shape) of \(x.shape)")
    }
    let form = form(of: shape)
    let tensor = try reshape(x.tensor, try graphShape(shape, form))
    return ImportedActivation(tensor: tensor, shape: shape, form: form, type: x.type)
  }

  /// The number of elements of a constant that is to be made: a damaged file must not fill the memory.
  func limited(_ count: Int) throws(CNNError) -> Int {
    guard count <= 1 << 26 else { throw CNNError("needs a constant of \(count) elements") }
    return count
  }

  /// What an operator made of a value.
  func result(
    _ tensor: String, _ shape: [Int], _ form: Form, _ type: ONNXType = .float
  ) -> ImportedValue { .activation(ImportedActivation(tensor: tensor, shape: shape, form: form, type: type)) }

  /// An operator that works the same in every form and keeps shape and type.
  func elementwise(_ kind: OperatorKind, _ x: ImportedActivation) throws(CNNError) -> ImportedActivation {
    var result = x
    result.tensor = try emit(kind, [x.tensor])
    return result
  }

  /// An operator on images [1, C, …]: on the batch as it is, or if the batch is part of one value, on one after the other.
  /// - Parameter body: gets the tensor [1] + S[1…] and gives its result.
  func perImage(
    _ x: ImportedActivation, _ body: (String) throws(CNNError) -> String
  ) throws(CNNError) -> ImportedActivation {
    guard let count = x.shape.first else { throw CNNError("reads a scalar where images are expected") }
    if canBeBatched(x.shape) {
      let tensor = try body(try tensor(x, .batched))
      let shape = [count] + graph.tensors[tensor]!.shape.dropFirst()
      return ImportedActivation(tensor: tensor, shape: shape, form: .batched, type: x.type)
    }
    let whole = try tensor(x, .whole)
    let shape = graph.tensors[whole]!.shape
    guard count <= 256 else { throw CNNError("takes \(count) images one by one", advice: "export with a batch of 1") }
    var parts: [String] = []
    for index in 0..<count {
      var slice = Slice(starts: shape.map { _ in 0 }, sizes: shape)
      (slice.starts[1], slice.sizes[1]) = (index, 1)
      let image = try reshape(try emit(.slice(slice), [whole]), [1] + x.shape.dropFirst())
      let part = try body(image)
      parts.append(try reshape(part, [1] + graph.tensors[part]!.shape))
    }
    let tensor = try emit(.concat(axis: 1), parts)
    let result = Array(graph.tensors[tensor]!.shape.dropFirst())
    return ImportedActivation(tensor: tensor, shape: result, form: .whole, type: x.type)
  }

  /// The operands of an operator that broadcasts them, so that the graph's broadcasting is ONNX's: activations in one form
  /// and of one rank.
  /// - Parameter shape: that all of them are broadcast to.
  func aligned(
    _ operands: [(value: ImportedValue, name: String)], to shape: [Int], minimumRank: Int = 0
  ) throws(CNNError) -> (tensors: [String], form: Form) {
    func padded(_ own: [Int]) -> [Int] { [Int](repeating: 1, count: shape.count - own.count) + own }
    func shapeOf(_ value: ImportedValue) -> [Int] {
      switch value {
      case .constant(let tensor): tensor.shape
      case .quantized(let constant): constant.shape
      case .activation(let activation): activation.shape
      case .unknown: []
      }
    }
    let batched =
      canBeBatched(shape) && shape.count >= minimumRank
      && operands.allSatisfy { value, _ in
        let own = padded(shapeOf(value))
        return if case .activation = value { canBeBatched(own) } else { own[0] == 1 }
      }
    let form: Form = batched ? .batched : .whole
    var tensors: [String] = []
    for (value, name) in operands {
      switch value {
      case .activation(let x): tensors.append(try reshape(x.tensor, try graphShape(padded(x.shape), form)))
      default:
        guard let constant = try constantOperand(value, named: name) else { throw CNNError("lacks “\(name)”") }
        tensors.append(try operand(constant))
      }
    }
    return (tensors, form)
  }
}
