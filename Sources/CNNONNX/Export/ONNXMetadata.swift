import CNNModel

extension Graph {
  /// What ONNX has no field for, as text: the bundle's metadata, the labels one to a line, and how an image becomes the first input.
  var onnxMetadata: Metadata {
    var result = metadata
    if !labels.isEmpty { result["labels"] = labels.joined(separator: "\n") }
    guard let recipe else { return result }
    func list(_ values: [Float]) -> String { values.map { "\($0)" }.joined(separator: " ") }
    result["recipe.channels"] = "\(recipe.channelOrder)"
    result["recipe.resize"] =
      switch recipe.resize {
      case .stretch: "stretch"
      case .crop(let shorter): "crop \(shorter)"
      case .letterbox(let fill): "letterbox " + fill.map(String.init).joined(separator: " ")
      }
    // input = (pixel / 255 − mean) / deviation
    result["recipe.mean"] = list(recipe.mean)
    result["recipe.deviation"] = list(recipe.deviation)
    return result
  }
}
