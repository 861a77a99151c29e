import CNNSupport
import Foundation

extension Benchmark {
  private var layerSum: Double { layers.reduce(0) { $0 + $1.milliseconds } }
  private func share(_ layer: Layer) -> Double { layerSum > 0 ? 100 * layer.milliseconds / layerSum : 0 }
  private var type: String { information.isMixed ? "mixed" : information.isQuantized ? "int8" : "float32" }

  /// Of one image.
  private var multiplyAdds: Int { layers.reduce(0) { $0 + Int($1.layer.multiplyAdds) } }

  /// - Parameters:
  ///   - bundle: what was measured.
  ///   - parameters: learned ones, where they were counted.
  func json(bundle: String, parameters: Int?) -> JSON {
    [
      "bundle": .string(bundle), "parameters": parameters.map(JSON.integer) ?? .null,
      "multiply_adds": .integer(multiplyAdds), "batch": .integer(batch), "type": .string(type),
      "isa": .string(information.isa), "threads": .integer(threads),
      "median_ms": .number(runs.median), "min_ms": .number(runs.minimum), "p99_ms": .number(runs.percentile(99)),
      "runs": .integer(runs.count), "load_ms": .number(load.median),
      "file_bytes": .integer(Int(information.fileBytes)), "arena_bytes": .integer(arenaBytes),
      "weight_bytes": .integer(Int(information.weightBytes)), "model_bytes": .integer(Int(information.memoryBytes)),
      "mapped_bytes": .integer(Int(information.mappedBytes)), "resident_bytes": .integer(residentBytes),
      "layers": .array(layers.map(json)),
    ]
  }

  private func json(_ layer: Layer) -> JSON {
    [
      "name": .string(layer.layer.name), "op": .string(layer.layer.op), "median_ms": .number(layer.milliseconds),
      "share_percent": .number(share(layer)), "gops": layer.gops.map(JSON.number) ?? .null,
      "multiply_adds": .integer(Int(layer.layer.multiplyAdds)), "weight_bytes": .integer(Int(layer.layer.weightBytes)),
    ]
  }

  func text(bundle: String, parameters: Int?) -> String {
    var table = TextTable(["layer", "op", "output", "ms", "share", "GOP/s"], left: ["op", "output"])
    for layer in layers {
      table.add([
        layer.layer.name, layer.layer.op, layer.layer.output.shape.map(String.init).joined(separator: "×"),
        Self.milliseconds(layer.milliseconds), String(format: "%.1f %%", share(layer)),
        layer.gops.map { String(format: "%.1f", $0) } ?? "",
      ])
    }
    return """
      \(bundle): \(type), \(information.isa), \(threads) \(threads == 1 ? "thread" : "threads")

      latency  median \(Self.milliseconds(runs.median)) ms, min \(Self.milliseconds(runs.minimum)), \
      p99 \(Self.milliseconds(runs.percentile(99))) (\(batch == 1 ? "one image" : "\(batch) images"), input in place; \
      \(runs.count) runs)
      network  \(parameters.map { "\($0) parameters, " } ?? "")\(multiplyAdds) multiply-adds per image
      load     \(Self.milliseconds(load.median)) ms (open and make a session, file in the page cache; \
      median of \(load.count))
      memory   \(arenaBytes) bytes of arena, \(information.weightBytes) of weights; the model has allocated \
      \(information.memoryBytes) and mapped \(information.mappedBytes); \(residentBytes) resident in this process
      file     \(information.fileBytes) bytes

      \(table.text)
      (layers: medians of runs that time each of them, \(Self.milliseconds(layerSum)) ms together)
      """
  }

  private static func milliseconds(_ value: Double) -> String { String(format: value < 1 ? "%.4f" : "%.3f", value) }
}
