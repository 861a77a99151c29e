import CNNModel

extension Pass {
  /// A Concat that only another one along the same axis reads: its parts become parts of that.
  public static let mergeConcats = Pass.everywhere("merge-concats") { graph, index in
    guard case .concat(let axis) = graph[index].kind else { return false }
    for (place, input) in graph[index].inputs.enumerated() {
      guard graph.isFloat(input), graph.isPrivate(input), let inner = graph.producer(of: input),
        graph[inner].kind == .concat(axis: axis)
      else { continue }
      let parts = graph[inner].inputs
      graph.remove(inner)
      graph[index].inputs.replaceSubrange(place...place, with: parts)
      return true
    }
    return false
  }
}
