import CNNModel

extension Pass {
  /// Operators that compute the same from the same tensors: one does for all.
  public static let mergeDuplicates = Pass("merge-duplicates") { graph in
    var editor = GraphEditor(graph)
    var known: [[String]: [Int]] = [:]
    var count = 0
    var index = editor.first
    while let number = index {
      index = editor.next(after: number)
      let twin = known[editor[number].inputs]?.first { editor.computesTheSame($0, number) }
      if let twin, !editor.outputs.contains(editor[number].output) {
        let (kept, gone) = (editor[twin].output, editor[number].output)
        editor.remove(number)
        editor.replaceUses(of: gone, with: kept)
        count += 1
      } else if twin == nil {
        known[editor[number].inputs, default: []].append(number)
      }
    }
    if count > 0 { graph = editor.graph }
    return count
  }
}

extension GraphEditor {
  fileprivate func computesTheSame(_ a: Int, _ b: Int) -> Bool {
    self[a].kind == self[b].kind && self[a].activation == self[b].activation
      && tensors[self[a].output] == tensors[self[b].output]
  }
}
