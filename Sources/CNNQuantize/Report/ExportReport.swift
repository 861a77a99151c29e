import CNNSupport
import Foundation

/// What cnn-export did and what it cost: a readable table, and the same as JSON with keys that stay.
public struct ExportReport: Codable, Equatable, Sendable {
  public struct Layer: Codable, Equatable, Sendable {
    public var name: String
    public var op: String
    /// Of int8 against float at this layer's output, everything before it in int8 too. Only in int8 exports.
    public var sqnrDb: Double?
    /// Of the output as it is stored; none where it is float32.
    public var scale: Float?
    public var zeroPoint: Int32?
    /// The share of float values outside the stored range, in percent, over the calibration images.
    public var clippedPercent: Double?
    public var parameterBytes: Int

    enum CodingKeys: String, CodingKey {
      case name, op, scale
      case sqnrDb = "sqnr_db"
      case zeroPoint = "zero_point"
      case clippedPercent = "clipped_percent"
      case parameterBytes = "parameter_bytes"
    }
  }

  public var source: String
  public var output: String
  /// "int8" or "float32".
  public var type: String
  public var dataset: String
  /// Percent of the test images; nil without them.
  public var floatAccuracy: Double?
  public var int8Accuracy: Double?
  public var testImages: Int?
  /// Percent of the training images that were set aside for validation; nil if there are none.
  public var floatValidationAccuracy: Double?
  public var int8ValidationAccuracy: Double?
  public var validationImages: Int?
  public var calibrationImages: Int?
  public var rangeRule: String?
  public var seed: UInt64?
  public var fileBytes: Int
  /// Of a session of one thread and one image.
  public var arenaBytes: Int
  /// All constants, inflated.
  public var weightBytes: Int
  public var sourceFileBytes: Int
  /// What each pass changed.
  public var passes: [String: Int]
  public var layers: [Layer]

  enum CodingKeys: String, CodingKey {
    case source, output, type, dataset, seed, passes, layers
    case floatAccuracy = "float_accuracy"
    case int8Accuracy = "int8_accuracy"
    case testImages = "test_images"
    case floatValidationAccuracy = "float_validation_accuracy"
    case int8ValidationAccuracy = "int8_validation_accuracy"
    case validationImages = "validation_images"
    case calibrationImages = "calibration_images"
    case rangeRule = "range_rule"
    case fileBytes = "file_bytes"
    case arenaBytes = "arena_bytes"
    case weightBytes = "weight_bytes"
    case sourceFileBytes = "source_file_bytes"
  }

  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Every number is finite, so nothing here can fail.
    return String(decoding: try! encoder.encode(self), as: UTF8.self) + "\n"
  }

  public var text: String {
    var table = TextTable(["layer", "op", "SQNR dB", "clipped %", "scale", "zero", "bytes"], left: ["op"])
    for layer in layers {
      table.add([
        layer.name, layer.op, Self.fixed(layer.sqnrDb, 1), Self.fixed(layer.clippedPercent, 3),
        layer.scale.map { String(format: "%.4g", $0) } ?? "", layer.zeroPoint.map(String.init) ?? "",
        layer.parameterBytes == 0 ? "" : String(layer.parameterBytes),
      ])
    }
    return ([table.text, ""] + summary).joined(separator: "\n") + "\n"
  }

  private var summary: [String] {
    var lines: [String] = []
    func accuracy(_ what: String, _ count: Int?, _ float: Double?, _ int8: Double?) {
      guard let count, let float else { return }
      var line = "\(what) accuracy (\(count) images): float \(Self.fixed(float, 2)) %"
      if let int8 { line += ", int8 \(Self.fixed(int8, 2)) % (\(Self.signed(int8 - float)) points)" }
      lines.append(line)
    }
    accuracy("validation", validationImages, floatValidationAccuracy, int8ValidationAccuracy)
    accuracy("test", testImages, floatAccuracy, int8Accuracy)
    let ratio = Self.fixed(Double(sourceFileBytes) / Double(max(fileBytes, 1)), 1)
    lines.append("\(output): \(type), \(fileBytes) bytes (\(source): \(sourceFileBytes), \(ratio) times as many)")
    lines.append("memory: arena \(arenaBytes) bytes, weights \(weightBytes) bytes")
    return lines
  }

  private static func fixed(_ value: Double?, _ digits: Int) -> String {
    value.map { String(format: "%.\(digits)f", $0) } ?? ""
  }

  private static func signed(_ value: Double) -> String { String(format: "%+.2f", value) }
}
