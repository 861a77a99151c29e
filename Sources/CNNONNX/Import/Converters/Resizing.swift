import CNNModel
import CNNSupport

/// Resize along one or two axes.
extension ImportWalk {
  func resize(_ node: ONNXNode) throws(CNNError) -> ImportedActivation {
    let x = try activation(node, 0, "X")
    var sizes = try ResizeSizes(self, node, x.shape)
    let changed = x.shape.indices.filter { sizes.scales[$0] != 1 || sizes.shape[$0] != x.shape[$0] }
    guard !changed.isEmpty else { return x }
    let rank = x.shape.count
    let mode: Resize.Mode =
      switch node.string("mode") ?? "nearest" {
      case "nearest": .nearest(try node.resizeRounding)
      case "linear", "bilinear": .linear
      case let other: throw CNNError("mode \(other)")
      }
    guard mode != .linear || !x.isInteger else { throw CNNError("interpolates \(x.type.name)") }
    var coordinates = try node.resizeCoordinates(isWhole: sizes.isWhole(x.shape))
    if coordinates == .alignCorners, let others = sizes.cornersAligned(x.shape) {
      (sizes, coordinates) = (others, .asymmetric)
    }
    if changed[0] >= rank - 2 { return try resizeLast(try avoiding(changed, x), sizes, mode, coordinates) }
    guard rank == 4, changed.allSatisfy({ $0 == 1 || $0 == 2 }) else {
      throw CNNError("resizes the axes \(changed) of \(x.shape)", advice: "the last two are possible")
    }
    // Channels last.
    let turned = ResizeSizes(
      shape: [0, 3, 1, 2].map { sizes.shape[$0] }, scales: [0, 3, 1, 2].map { sizes.scales[$0] })
    let resized = try resizeLast(try transposed(x, [0, 3, 1, 2]), turned, mode, coordinates)
    return try transposed(resized, [0, 2, 3, 1])
  }

  /// Along the last two axes; those before become channels. The batch is no axis that can be resized.
  private func resizeLast(
    _ x: ImportedActivation, _ sizes: ResizeSizes, _ mode: Resize.Mode, _ coordinates: Resize.Coordinates
  ) throws(CNNError) -> ImportedActivation {
    let rank = x.shape.count
    let rows = rank - 2
    let hasRows = rows >= 1 || (rows == 0 && x.form == .whole)
    let kind = OperatorKind.resize(
      Resize(
        mode: mode, coordinates: coordinates, height: hasRows ? sizes.shape[rows] : 1, width: sizes.shape[rank - 1],
        scaleY: hasRows ? sizes.scales[rows] : 1, scaleX: sizes.scales[rank - 1]))
    var result = x
    result.shape = sizes.shape
    let before = graph.tensors[x.tensor]!.shape
    let columns = x.shape[rank - 1]
    let height = hasRows ? x.shape[rows] : 1
    let channels = before.reduce(1, *) / (height * columns)
    let plane = try reshape(x.tensor, [1, channels, height, columns])
    result.tensor = try reshape(try emit(kind, [plane]), try graphShape(sizes.shape, x.form))
    return result
  }
}

/// What a Resize makes of each axis.
private struct ResizeSizes {
  var shape: [Int]
  var scales: [Float]

  init(shape: [Int], scales: [Float]) { (self.shape, self.scales) = (shape, scales) }

  init(_ walk: ImportWalk, _ node: ONNXNode, _ x: [Int]) throws(CNNError) {
    let axes = try node.ints("axes").map { (a) throws(CNNError) in try checkedAxes(a, rank: x.count) }
    let places = axes ?? Array(x.indices)
    (shape, scales) = (x, x.map { _ in 1 })
    if let sizes = try walk.integers(node, 3, "sizes"), !sizes.isEmpty {
      guard sizes.count == places.count, sizes.allSatisfy({ (1...65_536).contains($0) }) else {
        throw CNNError("its sizes \(sizes) are not one for each of \(places.count) axes")
      }
      try place(sizes, places, x, policy: node.string("keep_aspect_ratio_policy") ?? "stretch")
      return
    }
    guard let list = try walk.optionalConstant(node, 2, "scales")?.floats, list.count == places.count,
      list.allSatisfy({ $0.isNormal && $0 > 0 && $0 <= 65_536 })
    else { throw CNNError("has neither sizes nor a positive scale for each of \(places.count) axes") }
    for (scale, axis) in zip(list, places) {
      guard x[axis] <= 1 << 24, Float(x[axis]) * scale >= 1, Float(x[axis]) * scale <= 65_536 else {
        throw CNNError("scales the \(x[axis]) of axis \(axis) by \(scale)")
      }
      scales[axis] = scale
      shape[axis] = Int((Float(x[axis]) * scale).rounded(.down))
    }
  }

  private mutating func place(_ sizes: [Int], _ places: [Int], _ x: [Int], policy: String) throws(CNNError) {
    let ratios = zip(sizes, places).map { Float($0) / Float(x[$1]) }
    switch policy {
    case "stretch":
      for (index, axis) in places.enumerated() { (shape[axis], scales[axis]) = (sizes[index], ratios[index]) }
    case "not_larger", "not_smaller":
      let scale = policy == "not_larger" ? ratios.min()! : ratios.max()!
      for axis in places {
        scales[axis] = scale
        shape[axis] = Int((Float(x[axis]) * scale + 0.5).rounded(.down))
      }
    default: throw CNNError("keep_aspect_ratio_policy \(policy)")
    }
  }

  /// Where the scaled sizes are no whole numbers, ONNX aligns the corners of those: element i lies at
  /// i · (input − 1) / (input · scale − 1), which is asymmetric with another scale. nil where the sizes are whole, or the
  /// scale would not fit the result (then the corners of the result are aligned, as ONNX Runtime has it).
  func cornersAligned(_ x: [Int]) -> ResizeSizes? {
    guard !isWhole(x) else { return nil }
    var result = self
    for axis in x.indices where scales[axis] != 1 && x[axis] > 1 && shape[axis] > 1 {
      result.scales[axis] = (Float(x[axis]) * scales[axis] - 1) / Float(x[axis] - 1)
      guard abs(Float(x[axis]) * result.scales[axis] - Float(shape[axis])) < 1 else { return nil }
    }
    return result
  }

  /// Whether the scaled sizes are whole numbers.
  func isWhole(_ x: [Int]) -> Bool {
    x.indices.allSatisfy { Float(x[$0]) * scales[$0] == Float(shape[$0]) }
  }
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

  /// - Parameter isWhole: the scaled sizes are whole numbers, where half_pixel_symmetric is half_pixel.
  fileprivate func resizeCoordinates(isWhole: Bool) throws(CNNError) -> Resize.Coordinates {
    switch string("coordinate_transformation_mode") ?? "half_pixel" {
    case "half_pixel": .halfPixel
    case "half_pixel_symmetric" where isWhole: .halfPixel
    case "asymmetric": .asymmetric
    case "align_corners": .alignCorners
    case "pytorch_half_pixel": .pytorchHalfPixel
    case let other: throw CNNError("coordinate_transformation_mode \(other)")
    }
  }
}
