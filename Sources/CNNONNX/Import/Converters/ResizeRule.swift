import CNNModel
import CNNSupport

/// How a Resize computes an element of an axis from those of the input, as ONNX's operator definition has it.
struct ResizeRule {
  /// coordinate_transformation_mode
  enum Coordinates: String {
    case halfPixel = "half_pixel"
    case halfPixelSymmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case tfHalfPixel = "tf_half_pixel_for_nn"
    case tfCropAndResize = "tf_crop_and_resize"
    case alignCorners = "align_corners"
    case asymmetric
  }

  enum Mode: Equatable {
    case nearest(Resize.Rounding)
    case linear
    /// a: cubic_coeff_a
    case cubic(a: Double)
  }

  let coordinates: Coordinates
  let mode: Mode
  /// Where the result is smaller, the weights reach as much farther.
  let antialiases: Bool
  /// What lies beyond the edge has no weight; else it is as the edge.
  let excludesOutside: Bool
  /// What lies outside the input in mode tf_crop_and_resize.
  let extrapolation: Float

  init(_ node: ONNXNode) throws(CNNError) {
    let name = node.string("coordinate_transformation_mode") ?? "half_pixel"
    guard let coordinates = Coordinates(rawValue: name) else {
      throw CNNError("coordinate_transformation_mode \(name)")
    }
    self.coordinates = coordinates
    switch node.string("mode") ?? "nearest" {
    case "nearest": mode = .nearest(try node.resizeRounding)
    case "linear", "bilinear": mode = .linear
    case "cubic": mode = .cubic(a: Double(node.float("cubic_coeff_a") ?? -0.75))
    case let other: throw CNNError("mode \(other)")
    }
    antialiases = node.int("antialias") ?? 0 != 0
    excludesOutside = node.int("exclude_outside") ?? 0 != 0
    extrapolation = node.float("extrapolation_value") ?? 0
  }

  /// Where element i of the result lies between those of the input.
  func position(_ i: Int, _ axis: ResizedAxis) -> Double {
    let (i, size, scale, scaled) = (Double(i), Double(axis.input), axis.scale, axis.scaled)
    let half = (i + 0.5) / scale - 0.5
    switch coordinates {
    case .halfPixel: return half
    case .halfPixelSymmetric: return half + size / 2 * (1 - Double(axis.output) / scaled)
    case .pytorchHalfPixel: return scaled > 1 ? half : 0
    case .tfHalfPixel: return half + 0.5
    case .alignCorners: return scaled == 1 ? 0 : i * (size - 1) / (scaled - 1)
    case .asymmetric: return i / scale
    case .tfCropAndResize:
      let (first, last) = (Double(axis.start) * (size - 1), Double(axis.end) * (size - 1))
      return scaled == 1 ? (first + last) / 2 : first + i * (last - first) / (scaled - 1)
    }
  }

  /// Whether a position has the value of `extrapolation`.
  func isOutside(_ position: Double, _ axis: ResizedAxis) -> Bool {
    coordinates == .tfCropAndResize && !(0...Double(axis.input - 1) ~= position)
  }

  /// The element that mode nearest takes.
  func nearest(_ position: Double, _ rounding: Resize.Rounding, _ axis: ResizedAxis) -> Int {
    let rounded =
      switch rounding {
      case .preferFloor: (position - 0.5).rounded(.up)
      case .preferCeil: (position + 0.5).rounded(.down)
      case .floor: position.rounded(.down)
      case .ceil: position.rounded(.up)
      }
    return Int(min(max(rounded, 0), Double(axis.input - 1)))
  }

  /// What a line of the input is multiplied by, [input, output]; what is outside becomes 0.
  func matrix(_ axis: ResizedAxis) -> [Float] {
    var matrix = [Float](repeating: 0, count: axis.input * axis.output)
    for column in 0..<axis.output {
      let position = position(column, axis)
      guard !isOutside(position, axis) else { continue }
      for (row, weight) in weights(position, axis) { matrix[row * axis.output + column] += Float(weight) }
    }
    return matrix
  }

  /// The weights of the input's elements in one of the result, which add up to 1 but for rounding.
  private func weights(_ position: Double, _ axis: ResizedAxis) -> [(index: Int, weight: Double)] {
    if case .nearest(let rounding) = mode { return [(nearest(position, rounding, axis), 1)] }
    let narrowing = antialiases ? min(axis.scale, 1) : 1
    let reach = (mode == .linear ? 1 : 2) / narrowing
    var result: [(index: Int, weight: Double)] = []
    for index in Int((position - reach).rounded(.up))...Int((position + reach).rounded(.down)) {
      let weight = weight((Double(index) - position).magnitude * narrowing)
      let inside = min(max(index, 0), axis.input - 1)
      if inside == index || !excludesOutside { result.append((inside, weight)) }
    }
    let sum = result.reduce(0) { $0 + $1.weight }
    return sum == 0 ? result : result.map { ($0.index, $0.weight / sum) }
  }

  /// At a distance: of a straight line, or of Keys' cubic convolution.
  private func weight(_ d: Double) -> Double {
    guard case .cubic(let a) = mode else { return max(1 - d, 0) }
    if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
  }
}

/// An axis that is resized.
struct ResizedAxis {
  let input: Int
  let output: Int
  let scale: Double
  /// The output's size before it was rounded.
  let scaled: Double
  /// The part of the input that mode tf_crop_and_resize takes: 0 is its first element, 1 its last.
  let start: Float
  let end: Float
}

extension ONNXNode {
  fileprivate var resizeRounding: Resize.Rounding {
    get throws(CNNError) {
      switch string("nearest_mode") ?? "round_prefer_floor" {
      case "round_prefer_floor", "": .preferFloor
      case "round_prefer_ceil": .preferCeil
      case "floor": .floor
      case "ceil": .ceil
      case let other: throw CNNError("nearest_mode \(other)")
      }
    }
  }
}
