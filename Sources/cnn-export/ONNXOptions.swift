import ArgumentParser
import CNNModel
import CNNONNX
import CNNSupport
import Foundation

/// What an ONNX file does not say of itself.
struct ONNXOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "ONNX: height, width and channels of the input where the file leaves them open.", valueName: "HxWxC"))
  var input: String?

  @Option(
    name: .customLong("input-shape"),
    help: ArgumentHelp(
      "ONNX: the whole shape of one input, for example tokens=1,16,64. May be repeated.", valueName: "NAME=N,…"))
  var inputShapes: [String] = []

  @Option(
    help: ArgumentHelp("ONNX: input = (pixel / 255 - mean) / std; one number, or one per channel.", valueName: "M,…"))
  var mean: String?

  @Option(help: ArgumentHelp("ONNX: see --mean.", valueName: "S,…"))
  var std: String?

  @Option(help: ArgumentHelp("ONNX: the order of the image's channels: rgb, bgr or grey.", valueName: "ORDER"))
  var channels: String?

  @Option(help: "ONNX: the classes' names, one a line.", completion: .file())
  var labels: String?

  /// Whether anything was given.
  var isEmpty: Bool {
    input == nil && inputShapes.isEmpty && mean == nil && std == nil && channels == nil && labels == nil
  }

  func options() throws(CNNError) -> ONNXImporter.Options {
    var options = ONNXImporter.Options()
    if let input {
      do { options.imageSize = try ImageSize(input) } catch { throw error.inside("--input") }
    }
    for text in inputShapes {
      let parts = text.split(separator: "=", maxSplits: 1)
      let sizes = parts.count == 2 ? parts[1].split(separator: ",").map { Int($0) } : []
      guard !sizes.isEmpty, sizes.allSatisfy({ ($0 ?? 0) > 0 }) else {
        throw CNNError("“\(text)” is no name and shape", at: "--input-shape", advice: "for example tokens=1,16,64")
      }
      options.shapes[String(parts[0])] = sizes.map { $0! }
    }
    options.recipe = try recipe()
    if let labels {
      let lines = String(decoding: try readFile(labels), as: UTF8.self).split(
        separator: "\n", omittingEmptySubsequences: false)
      options.labels = lines.map { $0.trimmingCharacters(in: .whitespaces) }
      if options.labels.last == "" { options.labels.removeLast() }
    }
    return options
  }

  /// nil if nothing is said of pixels: the network reads tensors then.
  private func recipe() throws(CNNError) -> ONNXImporter.ImageRecipe? {
    guard mean != nil || std != nil || channels != nil else { return nil }
    let order: Recipe.ChannelOrder
    switch channels ?? "rgb" {
    case "rgb": order = .rgb
    case "bgr": order = .bgr
    case "grey", "gray": order = .grey
    case let other: throw CNNError("“\(other)” is no order", at: "--channels", advice: "rgb, bgr or grey")
    }
    let count = order == .grey ? 1 : 3
    return ONNXImporter.ImageRecipe(
      mean: try numbers(mean, "--mean", count, 0), deviation: try numbers(std, "--std", count, 1), channelOrder: order)
  }

  private func numbers(
    _ text: String?, _ option: String, _ count: Int, _ absent: Float
  ) throws(CNNError) -> [Float] {
    guard let text else { return .init(repeating: absent, count: count) }
    let numbers = text.split(separator: ",").map { Float($0.trimmingCharacters(in: .whitespaces)) }
    guard numbers.count == 1 || numbers.count == count, numbers.allSatisfy({ $0?.isFinite == true }) else {
      throw CNNError("“\(text)” is not \(count) numbers", at: option, advice: "for example 0.485,0.456,0.406")
    }
    return numbers.count == 1 ? .init(repeating: numbers[0]!, count: count) : numbers.map { $0! }
  }
}
