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

  /// No bundle: a network by name, with random weights. Everything but the times is the same in every run.
  @Test func networksOfTheZooNeedNoBundle() throws {
    let arguments = [
      "--zoo", "mobilenet_v2", "--input", "32x32x3", "--int8", "--classes", "10", "--width", "0.35", "--seconds",
      "0.02",
      "--batch", "2", "--json",
    ]
    var sizes: [[Int]] = []
    for _ in 0..<2 {
      let result = try tool.run(arguments)
      #expect(result.exitCode == 0, "\(result.error)")
      let found = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
      #expect(found["type"] as? String == "int8" && found["batch"] as? Int == 2)
      let graph = try Zoo.make("mobilenet_v2", classes: 10, input: ImageSize("32x32x3"), width: 0.35)
      #expect(found["parameters"] as? Int == graph.parameterCount)
      #expect(found["multiply_adds"] as? Int == graph.multiplyAdds)
      sizes.append(try ["file_bytes", "arena_bytes", "weight_bytes"].map { try #require(found[$0] as? Int) })
    }
    #expect(sizes[0] == sizes[1] && sizes[0][2] < 600_000)
  }

  @Test func mistakesAreNamed() throws {
    try withBundle { path in
      let zoo = try tool.run(["--zoo", "nonet", "--input", "32x32x3"])
      #expect(zoo.exitCode == 1 && zoo.error.contains("nonet") && zoo.error.contains("mobilenet_v2"))
      for arguments in [
        [], [path, "--zoo", "seed", "--input", "28x28x1"], ["--zoo", "seed"], ["--zoo", "seed", "--input", "28x28"],
        [path, "--int8"], [path, "--batch", "0"],
      ] {
        let result = try tool.run(arguments)
        #expect(result.exitCode == 64 && !result.crashed, "\(arguments)")
      }
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
