import CNNModel
import CNNSupport

/// Resize: the bundle's, along one or two axes, or whatever ONNX has, axis by axis.
extension ImportWalk {
  func resize(_ node: ONNXNode) throws(CNNError) -> ImportedActivation {
    let x = try activation(node, 0, "X")
    let rule = try ResizeRule(node)
    let sizes = try ResizeSizes(self, node, rule, x.shape)
    let axes = x.shape.indices.filter { sizes.changes($0, x.shape) }
    guard !axes.isEmpty else { return x }
    guard rule.isSelection || !x.isInteger else {
      throw CNNError("interpolates \(x.type.name)")
    }
    guard let (mode, coordinates, sizes) = native(rule, sizes, x.shape) else {
      return try resampled(node, x, axes, sizes, rule)
    }
    let rank = x.shape.count
    if axes[0] >= rank - 2 { return try resizeLast(try avoiding(axes, x), sizes, mode, coordinates) }
    guard rank == 4, axes.allSatisfy({ $0 == 1 || $0 == 2 }) else {
      return try resampled(node, x, axes, sizes, rule)
    }
    // Channels last.
    let turned = ResizeSizes(
      shape: [0, 3, 1, 2].map { sizes.shape[$0] }, scales: [0, 3, 1, 2].map { sizes.scales[$0] })
    let resized = try resizeLast(try transposed(x, [0, 3, 1, 2]), turned, mode, coordinates)
    return try transposed(resized, [0, 2, 3, 1])
  }

  // MARK: The bundle's Resize

  /// The same as the bundle has it; nil if it has not.
  private func native(
    _ rule: ResizeRule, _ sizes: ResizeSizes, _ x: [Int]
  ) -> (Resize.Mode, Resize.Coordinates, ResizeSizes)? {
    let mode: Resize.Mode
    switch rule.mode {
    case .nearest(let rounding): mode = .nearest(rounding)
    // Beyond the edge two weights fall on one element.
    case .linear where !rule.antialiases || sizes.scales.allSatisfy({ $0 >= 1 }): mode = .linear
    default: return nil
    }
    switch rule.coordinates {
    case .halfPixel: return (mode, .halfPixel, sizes)
    case .halfPixelSymmetric where sizes.isWhole(x): return (mode, .halfPixel, sizes)
    case .pytorchHalfPixel: return (mode, .pytorchHalfPixel, sizes)
    case .asymmetric: return (mode, .asymmetric, sizes)
    case .alignCorners:
      return sizes.cornersAligned(x).map { (mode, .asymmetric, $0) } ?? (mode, .alignCorners, sizes)
    case .halfPixelSymmetric, .tfHalfPixel, .tfCropAndResize: return nil
    }
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

  // MARK: Every other

  /// Axis by axis: elements that are picked, or a product with a constant matrix.
  private func resampled(
    _ node: ONNXNode, _ x: ImportedActivation, _ axes: [Int], _ sizes: ResizeSizes, _ rule: ResizeRule
  ) throws(CNNError) -> ImportedActivation {
    var y = x
    for number in axes {
      let axis = sizes.axis(number, x.shape)
      if case .nearest(let rounding) = rule.mode, rule.isSelection {
        y = try gathered(
          y, axis: number, (0..<axis.output).map { rule.nearest(rule.position($0, axis), rounding, axis) })
      } else {
        _ = try limited(axis.input * axis.output)
        let matrix = ONNXTensor(shape: [axis.input, axis.output], floats: rule.matrix(axis))
        y = try product(y, along: number, matrix, node)
      }
    }
    return try extrapolated(node, y, axes.map { ($0, sizes.axis($0, x.shape)) }, rule)
  }

  /// Adds the value of what is outside of the input along any axis, where y is 0.
  private func extrapolated(
    _ node: ONNXNode, _ y: ImportedActivation, _ axes: [(number: Int, axis: ResizedAxis)], _ rule: ResizeRule
  ) throws(CNNError) -> ImportedActivation {
    var (isOutside, shape) = ([false], y.shape.map { _ in 1 })
    for (number, axis) in axes {
      let along = (0..<axis.output).map { rule.isOutside(rule.position($0, axis), axis) }
      guard along.contains(true) else { continue }
      shape[number] = axis.output
      _ = try limited(shape.reduce(1, *))
      isOutside = isOutside.flatMap { other in along.map { $0 || other } }
    }
    guard rule.extrapolation != 0, isOutside.contains(true) else { return y }
    let added = ONNXTensor(shape: shape, floats: isOutside.map { $0 ? rule.extrapolation : 0 })
    return try binary(.add, (.activation(y), ""), (.constant(added), free(node.name + ".extrapolation")))
  }

  /// x · matrix along an axis.
  private func product(
    _ x: ImportedActivation, along axis: Int, _ matrix: ONNXTensor, _ node: ONNXNode
  ) throws(CNNError) -> ImportedActivation {
    var perm = Array(x.shape.indices)
    perm.swapAt(axis, perm.count - 1)
    let rows = try transposed(x, perm)
    let product = try matMul((.activation(rows), ""), (.constant(matrix), free(node.name + ".weights")))
    return try transposed(product, perm)
  }
}

extension ResizeRule {
  /// Each element of the result is one of the input.
  fileprivate var isSelection: Bool { if case .nearest = mode { coordinates != .tfCropAndResize } else { false } }
}

/// What a Resize makes of each axis.
private struct ResizeSizes {
  var shape: [Int]
  var scales: [Float]
  /// Start and end of the part that is taken; empty for all of it.
  var roi: [(start: Float, end: Float)] = []

