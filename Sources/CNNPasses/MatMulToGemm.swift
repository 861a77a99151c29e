import CNNModel

extension Pass {
  /// MatMul of vectors [N,K] by a constant [K,P] is a Gemm, whose weight is [P,K], and which may have a bias.
  public static let matMulToGemm = Pass.everywhere("matmul-to-gemm") { graph, index in
    guard graph[index].kind == .matMul, graph.isFloat(graph[index].inputs[0]),
      graph.shape(of: graph[index].inputs[0]).count == 2, let values = graph.floats(graph[index].inputs[1])
    else { return false }
    let sizes = graph.shape(of: graph[index].inputs[1])
    guard sizes.count == 2 else { return false }
    let (rows, columns) = (sizes[0], sizes[1])
    let transposed = [Float](unsafeUninitializedCapacity: values.count) { buffer, count in
      for column in 0..<columns {
        for row in 0..<rows { buffer[column * rows + row] = values[row * columns + column] }
      }
      count = values.count
    }
    graph[index].kind = .gemm
    graph.setParameter(1, of: index, to: Tensor(.float32(transposed), shape: [columns, rows]))
    return true
  }
}
