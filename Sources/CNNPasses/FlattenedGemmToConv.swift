import CNNModel

extension Pass {
  /// Flatten, then Gemm: a Conv whose kernel is as large as the image. The weights stay as they are (row-major [O,
  /// C·H·W] is [O, C, H, W]), and the image need not be brought from blocks into row-major order first. What is
  /// flattened afterwards is a single pixel, which costs nothing.
  public static let flattenedGemmToConv = Pass.exhaustively("flattened-gemm-to-conv") { graph in
    for index in graph.operators.indices where graph.operators[index].kind == .gemm {
      guard let flatten = graph.producer(of: graph.operators[index].inputs[0]),
        graph.operators[flatten].kind == .flatten,
        let shape = graph.tensors[graph.operators[flatten].inputs[0]]?.shape, shape.count == 4, shape[2] * shape[3] > 1,
        let weight = graph.tensors[graph.operators[index].inputs[1]], weight.isConstant
      else { continue }
      graph.replaceGemm(index, behind: flatten, image: shape, weight: weight)
      return true
    }
    return false
  }
}

extension Graph {
  fileprivate mutating func replaceGemm(_ index: Int, behind flatten: Int, image: [Int], weight: Tensor) {
    let channels = weight.shape[0]
    var reshaped = weight
    reshaped.shape = [channels] + image[1...]
    setParameter(1, of: index, to: reshaped)

    let result = operators[index].output
    let pixel = freeName("\(operators[index].name).pixel")
    tensors[pixel] = Tensor(.float32, shape: [image[0], channels, 1, 1])
    operators[index].kind = .conv(Window(kernelHeight: image[2], kernelWidth: image[3]))
    operators[index].inputs[0] = operators[flatten].inputs[0]
    operators[index].outputs = [pixel]
    let name = freeName("\(operators[index].name).flatten")
    operators.insert(Operator(name, .flatten, inputs: [pixel], outputs: [result]), at: index + 1)
  }
}