  init(shape: [Int], scales: [Float]) { (self.shape, self.scales) = (shape, scales) }

  init(_ walk: ImportWalk, _ node: ONNXNode, _ rule: ResizeRule, _ x: [Int]) throws(CNNError) {
    let axes = try node.ints("axes").map { (a) throws(CNNError) in try checkedAxes(a, rank: x.count) }
    let places = axes ?? Array(x.indices)
    (shape, scales) = (x, x.map { _ in 1 })
    if rule.coordinates == .tfCropAndResize {
      roi = try Self.roi(try walk.floats(node, 1, "roi"), places, x)
    }
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

  /// All starts, then all ends.
  private static func roi(
    _ list: [Float], _ places: [Int], _ x: [Int]
  ) throws(CNNError) -> [(start: Float, end: Float)] {
    guard list.count == 2 * places.count, list.allSatisfy(\.isFinite) else {
      throw CNNError("its roi \(list) is not start and end of each of \(places.count) axes")
    }
    var roi = x.map { _ in (start: Float(0), end: Float(1)) }
    for (index, axis) in places.enumerated() { roi[axis] = (list[index], list[places.count + index]) }
    return roi
  }

  private mutating func place(_ sizes: [Int], _ places: [Int], _ x: [Int], policy: String) throws(CNNError) {
    let ratios = zip(sizes, places).map { Float($0) / Float(x[$1]) }
    switch policy {
    case "stretch":
      for (index, axis) in places.enumerated() { (shape[axis], scales[axis]) = (sizes[index], ratios[index]) }
    case "not_larger", "not_smaller":
      let scale = policy == "not_larger" ? ratios.min()! : ratios.max()!
      for axis in places {
        let size = (Float(x[axis]) * scale + 0.5).rounded(.down)
        guard (1...65_536).contains(size) else {
          throw CNNError("scales the \(x[axis]) of axis \(axis) by \(scale)")
        }
        (scales[axis], shape[axis]) = (scale, Int(size))
      }
    default: throw CNNError("keep_aspect_ratio_policy \(policy)")
    }
  }

  func changes(_ axis: Int, _ x: [Int]) -> Bool {
    scales[axis] != 1 || shape[axis] != x[axis] || !roi.isEmpty && roi[axis] != (0, 1)
  }

  func axis(_ axis: Int, _ x: [Int]) -> ResizedAxis {
    let (input, output) = (Double(x[axis]), Double(shape[axis]))
    // Where the scale is the ratio of the sizes, without the rounding of a float.
    let isRatio = Float(output / input) == scales[axis]
    let scale = isRatio ? output / input : Double(scales[axis])
    let (start, end) = roi.isEmpty ? (0, 1) : roi[axis]
    return ResizedAxis(
      input: x[axis], output: shape[axis], scale: scale, scaled: isRatio ? output : input * scale, start: start,
      end: end)
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
