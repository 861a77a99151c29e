import CNNModel
import CNNPasses
import CNNSupport
internal import SwiftProtobuf

extension Graph {
  /// The network as an ONNX model's bytes: float operators one by one; int8 ones between DequantizeLinear and QuantizeLinear
  /// (`Pass.exposeQuantization`). Inputs and outputs are float32, and their first axis is the batch, "N". Labels, recipe and
  /// metadata are in the model's metadata_props. The opset is the oldest from 17 on that has all operators.
  /// - Parameter version: of the program, for the file.
  /// - Throws: `CNNError` for a network that is larger than protobuf's limit.
  public func onnx(version: String) throws(CNNError) -> [UInt8] {
    let model = onnxModel(version: version)
    do { return try model.serializedBytes() } catch {
      throw CNNError("cannot be written as ONNX: \(error)", advice: "such a file has 2 GiB at most")
    }
  }

  func onnxModel(version: String) -> Onnx_ModelProto {
    var graph = self
    graph.run([.removeIdentities, .exposeQuantization])
    var writer = ONNXWriter(graph)
    writer.write()
    return .with {
      $0.irVersion = [17: 8, 18: 8, 19: 9, 20: 9][writer.opset] ?? 10
      ($0.producerName, $0.producerVersion) = ("cnnrt", version)
      $0.opsetImport = [.with { $0.version = Int64(writer.opset) }]
      $0.graph = writer.message
      $0.graph.name = metadata["model"] ?? "network"
      $0.metadataProps = onnxMetadata.entries.map { entry in
        .with { ($0.key, $0.value) = (entry.key, entry.value) }
      }
    }
  }
}
