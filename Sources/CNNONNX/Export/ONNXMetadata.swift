import CNNModel

/// What ONNX has no field for is text in a model's metadata.
extension Graph {
  /// The bundle's metadata, the labels one to a line, and how an image becomes the first input.
  var onnxMetadata: Metadata {
    var result = metadata
    if !labels.isEmpty { result["labels"] = labels.joined(separator: "\n") }
    guard let recipe else { return result }
    func list<T>(_ values: [T]) -> String { values.map { "\($0)" }.joined(separator: " ") }
    result["recipe.channels"] = "\(recipe.channelOrder)"
    result["recipe.resize"] =
      switch recipe.resize {
      case .stretch: "stretch"
      case .crop(let shorter): "crop \(shorter)"
      case .letterbox(let fill): "letterbox \(list(fill))"
      }
    // input = (pixel / 255 − mean) / deviation
    result["recipe.mean"] = list(recipe.mean)
    result["recipe.deviation"] = list(recipe.deviation)
    return result
  }

  /// Takes labels and recipe out of the metadata of a model that was exported here, where it has none of its own.
  mutating func takeLabelsAndRecipe() {
    guard metadata["producer"]?.hasPrefix("cnnrt") == true else { return }
    if labels.isEmpty, let text = metadata["labels"] {
      labels = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
    metadata["labels"] = nil
    if recipe == nil { recipe = exportedRecipe }
    for part in ["channels", "resize", "mean", "deviation"] { metadata["recipe.\(part)"] = nil }
  }

  /// nil where there is none, or it does not go with the first input.
  private var exportedRecipe: Recipe? {
    func words(_ part: String) -> [Substring] {
      metadata["recipe.\(part)"]?.split(separator: " ") ?? []
    }
    let orders: [String: Recipe.ChannelOrder] = ["grey": .grey, "rgb": .rgb, "bgr": .bgr]
    guard let shape = inputs.first.flatMap({ tensors[$0]?.shape }), shape.count == 4,
      let order = metadata["recipe.channels"].flatMap({ orders[$0] })
    else { return nil }
    var recipe = Recipe(
      width: shape[3], height: shape[2], channelOrder: order,
      mean: words("mean").compactMap { Float($0) },
      deviation: words("deviation").compactMap { Float($0) })
    let resize = words("resize")
    let numbers = resize.dropFirst().compactMap { Int($0) }
    switch resize.first {
    case "stretch": break
    case "crop" where numbers.count == 1: recipe.resize = .crop(shorter: numbers[0])
    case "letterbox": recipe.resize = .letterbox(fill: numbers.map { UInt8(clamping: $0) })
    default: return nil
    }
    guard shape[1] == recipe.channels else { return nil }
    do { try recipe.validate() } catch { return nil }
    return recipe
  }
}
