import CNNModel
import CNNONNX
import CNNRT
import CNNSupport

extension CNNExport {
  /// The bundle as it is, as an ONNX model.
  func writeONNX(to path: String) throws(CNNError) {
    let graph = try Graph(bundleAt: model)
    let bytes = try graph.onnx(version: Library.version)
    try AtomicFile.write(bytes, to: path)
    let form = graph.isMixed ? "int8 and float, QDQ" : graph.isQuantized ? "int8, QDQ" : "float"
    if !quiet { print("\(path): ONNX, \(form), \(graph.operators.count) layers, \(bytes.count) bytes") }
  }
}
