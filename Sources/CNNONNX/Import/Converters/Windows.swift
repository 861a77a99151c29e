import CNNModel
import CNNSupport

/// The window of a convolution or pool as its attributes say it, with an axis of 1 put before that of a 1-D one.
struct NodeWindow {
  var window: Window
  /// 1 or 2.
  let spatialRank: Int
  /// Elements of an axis of an image.
  static let longest = 65_535

  /// - Parameter kernel: the sizes of the weight's spatial axes; nil: `kernel_shape` must be there.
  init(_ node: ONNXNode, shape: [Int], kernel: [Int]?) throws(CNNError) {
    spatialRank = shape.count - 2
    guard (1...2).contains(spatialRank) else {
      throw CNNError(
        spatialRank == 3 ? "is three-dimensional, which is not supported" : "reads a tensor of rank \(shape.count)")
    }
    // A longer one is cut into parts where there is one axis only.
    if let side = shape.dropFirst(2).first(where: { $0 > Self.longest }), spatialRank == 2 {
      throw CNNError("reads an axis of \(side) elements", advice: "up to \(Self.longest) are possible")
    }
    let rank = spatialRank
    func list(_ name: String, count: Int, minimum: Int, default value: Int) throws(CNNError) -> [Int] {
      guard let list = node.ints(name) else { return .init(repeating: value, count: count) }
      guard list.count == count, list.allSatisfy({ (minimum...1 << 24).contains($0) }) else {
        throw CNNError("its \(name) \(list) should be \(count) numbers of at least \(minimum)")
      }
      return list
    }
    guard
      let sizes = try node.ints("kernel_shape").map({ _ throws(CNNError) in
        try list("kernel_shape", count: rank, minimum: 1, default: 1)
      }) ?? kernel
    else { throw CNNError("has no kernel_shape") }
    guard sizes.count == rank, kernel == nil || sizes == kernel! else {
      throw CNNError("its kernel_shape \(sizes) is not that of its weight, \(kernel ?? [])")
    }
    let strides = try list("strides", count: rank, minimum: 1, default: 1)
    let dilations = try list("dilations", count: rank, minimum: 1, default: 1)
    let pads = try list("pads", count: 2 * rank, minimum: 0, default: 0)
    window = Window(
      kernelHeight: rank == 2 ? sizes[0] : 1, kernelWidth: sizes[rank - 1],
      strideY: rank == 2 ? strides[0] : 1, strideX: strides[rank - 1],
      padTop: rank == 2 ? pads[0] : 0, padLeft: pads[rank - 1],
      padBottom: rank == 2 ? pads[2] : 0, padRight: pads[2 * rank - 1],
      dilationY: rank == 2 ? dilations[0] : 1, dilationX: dilations[rank - 1])
  }

  /// Padding by `auto_pad` for an input of this shape.
  mutating func applyAutoPad(_ node: ONNXNode, shape: [Int]) throws(CNNError) {
    guard let automatic = try node.autoPadding else { return }
    let height = spatialRank == 2 ? shape[2] : 1
    window = window.padded(automatic, height: height, width: shape[shape.count - 1])
  }
}

extension ONNXNode {
  /// `auto_pad`; nil for explicit padding.
  var autoPadding: AutoPadding? {
    get throws(CNNError) {
      switch string("auto_pad") ?? "NOTSET" {
      case "NOTSET", "": nil
      case "VALID": .valid
      case "SAME_UPPER": .sameUpper
      case "SAME_LOWER": .sameLower
      case let other: throw CNNError("auto_pad \(other) is unknown")
      }
    }
  }
}

extension ImportWalk {
  /// A convolution or a pool.
  /// - Parameters:
  ///   - operands: what it reads beside x.
  ///   - kind: the operator by its window and whether it is in ceil mode.
  func windowed(
    _ x: ImportedActivation, _ window: Window, ceilMode: Bool = false, operands: [String] = [],
    _ kind: (Window, Bool) -> OperatorKind
  ) throws(CNNError) -> ImportedActivation {
    guard x.shape.count == 3, x.shape[2] > NodeWindow.longest else {
      let kind = kind(window, ceilMode)
      return try perImage2D(x) { (image) throws(CNNError) in try self.emit(kind, [image] + operands) }
    }
    return try perImage(x) { (image) throws(CNNError) in
      try self.windowedInParts(image, window, ceilMode, operands, kind)
    }
  }

  /// The same over a line that is too long for an image: part by part of the result, each of what it reads.
  private func windowedInParts(
    _ line: String, _ window: Window, _ ceilMode: Bool, _ operands: [String], _ kind: (Window, Bool) -> OperatorKind
  ) throws(CNNError) -> String {
    let shape = graph.tensors[line]!.shape
    let (channels, length) = (shape[1], shape[2])
    let total = try window.outputSize(of: [1, channels, 1, length], ceilMode: ceilMode)[1]
    let reach = (window.kernelWidth - 1) * window.dilationX + 1
    let count = (NodeWindow.longest - reach) / window.strideX + 1
    guard reach <= NodeWindow.longest, total / count < 4096 else {
      throw CNNError("reads \(length) elements by a window over \(reach)")
    }
    var parts: [String] = []
    for first in stride(from: 0, to: total, by: count) {
      let isLast = total - first <= count
      let start = first * window.strideX - window.padLeft
      let end = start + (min(count, total - first) - 1) * window.strideX + reach
      let (low, high) = (max(start, 0), min(end, length))
      guard low < high else { throw CNNError("has windows that lie wholly in the padding") }
      var part = window
      (part.padLeft, part.padRight) = (low - start, min(end - high, window.padRight))
      let slice = Slice(starts: [0, 0, low], sizes: [1, channels, high - low])
      let image = try reshape(try emit(.slice(slice), [line]), [1, channels, 1, high - low])
      let result = try emit(kind(part, isLast && ceilMode), [image] + operands)
      let after = graph.tensors[result]!.shape
      parts.append(try reshape(result, [1, after[1], after[3]]))
    }
    return parts.count == 1 ? parts[0] : try emit(.concat(axis: 2), parts)
  }

  /// An operator on [1, C, H, W] for images [N, C, W] too.
  func perImage2D(
    _ x: ImportedActivation, _ body: (String) throws(CNNError) -> String
  ) throws(CNNError) -> ImportedActivation {
    guard x.shape.count == 3 else { return try perImage(x, body) }
    return try perImage(x) { (image) throws(CNNError) in
      let shape = self.graph.tensors[image]!.shape
      let result = try body(try self.reshape(image, [1, shape[1], 1, shape[2]]))
      let after = self.graph.tensors[result]!.shape
      return try self.reshape(result, [1, after[1], after[3]])
    }
  }
}
