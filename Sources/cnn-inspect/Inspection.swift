import CNNModel
import CNNSupport

/// A bundle as far as it can be read.
struct Inspection {
  let path: String
  let reader: BundleReader
  /// nil where something is wrong with the bundle.
  let graph: Graph?
  let error: CNNError?

  /// - Throws: `CNNError` where not even the section table can be read.
  init(path: String) throws(CNNError) {
    self.path = path
    reader = try BundleReader(path: path)
    do throws(CNNError) {
      graph = try reader.graph()
      error = nil
    } catch {
      graph = nil
      self.error = error
    }
  }

  var version: String { "\(reader.version.major).\(reader.version.minor)" }

  /// Whether a section's checksum is right; nil for a kind that this version does not know, and cannot decode.
  func isIntact(_ section: BundleSection) -> Bool? { section.kind.map { (try? reader.contents($0)) != nil } }
}

extension Graph {
  /// The constants that a layer reads.
  func constants(of layer: Operator) -> [(name: String, tensor: Tensor)] {
    layer.inputs.compactMap { name in
      tensors[name].flatMap { $0.isConstant ? (name, $0) : nil }
    }
  }

  /// The activations that a layer reads.
  func activations(of layer: Operator) -> [String] { layer.inputs.filter { tensors[$0]?.isConstant == false } }
}

extension Tensor {
  var bytes: Int { count * type.size }
}

extension BundleSection {
  var codecName: String { codec == .stored ? "stored" : "deflate" }

  /// Eight hexadecimal digits.
  var checksum: String {
    let digits = String(crc32, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
