import Foundation
import Testing

/// The C interface grows; Swift and C++ keep in step.
struct CoverageTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..")

  static func text(_ paths: [String]) throws -> String {
    try paths.map { try String(contentsOf: root.appending(path: $0), encoding: .utf8) }.joined()
  }

  static func sources(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
      .filter { $0.hasSuffix(".swift") }.map { "\(folder)/\($0)" }
  }

  @Test func everyFunctionOfTheCInterfaceCanBeReached() throws {
    let headers = try Self.text(["Include/cnnrt.h", "Include/cnnrt_train.h"])
    let functions = Set(headers.matches(of: /\b(cnnrt_[a-z0-9_]+)\(/).map { String($0.1) })
    #expect(functions.count > 40)
    // What another does for a batch, a wrapper need not call.
    let needed = functions.filter { name in !["_at", "_batch"].contains { functions.contains(name + $0) } }
    let wrappers = [
      "Swift": try Self.text(Self.sources("Sources/CNNRT") + Self.sources("Sources/CNNTraining")),
      "C++": try Self.text(["Include/cnnrt.hpp", "Include/cnnrt_train.hpp"]),
    ]
    for (language, wrapper) in wrappers {
      let used = Set(wrapper.matches(of: /\bcnnrt_[a-z0-9_]+/).map { String($0.0) })
      #expect(needed.subtracting(used).sorted() == [], "not in \(language)")
    }
  }
}
