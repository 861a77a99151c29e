import CNNSupport
import Foundation
import Testing

/// All of ONNX's test cases, those of newer opsets too where CNN_ONNX_CASES says where they are: each passes, or a reason
/// from a closed list says why not.
@Suite(.enabled(if: ConformanceCase.exist, "apt install libonnx-testdata"))
struct NodeTests {
  @Test func everyCasePassesOrIsOutOfScopeForAReason() throws {
    let outcomes = ConformanceCase.all().map { ($0, $0.run()) }
    if let path = ProcessInfo.processInfo.environment["CNN_ONNX_TABLE"] {
      try AtomicFile.write(table(outcomes), to: path)
    }
    for case (let tested, .failed(let problem)) in outcomes { Issue.record("\(tested.name): \(problem)") }
    #expect(outcomes.count { $0.1 == .passed && !$0.0.isGenerated } >= 560)
  }

  /// What Tools/onnx-conformance puts into Documentation/ONNX.md: Debian's cases and the newer ones by their outcomes.
  private func table(_ outcomes: [(tested: ConformanceCase, outcome: ConformanceCase.Outcome)]) -> String {
    var rows: [String: [ConformanceCase]] = [:]
    var foreign: [String: [ConformanceCase]] = [:]
    for (tested, outcome) in outcomes {
      switch outcome {
      case .passed: rows["", default: []].append(tested)
      case .outOfScope(let reason): rows[reason, default: []].append(tested)
      case .named(let what): rows[what + ", named by the importer", default: []].append(tested)
      case .notOurs(let op): foreign[op, default: []].append(tested)
      case .failed: rows["FAILED", default: []].append(tested)
      }
    }
    func row(_ outcome: String, _ cases: [ConformanceCase], _ which: [String]) -> String {
      let newer = cases.count(where: \.isGenerated)
      return "| \(cases.count - newer) | \(newer) | \(outcome) | \(which.joined(separator: ", ")) |\n"
    }
    var text = "| Debian's | newer | outcome | which |\n| --- | --- | --- | --- |\n"
    text += row("passed", rows.removeValue(forKey: "") ?? [], [])
    for (outcome, cases) in rows.sorted(by: { $0.key < $1.key }) { text += row(outcome, cases, names(cases)) }
    let operators = foreign.sorted { $0.key < $1.key }
    let counts = operators.map { "\($0.key) \($0.value.count)" }
    return text + row("operators that are not among ours", operators.flatMap(\.value), counts)
  }

  /// Their names, or where there are many how many begin alike.
  private func names(_ cases: [ConformanceCase]) -> [String] {
    guard cases.count > 30 else { return cases.map(\.shortName) }
    return Dictionary(grouping: cases) { $0.shortName.prefix { $0 != "_" } }
      .sorted { $0.key < $1.key }.map { "\($0.key)_… \($0.value.count)" }
  }
}
