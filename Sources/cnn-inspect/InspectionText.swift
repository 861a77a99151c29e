import CNNSupport
import Foundation

extension Inspection {
  /// The inspection as JSON.
  var json: String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try! encoder.encode(self), as: UTF8.self)
  }

  /// The inspection for people.
  var text: String {
    var parts = ["\(file): \(kind)format \(formatVersion), \(fileBytes) bytes", sectionTable]
    if let layers {
      parts.append(layerTable(layers))
      parts.append(totals(layers))
    }
    if let recipe { parts.append(recipe.text) }
    if let labels, !labels.isEmpty { parts.append("labels (\(labels.count)): \(labels.joined(separator: ", "))") }
    if let metadata, !metadata.isEmpty {
      parts.append("metadata:\n" + metadata.sorted { $0.key < $1.key }.map { "  \($0): \($1)" }.joined(separator: "\n"))
    }
    if let selfTest {
      parts.append(
        "self-test: \(selfTest.inputBytes) bytes in, \(selfTest.outputBytes) out, "
          + (quantized == true && mixed == false ? "equal to the bit" : "tolerance \(selfTest.tolerance)"))
    } else if error == nil {
      parts.append("self-test: none")
    }
    return parts.joined(separator: "\n\n")
  }

  private var kind: String {
    guard let quantized, let mixed else { return "" }
    return (mixed ? "int8 with float layers, " : quantized ? "int8, " : "float32, ")
  }

  private var sectionTable: String {
    var table = TextTable(
      ["section", "codec", "offset", "stored", "raw", "crc32", "checksum"], left: ["codec", "checksum"])
    for section in sections {
      table.add([
        section.kind, section.codec, "\(section.offset)", "\(section.storedBytes)", "\(section.rawBytes)",
        section.crc32,
        section.crcOk.map { $0 ? "ok" : "WRONG" } ?? "unknown kind",
      ])
    }
    return table.text
  }

  private func layerTable(_ layers: [Layer]) -> String {
    var table = TextTable(
      ["layer", "op", "attributes", "reads", "output", "type", "scale", "zero", "parameters", "multiply-adds"],
      left: ["op", "attributes", "reads", "output", "type"])
    func number(_ count: Int) -> String { count == 0 ? "" : "\(count)" }
    func row(_ value: Value, _ cells: [String], _ parameters: Int, _ multiplyAdds: Int) {
      table.add(
        cells + [
          value.shape.map(String.init).joined(separator: "×"), value.type,
          value.scale.map { String(format: "%.4g", $0) } ?? "", value.zeroPoint.map(String.init) ?? "",
          number(parameters), number(multiplyAdds),
        ])
    }
    for input in inputs ?? [] { row(input, [input.name, "input", "", ""], 0, 0) }
    for layer in layers {
      let op = layer.op + (layer.activation.map { " + \($0)" } ?? "")
      let cells = [layer.name, op, layer.attributes.text, layer.inputs.joined(separator: " ")]
      row(layer.output, cells, layer.parameterCount, layer.multiplyAdds)
    }
    return table.text
  }

  private func totals(_ layers: [Layer]) -> String {
    let stored = layers.reduce(0) { $0 + $1.parameterBytes }
    let results = (outputs ?? []).map(\.name).joined(separator: ", ")
    return
      "output: \(results); \(parameterCount ?? 0) learned parameters, \(stored) bytes of constants, "
      + "\(multiplyAdds ?? 0) multiply-adds per image"
  }
}

extension Inspection.Attributes {
  /// What differs from the usual: "3×3 stride 2 pad 1".
  var text: String {
    var words: [String] = []
    if let kernelShape { words.append(pair(kernelShape)) }
    if let strides, strides != [1, 1] { words.append("stride \(pair(strides))") }
    if let pads, pads != [0, 0, 0, 0] {
      words.append("pad " + (Set(pads).count == 1 ? "\(pads[0])" : pads.map(String.init).joined(separator: ",")))
    }
    if let dilations, dilations != [1, 1] { words.append("dilation \(pair(dilations))") }
    if let group, group != 1 { words.append("group \(group)") }
    if ceilMode == true { words.append("ceil") }
    if countIncludePad == true { words.append("counts padding") }
    if let epsilon { words.append("epsilon \(epsilon)") }
    return words.joined(separator: " ")
  }

  private func pair(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: "×") }
}

extension Inspection.ImageRecipe {
  var text: String {
    var how = resize
    if let resizeShorter { how += ", shorter side to \(resizeShorter)" }
    if let fill { how += ", filled with \(fill.map(String.init).joined(separator: ", "))" }
    func list(_ values: [Float]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
    return "recipe: \(width)×\(height) \(channelOrder) (\(how)), (pixel / 255 − \(list(mean))) / \(list(deviation))"
  }
}
