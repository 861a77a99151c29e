/// What an input or output of a model is called in a call: its index (`Int`) or its name (`String`).
///
///     try session.setInput(pixels.span, at: "image")
///     let scores = try session.output(0)
public protocol TensorKey {
  /// The index of the tensor that is meant.
  /// - Throws: `.invalidArgument`, with the names there are, if none is meant.
  func index(in tensors: [Model.Tensor]) throws(CNNRTError) -> Int
}

extension Int: TensorKey {
  /// The number itself, if there are that many tensors.
  public func index(in tensors: [Model.Tensor]) throws(CNNRTError) -> Int {
    guard tensors.indices.contains(self) else {
      throw .wrongArgument("index", "there is no tensor \(self); the model has \(tensors.count)")
    }
    return self
  }
}

extension String: TensorKey {
  /// The tensor of this name.
  public func index(in tensors: [Model.Tensor]) throws(CNNRTError) -> Int {
    guard let index = tensors.firstIndex(where: { $0.name == self }) else {
      let names = tensors.map(\.name).joined(separator: ", ")
      throw .wrongArgument("name", "there is no tensor \(self); the model has \(names)")
    }
    return index
  }
}
