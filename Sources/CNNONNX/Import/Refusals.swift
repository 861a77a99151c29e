/// What of an operator that we have is missing, by its attributes alone: it is reported even where the shapes that a node
/// reads are not known because another one could not be imported.
extension ONNXNode {
  var refusal: String? {
    switch op {
    case "BatchNormalization":
      if int("training_mode") ?? 0 != 0 { return "training_mode" }
    case "MaxPool":
      if output(1) != nil { return "its output Indices is int64" }
    case "LayerNormalization", "RMSNormalization":
      if let type = int("stash_type"), type != 1 { return "stash_type \(type)" }
    default: break
    }
    for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
      if case .other(let kind) = value { return "its attribute \(name) is \(kind)" }
    }
    return nil
  }
}
