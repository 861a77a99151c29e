import CNNModel
import CNNSupport

/// Conv and ConvTranspose, 1-D and 2-D.
extension ImportWalk {
  var convolutions: [String: Converter] {
    [
      "Conv": { (node) throws(CNNError) in
        let x = try self.floatActivation(node)
        guard let weight = try self.weight(node, 1, "W") else { throw CNNError("its input W is missing") }
        return [.activation(try self.conv(node, x, weight, bias: try self.weight(node, 2, "B")))]
      },
      "ConvTranspose": { (node) throws(CNNError) in
        let x = try self.floatActivation(node)
        guard let weight = try self.weight(node, 1, "W") else { throw CNNError("its input W is missing") }
        return [.activation(try self.convTranspose(node, x, weight, bias: try self.weight(node, 2, "B")))]
      },
    ]
  }

  func conv(
    _ node: ONNXNode, _ x: ImportedActivation, _ weight: ConstantOperand, bias: ConstantOperand?
  ) throws(CNNError) -> ImportedActivation {
    let weight = try checked(weight, over: x)
    var window = try NodeWindow(node, shape: x.shape, kernel: Array(weight.shape.dropFirst(2)))
    try window.applyAutoPad(node, shape: x.shape)
    let group = try group(node)
    let operands = try weights(weight, bias, outputs: weight.shape[0])
    return try windowed(x, window.window, operands: operands) { window, _ in .conv(window, group: group) }
  }

  private func convTranspose(
    _ node: ONNXNode, _ x: ImportedActivation, _ weight: ConstantOperand, bias: ConstantOperand?
  ) throws(CNNError) -> ImportedActivation {
    let weight = try checked(weight, over: x)
    var window = try NodeWindow(node, shape: x.shape, kernel: Array(weight.shape.dropFirst(2)))
    guard x.shape.dropFirst(2).allSatisfy({ $0 <= NodeWindow.longest }) else {
      throw CNNError("reads \(x.shape)", advice: "up to \(NodeWindow.longest) elements of an axis are possible")
    }
    let group = try group(node)
    guard weight.shape[1] <= 1 << 24 else { throw CNNError("its weight is \(weight.shape)") }
    let extra = try window.placeTransposed(node, shape: x.shape)
    let kind = OperatorKind.convTranspose(
      window.window, group: group, outputPaddingY: extra.count == 2 ? extra[0] : 0,
      outputPaddingX: extra[extra.count - 1])
    let operands = try weights(weight, bias, outputs: weight.shape[1] * group)
    return try perImage2D(x) { (image) throws(CNNError) in try self.emit(kind, [image] + operands) }
  }

  /// A weight of the rank of x.
  private func checked(_ weight: ConstantOperand, over x: ImportedActivation) throws(CNNError) -> ConstantOperand {
    guard weight.shape.count == x.shape.count, weight.shape.count >= 3 else {
      throw CNNError("its weight is of shape \(weight.shape) and its input of shape \(x.shape)")
    }
    return weight
  }

  private func group(_ node: ONNXNode) throws(CNNError) -> Int {
    let group = node.int("group") ?? 1
    guard (1...1 << 24).contains(group) else { throw CNNError("its group is \(group)") }
    return group
  }

  /// Weight and bias as operands; a 1-D kernel becomes one of height 1.
  private func weights(
    _ weight: ConstantOperand, _ bias: ConstantOperand?, outputs: Int
  ) throws(CNNError) -> [String] {
    let shape = weight.shape
    let weight = shape.count == 3 ? weight.reshaped([shape[0], shape[1], 1, shape[2]]) : weight
    guard let bias else { return [try operand(weight)] }
    guard bias.shape.checkedCount == outputs else {
      throw CNNError("its bias is of shape \(bias.shape) for \(outputs) channels")
    }
    return [try operand(weight), try operand(bias.reshaped([outputs]))]
  }
}

extension NodeWindow {
  /// Sets the padding of a ConvTranspose by `auto_pad` and `output_shape`, and gives its output padding, by ONNX's rules:
  /// total = stride · (input − 1) + output padding + dilated kernel − output.
  fileprivate mutating func placeTransposed(_ node: ONNXNode, shape: [Int]) throws(CNNError) -> [Int] {
    var extra = node.ints("output_padding") ?? .init(repeating: 0, count: spatialRank)
    guard extra.count == spatialRank, extra.allSatisfy({ (0...65_536).contains($0) }) else {
      throw CNNError("its output_padding is \(extra)")
    }
    let input = Array(shape.dropFirst(2))
    let automatic = try node.autoPadding
    var wanted = node.ints("output_shape").map { Array($0.suffix(spatialRank)) }
    let strides = spatialRank == 2 ? [window.strideY, window.strideX] : [window.strideX]
    guard input.allSatisfy({ $0 <= 1 << 24 }) else { throw CNNError("its input is \(shape)") }
    if wanted == nil, automatic == .sameUpper || automatic == .sameLower {
      wanted = zip(input, strides).map { $0 * $1 }
    }
    if automatic == .valid { (window.padTop, window.padBottom, window.padLeft, window.padRight) = (0, 0, 0, 0) }
    guard let wanted, !wanted.isEmpty else { return extra }
    guard wanted.count == spatialRank, wanted.allSatisfy({ (1...1 << 24).contains($0) }) else {
      throw CNNError("its output_shape is \(wanted)")
    }
    let kernels =
      spatialRank == 2
      ? [(window.kernelHeight - 1) * window.dilationY + 1, (window.kernelWidth - 1) * window.dilationX + 1]
      : [(window.kernelWidth - 1) * window.dilationX + 1]
    for axis in 0..<spatialRank {
      var total = strides[axis] * (input[axis] - 1) + extra[axis] + kernels[axis] - wanted[axis]
      if total < 0 {
        extra[axis] -= total
        total = 0
      }
      let (less, more) = (total / 2, total - total / 2)
      let (before, after) = automatic == .sameUpper ? (less, more) : (more, less)
      if axis == spatialRank - 1 {
        (window.padLeft, window.padRight) = (before, after)
      } else {
        (window.padTop, window.padBottom) = (before, after)
      }
    }
    return extra
  }
}
