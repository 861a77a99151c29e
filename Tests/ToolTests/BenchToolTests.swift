import CNNModel
import Foundation
import Testing

@Suite struct BenchToolTests {
  private let tool = Tool(name: "cnn-bench")

  private func withBundle<Result>(_ body: (String) throws -> Result) throws -> Result {
    try withTemporaryFolder { folder in
      let path = folder.appending(path: "net.cnn").path
      let graph = try Zoo.make("seed", classes: 10, input: ImageSize(height: 28, width: 28, channels: 1))
      try BundleWriter(codec: .stored).write(graph, to: path)
      return try body(path)
    }
  }

  @Test func jsonHasItsKeys() throws {
    try withBundle { path in
      let result = try tool.run([path, "--json", "--seconds", "0.05", "--threads", "2", "--isa", "baseline"])
      #expect(result.exitCode == 0, "\(result.error)")
      let found = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
      let times = try ["min_ms", "median_ms", "p99_ms"].map { try #require(found[$0] as? Double) }
      #expect(times[0] > 0 && times == times.sorted())
      for key in ["load_ms", "arena_bytes", "weight_bytes", "resident_bytes", "runs"] {
        #expect(try #require(found[key] as? Double) > 0, "\(key)")
      }
      #expect(found["isa"] as? String == "baseline" && found["threads"] as? Int == 2)
      let layers = try #require(found["layers"] as? [[String: Any]])
      let graph = try Graph(bundleAt: path)
      #expect(layers.map { $0["name"] as? String } == graph.operators.map(\.name))
      #expect(layers.map { $0["multiply_adds"] as? Int } == graph.operators.map { graph.multiplyAdds(of: $0) })
      let shares = layers.compactMap { $0["share_percent"] as? Double }.reduce(0, +)
      #expect(abs(shares - 100) < 1e-6)
    }
  }

  @Test func textSaysWhatWasMeasured() throws {
    try withBundle { path in
      let result = try tool.run([path, "--seconds", "0.05"])
      #expect(result.exitCode == 0)
      for word in ["median", "p99", "arena", "GOP/s", "conv1", "1 thread"] { #expect(result.output.contains(word)) }
    }
  }

  @Test func mistakesAreNamed() throws {
    try withBundle { path in
      let unknown = try tool.run([path, "--isa", "mmx"])
      #expect(unknown.exitCode == 1 && unknown.error.contains("mmx"))
      let missing = try tool.run([path + ".missing"])
      #expect(missing.exitCode == 1 && missing.error.contains(path + ".missing"))
      for arguments in [["--threads", "0"], ["--seconds", "nan"], ["--seconds", "-1"]] {
        let result = try tool.run([path] + arguments)
        #expect(result.exitCode == 64 && !result.crashed, "\(arguments)")
      }
    }
  }
}
