import CNNModel
import CNNSupport
import Foundation

extension Inspection {
  /// For people: a paragraph per subject.
  var text: String {
    var parts = [head, sectionTable]
    if let graph {
      parts += [layerTable(graph), totals(graph)]
      if let recipe = graph.recipe { parts.append(recipe.text) }
      if !graph.labels.isEmpty {
        parts.append("labels (\(graph.labels.count)): \(graph.labels.joined(separator: ", "))")
      }
      let metadata = graph.metadata.entries
      if !metadata.isEmpty {
        parts.append("metadata:\n" + metadata.map { "  \($0.key): \($0.value)" }.joined(separator: "\n"))
      }
      parts.append(selfTest(graph))
    }
    return parts.joined(separator: "\n\n")
  }

  private var head: String {
    let type = graph.map { $0.isMixed ? "int8 with float layers, " : $0.isQuantized ? "int8, " : "float32, " } ?? ""
    return "\(path): \(type)format \(version), \(reader.fileBytes) bytes"
  }

  private var sectionTable: String {
    var table = TextTable(
      ["section", "codec", "offset", "stored", "raw", "crc32", "checksum"], left: ["codec", "checksum"])
    for section in reader.sections {
      table.add([
        section.name, section.codecName, "\(section.offset)", "\(section.storedBytes)", "\(section.rawBytes)",
        section.checksum, isIntact(section).map { $0 ? "ok" : "WRONG" } ?? "not read",
      ])
    }
    return table.text
  }

  private func layerTable(_ graph: Graph) -> String {
    var table = TextTable(
      ["layer", "op", "attributes", "reads", "output", "type", "scale", "zero", "parameters", "multiply-adds"],
      left: ["op", "attributes", "reads", "output", "type"])
    func row(_ cells: [String], _ output: String, _ parameters: Int, _ multiplyAdds: Int) {
      let tensor = graph.tensors[output]!
      table.add(
        cells + [
          tensor.shape.map(String.init).joined(separator: "×"), "\(tensor.type)",
          tensor.quantization.map { String(format: "%.4g", $0.scales[0]) } ?? "",
          tensor.quantization.map { "\($0.zeroPoint)" } ?? "",
          parameters == 0 ? "" : "\(parameters)", multiplyAdds == 0 ? "" : "\(multiplyAdds)",
        ])
    }
    for input in graph.inputs { row([input, "input", "", ""], input, 0, 0) }
    for layer in graph.operators {
      let op = layer.kind.name + (layer.activation.name.map { " + \($0)" } ?? "")
      row(
        [layer.name, op, layer.attributeText, graph.activations(of: layer).joined(separator: " ")], layer.output,
        graph.constants(of: layer).reduce(0) { $0 + $1.tensor.count }, graph.multiplyAdds(of: layer))
    }
    return table.text
  }

  private func totals(_ graph: Graph) -> String {
    let constants = Set(graph.operators.flatMap { graph.constants(of: $0).map(\.name) })
    let bytes = constants.reduce(0) { $0 + graph.tensors[$1]!.bytes }
    return "output: \(graph.outputs.joined(separator: ", ")); \(graph.parameterCount) learned parameters, "
      + "\(bytes) bytes of constants, \(graph.multiplyAdds) multiply-adds per image"
  }

  private func selfTest(_ graph: Graph) -> String {
    guard let selfTest = graph.selfTest else { return "self-test: none" }
    func bytes(_ data: [TensorData]) -> Int { data.reduce(0) { $0 + $1.bytes.count } }
    let rule = graph.isQuantized && !graph.isMixed ? "equal to the bit" : "tolerance \(selfTest.tolerance)"
    return "self-test: \(bytes(selfTest.inputs)) bytes in, \(bytes(selfTest.outputs)) bytes out, \(rule)"
  }
}

extension Recipe {
  fileprivate var text: String {
    let how =
      switch resize {
      case .stretch: "stretch"
      case .crop(let shorter): "crop, shorter side to \(shorter)"
      case .letterbox(let fill): "letterbox, filled with \(fill.map(String.init).joined(separator: ", "))"
      }
    func list(_ values: [Float]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
    return "recipe: \(width)×\(height) \(channelOrder) (\(how)), (pixel / 255 − \(list(mean))) / \(list(deviation))"
  }
}
