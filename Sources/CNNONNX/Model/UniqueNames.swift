/// Names that are taken, and new ones beside them.
struct UniqueNames {
  private var taken: Set<String> = []
  private var next: [String: Int] = [:]

  init(_ names: some Sequence<String> = []) { taken = Set(names) }

  mutating func reserve(_ names: some Sequence<String>) { taken.formUnion(names) }

  /// `base`, or with the first number that makes it a name not taken yet; it is taken then.
  mutating func make(_ base: String) -> String {
    if taken.insert(base).inserted { return base }
    var number = next[base, default: 2]
    while !taken.insert("\(base)_\(number)").inserted { number += 1 }
    next[base] = number + 1
    return "\(base)_\(number)"
  }
}

extension ONNXGraph {
  /// All names that values have.
  var valueNames: UniqueNames {
    var names = UniqueNames(constants.keys)
    names.reserve(inputs.map(\.name))
    for node in nodes { names.reserve(node.outputs + node.inputs) }
    return names
  }
}
