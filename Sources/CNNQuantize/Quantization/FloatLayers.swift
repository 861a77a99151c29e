import CNNModel
import CNNSupport

/// Layers of an int8 network that compute in float: they read through DequantizeLinear and write through QuantizeLinear.
extension Graph {
  /// This float graph with the kinds between float and int8 around layers. Between two such layers nothing is rounded.
  /// - Parameters:
  ///   - layers: names; those of layers that only move values are not allowed, because they have nothing to gain.
  ///   - tail: tensors that are float anyhow.
  func withFloatLayers(_ layers: Set<String>, tail: Set<String>) throws(CNNError) -> Graph {
    if layers.isEmpty { return self }
    try checkFloatLayers(layers)
    var result = self
    result.operators = []
    var floats = Floats(graph: self, tail: tail)
    for layer in operators {
      guard layers.contains(layer.name) else {
        result.operators.append(layer)
        continue
      }
      var inside = layer
      for (index, name) in layer.inputs.enumerated() where tensors[name].map({ !$0.isConstant }) ?? false {
        inside.inputs[index] = floats.dequantized(name, in: &result)
      }
      let isRead = consumers(of: layer.output).contains { !layers.contains(operators[$0].name) }
      floats.append(inside, isRead: isRead || outputs.contains(layer.output), to: &result)
    }
    return result
  }

  /// The layers of an int8 graph that no kernel computes, with the reason: scales that are too far apart, sums that may leave
  /// 32 bits.
  package var layersWithoutInt8Form: [String: CNNError] {
    var reasons: [String: CNNError] = [:]
    for layer in operators {
      do throws(CNNError) { try validate(layer) } catch { reasons[layer.name] = error }
    }
    return reasons
  }

  private func checkFloatLayers(_ layers: Set<String>) throws(CNNError) {
    let unknown = layers.subtracting(operators.map(\.name))
    guard unknown.isEmpty else {
      throw CNNError(
        "there is no layer “\(unknown.min()!)”", advice: "cnn-inspect lists them; folded layers have gone into others")
    }
    for layer in operators where layers.contains(layer.name) && layer.kind.moves {
      throw CNNError(
        "\(layer.kind.name) only moves values, which int8 does without loss", at: "layer \(layer.name)",
        advice: "leave it in int8")
    }
  }
}

/// Which tensors have a float form beside the quantized one.
private struct Floats {
  let graph: Graph
  /// Float anyhow.
  let tail: Set<String>
  private var names: [String: String] = [:]

  init(graph: Graph, tail: Set<String>) { (self.graph, self.tail) = (graph, tail) }

  /// The float form of an activation, made where it is not there yet.
  mutating func dequantized(_ name: String, in result: inout Graph) -> String {
    if tail.contains(name) { return name }
    if let float = names[name] { return float }
    let float = declare(name, in: &result)
    result.operators.append(
      Operator(result.freeName("\(name).dequantize"), .dequantizeLinear, inputs: [name], outputs: [float]))
    return float
  }

  /// Appends a float layer, and behind it what stores its result in int8 where somebody reads that.
  mutating func append(_ layer: Operator, isRead: Bool, to result: inout Graph) {
    let name = layer.output
    if tail.contains(name) {
      result.operators.append(layer)
      return
    }
    var layer = layer
    layer.outputs = [declare(name, in: &result)]
    result.operators.append(layer)
    guard isRead else {
      result.tensors[name] = nil
      return
    }
    result.operators.append(
      Operator(result.freeName("\(name).quantize"), .quantizeLinear, inputs: layer.outputs, outputs: [name]))
  }

  private mutating func declare(_ name: String, in result: inout Graph) -> String {
    let float = result.freeName("\(name).float")
    result.tensors[float] = Tensor(shape: graph.tensors[name]!.shape)
    names[name] = float
    return float
  }
}
