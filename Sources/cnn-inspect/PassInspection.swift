import CNNModel
import CNNPasses
import CNNSupport

/// What each pass of an export does to a float bundle, in order. Nothing is written.
struct PassInspection {
  struct Step {
    var pass: String
    var rewrites: Int
    var before: Int
    var after: Int
  }

  let path: String
  private(set) var steps: [Step] = []

  /// - Throws: `CNNError` where the bundle cannot be read or is quantized.
  init(path: String) throws(CNNError) {
    self.path = path
    var graph = try BundleReader(path: path).graph()
    guard !graph.isQuantized else {
      throw CNNError(
        "is quantized: the passes are behind it", at: path, advice: "name the float bundle that it was made of")
    }
    for pass in Pass.forInference {
      let before = graph.operators.count
      let rewrites = pass.rewrite(&graph)
      steps.append(Step(pass: pass.name, rewrites: rewrites, before: before, after: graph.operators.count))
    }
  }

  private var total: Step {
    Step(
      pass: "all", rewrites: steps.reduce(0) { $0 + $1.rewrites }, before: steps.first?.before ?? 0,
      after: steps.last?.after ?? 0)
  }

  var text: String {
    var table = TextTable(["pass", "rewrites", "operators before", "after"])
    for step in steps + [total] { table.add([step.pass, "\(step.rewrites)", "\(step.before)", "\(step.after)"]) }
    return table.text
  }

  var json: JSON {
    object([("file", .string(path)), ("passes", .array(steps.map(json))), ("total", json(total))])
  }

  private func json(_ step: Step) -> JSON {
    object([
      ("pass", .string(step.pass)), ("rewrites", .integer(step.rewrites)),
      ("operators_before", .integer(step.before)), ("operators_after", .integer(step.after)),
    ])
  }
}
