import CNNModel

extension Pass {
  /// Flatten, then Gemm: a Conv whose kernel is as large as the image. The weights stay as they are (row-major [O,
  /// C·H·W] is [O, C, H, W]), and the image need not be brought from blocks into row-major order first. What is
  /// flattened afterwards is a single pixel, which costs nothing.
  public static let flattenedGemmToConv = Pass.everywhere("flattened-gemm-to-conv") { graph, index in
    guard graph[index].kind == .gemm, graph.isFloat(graph[index].inputs[0]),
      let flatten = graph.producer(of: graph[index].inputs[0]),
      graph[flatten].kind == .flatten
    else { return false }
    let image = graph.shape(of: graph[flatten].inputs[0])
    guard image.count == 4, image[2] * image[3] > 1, let weight = graph.tensors[graph[index].inputs[1]],
      weight.isConstant
    else { return false }
    graph.replaceGemm(index, behind: flatten, image: image, weight: weight)
    return true
  }
}

extension GraphEditor {
  fileprivate mutating func replaceGemm(_ index: Int, behind flatten: Int, image: [Int], weight: Tensor) {
    let channels = weight.shape[0]
    var reshaped = weight
    reshaped.shape = [channels] + image[1...]
    setParameter(1, of: index, to: reshaped)

    let (name, result) = (self[index].name, self[index].output)
    let pixel = freeName("\(name).pixel")
    tensors[pixel] = tensors[result]
    tensors[pixel]!.shape = [image[0], channels, 1, 1]
    self[index].kind = .conv(Window(kernelHeight: image[2], kernelWidth: image[3]))
    self[index].outputs = [pixel]
    rewire(0, of: index, to: self[flatten].inputs[0])
    insert("\(name).flatten", .flatten, [pixel], writing: result, after: index)
  }
}
