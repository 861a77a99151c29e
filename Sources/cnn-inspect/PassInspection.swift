import CNNModel
import CNNONNX
import CNNPasses
import CNNSupport

/// What each pass does to a network, in order: those of an export to a float bundle, those of an import to an ONNX file.
/// Nothing is written.
struct PassInspection {
  let path: String
  let reports: [PassReport]

  /// - Parameter input: of an ONNX file, where it leaves sizes open.
  /// - Throws: `CNNError` where the file cannot be read, the bundle is quantized or the ONNX file has no equivalent.
  init(path: String, input: ImageSize?) throws(CNNError) {
    self.path = path
    if path.hasSuffix(".onnx") {
      var options = ONNXImporter.Options()
      options.imageSize = input
      reports = try ONNXImporter(options: options).importGraph(path).passes
    } else {
      var graph = try BundleReader(path: path).graph()
      guard !graph.isQuantized else {
        throw CNNError(
          "is quantized: the passes are behind it", at: path, advice: "name the float bundle that it was made of")
      }
      reports = graph.run(Pass.forInference)
    }
  }

  private var total: PassReport {
    PassReport(
      pass: "all", rewrites: reports.reduce(0) { $0 + $1.rewrites }, before: reports.first?.before ?? 0,
      after: reports.last?.after ?? 0)
  }

  var text: String {
    var table = TextTable(["pass", "rewrites", "operators before", "after"])
    for report in reports + [total] {
      table.add([report.pass, "\(report.rewrites)", "\(report.before)", "\(report.after)"])
    }
    return table.text
  }

  var json: JSON {
    object([("file", .string(path)), ("passes", .array(reports.map(json))), ("total", json(total))])
  }

  private func json(_ report: PassReport) -> JSON {
    object([
      ("pass", .string(report.pass)), ("rewrites", .integer(report.rewrites)),
      ("operators_before", .integer(report.before)), ("operators_after", .integer(report.after)),
    ])
  }
}
