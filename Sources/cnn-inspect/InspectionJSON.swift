import CNNModel
import CNNSupport

extension Inspection {
  var json: JSON {
    let head: [(String, JSON)] = [
      ("file", .string(path)), ("file_bytes", .integer(reader.fileBytes)), ("format_version", .string(version)),
      ("sections", .array(reader.sections.map(json))),
    ]
    let rest = graph.map(json) ?? [("error", .string(error?.description ?? ""))]
    return object(head + rest)
  }

  private func json(_ section: BundleSection) -> JSON {
    object([
      ("kind", .string(section.kind?.name ?? "\(section.rawKind)")), ("codec", .string(section.codecName)),
      ("offset", .integer(section.offset)), ("stored_bytes", .integer(section.storedBytes)),
      ("raw_bytes", .integer(section.rawBytes)), ("crc32", .string(section.checksum)),
      ("crc_ok", isIntact(section).map(JSON.bool) ?? .null),
    ])
  }

  private func json(_ graph: Graph) -> [(String, JSON)] {
    [
      ("quantized", .bool(graph.isQuantized)), ("mixed", .bool(graph.isMixed)),
      ("inputs", .array(graph.inputs.map { activation($0, graph) })),
      ("outputs", .array(graph.outputs.map { activation($0, graph) })),
      ("layers", .array(graph.operators.map { layer($0, graph) })),
      ("parameters", .integer(graph.parameterCount)), ("multiply_adds", .integer(graph.multiplyAdds)),
      ("recipe", graph.recipe.map(\.json) ?? .null),
      ("labels", .array(graph.labels.map(JSON.string))),
      ("metadata", .object(graph.metadata.entries.map { ($0.key, .string($0.value)) })),
      ("self_test", graph.selfTest.map(\.json) ?? .null),
    ]
  }

  private func activation(_ name: String, _ graph: Graph) -> JSON {
    let tensor = graph.tensors[name]!
    var pairs: [(String, JSON)] = [
      ("name", .string(name)), ("type", .string("\(tensor.type)")), ("shape", sizes(tensor.shape)),
    ]
    if let quantization = tensor.quantization {
      pairs.append(("scale", .number(Double(quantization.scales[0]))))
      pairs.append(("zero_point", .integer(Int(quantization.zeroPoint))))
    }
    return object(pairs)
  }

  private func parameter(_ name: String, _ tensor: Tensor) -> JSON {
    var pairs: [(String, JSON)] = [
      ("name", .string(name)), ("type", .string("\(tensor.type)")), ("shape", sizes(tensor.shape)),
      ("bytes", .integer(tensor.bytes)),
    ]
    if let quantization = tensor.quantization { pairs.append(("scales", numbers(quantization.scales))) }
    return object(pairs)
  }

  private func layer(_ layer: Operator, _ graph: Graph) -> JSON {
    object([
      ("name", .string(layer.name)), ("op", .string(layer.kind.name)),
      ("activation", layer.activation.name.map(JSON.string) ?? .null),
      ("attributes", object(layer.kind.attributes + layer.activation.attributes)),
      ("inputs", .array(graph.activations(of: layer).map(JSON.string))),
      ("output", activation(layer.output, graph)),
      ("parameters", .array(graph.constants(of: layer).map(parameter))),
      ("multiply_adds", .integer(graph.multiplyAdds(of: layer))),
    ])
  }
}

extension Recipe {
  fileprivate var json: JSON {
    var pairs: [(String, JSON)] = [
      ("width", .integer(width)), ("height", .integer(height)), ("channel_order", .string("\(channelOrder)")),
    ]
    switch resize {
    case .stretch: pairs.append(("resize", "stretch"))
    case .crop(let shorter): pairs += [("resize", "crop"), ("resize_shorter", .integer(shorter))]
    case .letterbox(let fill): pairs += [("resize", "letterbox"), ("fill", sizes(fill.map(Int.init)))]
    }
    return object(pairs + [("mean", numbers(mean)), ("deviation", numbers(deviation))])
  }
}

extension SelfTest {
  fileprivate var json: JSON {
    [
      "input_bytes": .integer(inputs.reduce(0) { $0 + $1.bytes.count }),
      "output_bytes": .integer(outputs.reduce(0) { $0 + $1.bytes.count }),
      "tolerance": .number(Double(tolerance)),
    ]
  }
}

func object(_ pairs: [(String, JSON)]) -> JSON { .object(pairs.map { (key: $0.0, value: $0.1) }) }
func sizes(_ values: [Int]) -> JSON { .array(values.map(JSON.integer)) }
func numbers(_ values: [Float]) -> JSON { .array(values.map { .number(Double($0)) }) }
