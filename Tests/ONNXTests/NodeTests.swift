import CNNSupport
import Foundation
import Testing

/// All of ONNX's test cases: each passes, or a reason from a closed list says why not.
@Suite(.enabled(if: ConformanceCase.exist, "apt install libonnx-testdata"))
struct NodeTests {
  @Test func everyCasePassesOrIsOutOfScopeForAReason() throws {
    let outcomes = ConformanceCase.all().map { ($0.name, $0.run()) }
    if let path = ProcessInfo.processInfo.environment["CNN_ONNX_TABLE"] {
      try AtomicFile.write(table(outcomes), to: path)
    }
    for case (let name, .failed(let problem)) in outcomes { Issue.record("\(name): \(problem)") }
    #expect(outcomes.count { $0.1 == .passed } >= 400)
  }

  /// What Tools/onnx-conformance puts into Documentation/ONNX.md.
  private func table(_ outcomes: [(name: String, outcome: ConformanceCase.Outcome)]) -> String {
    var lists: [String: [String]] = [:]
    for (name, outcome) in outcomes {
      let key =
        switch outcome {
        case .passed: "passed"
        case .outOfScope(let reason): reason
        case .named(let what): what + ", named by the importer"
        case .notOurs(let op): "operators that are not among ours: " + op
        case .failed: "FAILED"
        }
      lists[key, default: []].append(name)
    }
    let others = "operators that are not among ours: "
    let foreign = lists.keys.filter { $0.hasPrefix(others) }.sorted()
    var text = "| cases | outcome | which |\n| --- | --- | --- |\n"
    text += "| \(lists["passed"]?.count ?? 0) | passed | |\n"
    for key in lists.keys.sorted() where key != "passed" && !key.hasPrefix(others) {
      let names = lists[key]!.map { String($0[$0.index(after: $0.lastIndex(of: "/")!)...].dropFirst(5)) }
      text += "| \(names.count) | \(key) | \(names.joined(separator: ", ")) |\n"
    }
    let counts = foreign.map { "\($0.dropFirst(others.count)) \(lists[$0]!.count)" }
    let count = foreign.reduce(0) { $0 + lists[$1]!.count }
    return text + "| \(count) | operators that are not among ours | \(counts.joined(separator: ", ")) |\n"
  }
}
