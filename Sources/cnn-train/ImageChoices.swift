import ArgumentParser
import CNNData
import CNNModel
import CNNSupport

// What is chosen of images that lie in files of their own.

/// "96x128": height, then width, as in "28x28x1".
struct PixelSize: Codable, Equatable, ExpressibleByArgument, CustomStringConvertible {
  var height: Int
  var width: Int

  init?(argument: String) {
    let sizes = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard sizes.count == 2, sizes.allSatisfy({ 1...4096 ~= $0 }) else { return nil }
    (height, width) = (sizes[0], sizes[1])
  }

  var description: String { "\(height)x\(width)" }
}

/// "stretch", or "crop:256": the shorter side becomes 256, then the middle is cut out.
enum ResizeChoice: Codable, Equatable, ExpressibleByArgument, CustomStringConvertible {
  case stretch
  case crop(Int)

  init?(argument: String) {
    if argument == "stretch" {
      self = .stretch
      return
    }
    guard argument.hasPrefix("crop:"), let shorter = Int(argument.dropFirst(5)), 1...4096 ~= shorter else {
      return nil
    }
    self = .crop(shorter)
  }

  var rule: Recipe.Resize {
    switch self {
    case .stretch: .stretch
    case .crop(let shorter): .crop(shorter: shorter)
    }
  }

  var description: String {
    switch self {
    case .stretch: "stretch"
    case .crop(let shorter): "crop:\(shorter)"
    }
  }
}

extension Settings {
  /// The training images.
  func loadImages(progress: Bool) throws(CNNError) -> Dataset {
    var options = DataOptions()
    options.size = size.map { ($0.height, $0.width) }
    if let resize { options.resize = resize.rule }
    options.channels = channels
    options.strict = strict
    options.progress = progress
    let source = try dataSource(data, options)
    guard source is ImageFolder || (size == nil && resize == nil && channels == nil && !strict) else {
      throw CNNError(
        "--size, --resize, --channels and --strict are for folders of PNG and JPEG files", at: data,
        advice: "leave them out")
    }
    return try source.loadTraining()
  }
}
