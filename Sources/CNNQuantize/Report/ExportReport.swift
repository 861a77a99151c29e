import CNNPasses
import CNNSupport
import Foundation

/// What an export did and what it cost: JSON with keys that stay, and a table to read.
public struct ExportReport: Equatable, Sendable {
  public struct Layer: Equatable, Sendable {
    public var name: String
    /// ONNX's name of the operator.
    public var op: String
    /// Of int8 against float at this layer's output, everything before it in int8 too. nil in float exports.
    public var decibels: Double?
    /// Of the output as it is stored; nil where that is float32.
    public var quantization: AffineQuantization?
    /// The share of the float values outside the stored range, over the calibration images.
    public var clippedPercent: Double?
    public var parameterBytes: Int
    public var multiplyAdds: Int
  }

  /// A layer of an int8 network that computes in float, and why.
  public struct FloatLayer: Equatable, Sendable {
    public var name, reason: String
  }

  /// Percent of `images` whose largest output is their label's.
  public struct Accuracy: Equatable, Sendable {
    public var images: Int
    public var float: Double
    /// nil in float exports.
    public var int8: Double?

    public init(images: Int, float: Double, int8: Double? = nil) {
      (self.images, self.float, self.int8) = (images, float, int8)
    }
  }

  public var source: String
  public var sourceBytes: Int
  public var output: String
  /// "int8" or "float32"
  public var type: String
  public var dataset: String?
  public var test: Accuracy?
  /// Over the training images that were set aside.
  public var validation: Accuracy?
  public var calibrationImages: Int?
  public var rangeRule: RangeRule?
  public var seed: UInt64
  public var fileBytes: Int
  /// Of a session with one thread and one image.
  public var arenaBytes: Int
  /// Of all constants, inflated.
  public var weightBytes: Int
  public var passes: [PassReport]
  public var floatLayers: [FloatLayer]
  public var layers: [Layer]
}

// MARK: JSON

extension ExportReport {
  public var json: JSON {
    [
      "source": .string(source), "source_bytes": .integer(sourceBytes), "output": .string(output),
      "type": .string(type),
      "dataset": dataset.map(JSON.string) ?? .null,
      "float_accuracy": number(test?.float), "int8_accuracy": number(test?.int8), "test_images": integer(test?.images),
      "float_validation_accuracy": number(validation?.float), "int8_validation_accuracy": number(validation?.int8),
      "validation_images": integer(validation?.images),
      "calibration_images": integer(calibrationImages), "range_rule": rangeRule.map { .string($0.rawValue) } ?? .null,
      "seed": .integer(Int(truncatingIfNeeded: seed)),
      "file_bytes": .integer(fileBytes), "arena_bytes": .integer(arenaBytes), "weight_bytes": .integer(weightBytes),
      "passes": .object(passes.map { (key: $0.pass, value: .integer($0.rewrites)) }),
      "float_layers": .object(floatLayers.map { (key: $0.name, value: .string($0.reason)) }),
      "layers": .array(layers.map(json)),
    ]
  }

  private func json(_ layer: Layer) -> JSON {
    [
      "name": .string(layer.name), "op": .string(layer.op), "sqnr_db": number(layer.decibels),
      "scale": number(layer.quantization.map { Double($0.scale) }),
      "zero_point": integer(layer.quantization.map { Int($0.zeroPoint) }),
      "clipped_percent": number(layer.clippedPercent), "parameter_bytes": .integer(layer.parameterBytes),
      "multiply_adds": .integer(layer.multiplyAdds),
    ]
  }

  private func number(_ value: Double?) -> JSON { value.map(JSON.number) ?? .null }
  private func integer(_ value: Int?) -> JSON { value.map(JSON.integer) ?? .null }
}

// MARK: Text

extension ExportReport {
  public var text: String {
    var lines = [table.text, ""]
    for layer in floatLayers { lines.append("in float             \(layer.name): \(layer.reason)") }
    if let validation { lines.append("validation accuracy  \(Self.text(validation))") }
    if let test { lines.append("test accuracy        \(Self.text(test))") }
    let ratio = Double(sourceBytes) / Double(fileBytes)
    lines.append(
      "file                 \(fileBytes) bytes; \(source) has \(sourceBytes), \(Self.fixed(ratio, 1)) times that")
    lines.append("memory               \(arenaBytes) bytes of arena, \(weightBytes) bytes of weights")
    lines.append("written              \(output) (\(type))")
    return lines.joined(separator: "\n")
  }

  private var table: TextTable {
    let isInt8 = layers.contains { $0.decibels != nil }
    let int8Columns = isInt8 ? ["SQNR dB", "scale", "zero", "clipped %"] : []
    var table = TextTable(["layer", "op"] + int8Columns + ["parameter bytes", "multiply-adds"], left: ["op"])
    for layer in layers {
      let int8Cells = [
        layer.decibels.map { Self.fixed($0, 1) } ?? "",
        layer.quantization.map { String(format: "%.4g", $0.scale) } ?? "float32",
        layer.quantization.map { "\($0.zeroPoint)" } ?? "", layer.clippedPercent.map { Self.fixed($0, 3) } ?? "",
      ]
      table.add(
        [layer.name, layer.op] + (isInt8 ? int8Cells : [])
          + [layer.parameterBytes, layer.multiplyAdds].map {
            $0 == 0 ? "" : "\($0)"
          })
    }
    return table
  }

  private static func text(_ accuracy: Accuracy) -> String {
    var text = "float \(fixed(accuracy.float, 2)) %"
    if let int8 = accuracy.int8 {
      text += ", int8 \(fixed(int8, 2)) % (\(String(format: "%+.2f", int8 - accuracy.float)) points)"
    }
    return text + ", \(accuracy.images) images"
  }

  private static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}
