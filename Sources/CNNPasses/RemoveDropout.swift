import CNNModel

extension Pass {
  /// Dropout outside training is nothing.
  public static let removeDropout = Pass.exhaustively("remove-dropout") { graph in
    for index in graph.operators.indices {
      guard case .dropout = graph.operators[index].kind else { continue }
      let (before, after) = (graph.operators[index].inputs[0], graph.operators[index].output)
      if !graph.outputs.contains(after) {
        graph.operators.remove(at: index)
        graph.replaceUses(of: after, with: before)
        return true
      }
      // The caller knows the result by its name, so what makes it takes that name.
      guard graph.isPrivate(before), let producer = graph.producer(of: before) else { continue }
      graph.merge(index, into: producer)
      return true
    }
    return false
  }
}
