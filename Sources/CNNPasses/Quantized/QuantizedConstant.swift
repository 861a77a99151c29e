import CNNModel

/// A constant behind a dequantizeLinear, less its zero point: real value = stored value · scale.
struct QuantizedConstant {
  var name: String
  var values: [Int32]
  var shape: [Int]
  /// One, or one for each index of `axis`.
  private var scales: [Float]
  private var axis: Int

  /// nil for a tensor that is not such a constant.
  init?(_ name: String, _ tensor: Tensor) {
    guard let quantization = tensor.quantization,
      let values = tensor.data?.integers(zeroPoint: quantization.zeroPoint),
      quantization.scales.count == 1
        || tensor.shape.indices.contains(quantization.axis)
          && quantization.scales.count == tensor.shape[quantization.axis]
    else { return nil }
    (self.name, self.values, shape) = (name, values, tensor.shape)
    let scales = quantization.scales
    self.scales = scales.allSatisfy { $0 == scales[0] } ? [scales[0]] : scales
    axis = quantization.axis
  }

  // MARK: - As it is

  var hasOneScale: Bool { scales.count == 1 }

  /// Of a row-major element.
  func scale(at place: Int) -> Float {
    hasOneScale ? scales[0] : scales[place / shape[(axis + 1)...].reduce(1, *) % scales.count]
  }

  var floats: [Float] { values.indices.map { Float(values[$0]) * scale(at: $0) } }
  var float: Tensor { Tensor(.float32(floats), shape: shape) }

  /// Of a matrix.
  var transposed: QuantizedConstant {
    var result = self
    let (rows, columns) = (shape[0], shape[1])
    result.shape = [columns, rows]
    result.values = (0..<columns).flatMap { column in
      (0..<rows).map { values[$0 * columns + column] }
    }
    result.axis = 1 - axis
    return result
  }

  // MARK: - As an operand

  /// With a zero point that makes all values fit; nil where there is none.
  var uint8: Tensor? {
    let least = min(values.min() ?? 0, 0)
    let most = values.max() ?? 0
    guard hasOneScale, least >= -255, most - least <= 255 else { return nil }
    return Tensor(
      .uint8(values.map { UInt8($0 - least) }), shape: shape,
      quantization: Quantization(scale: scales[0], zeroPoint: -least))
  }

  // MARK: - As a weight

  /// One for each output channel; nil where they lie along another axis.
  func scales(of kind: OperatorKind, _ order: WeightOrder) -> [Float]? {
    let outputs = order.outputChannels
    if hasOneScale { return .init(repeating: scales[0], count: outputs) }
    guard order.isTransposed else { return axis == 0 ? scales : nil }
    // [C, O/group, kH, kW]: the scales of one group's outputs, or of each group's only input.
    let outputsOfGroup = outputs / order.group
    if axis == 1 { return (0..<outputs).map { scales[$0 % outputsOfGroup] } }
    return axis == 0 && order.inputChannels == order.group
      ? (0..<outputs).map { scales[$0 / outputsOfGroup] } : nil
  }

  /// int8 weights, each −127 … 127, whose sum are the values: as many as the largest needs. None for values that no byte has.
  var pieces: [[Int8]] {
    let largest = values.reduce(0) { max($0, $1.magnitude) }
    guard largest <= 255 else { return [] }
    if largest <= 127 { return [values.map { Int8($0) }] }
    var rest = values
    return (0..<max(1, (Int(largest) + 126) / 127)).map { _ in
      rest.indices.map { index in
        let piece = min(max(rest[index], -127), 127)
        rest[index] -= piece
        return Int8(piece)
      }
    }
  }

  /// The weight for an input whose groups of channels are repeated, once for each piece.
  func joined(_ pieces: [[Int8]], of kind: OperatorKind, _ group: Int, _ scales: [Float]) -> Tensor {
    var shape = shape
    // Runs of weights that belong to one group's input channels: [O][C/group …], of a transposed one [group][C/group …].
    var runs = shape[0]
    if case .convTranspose = kind {
      runs = group
      shape[0] *= pieces.count
    } else {
      shape[1] *= pieces.count
    }
    let length = values.count / runs
    var joined: [Int8] = []
    joined.reserveCapacity(values.count * pieces.count)
    for run in 0..<runs {
      for piece in pieces { joined += piece[run * length..<(run + 1) * length] }
    }
    return Tensor(.int8(joined), shape: shape, quantization: Quantization(scales: scales))
  }
}

extension TensorData {
  /// Less the zero point; nil for floats.
  fileprivate func integers(zeroPoint: Int32) -> [Int32]? {
    switch self {
    case .int8(let a): a.map { Int32($0) - zeroPoint }
    case .uint8(let a): a.map { Int32($0) - zeroPoint }
    case .int32(let a): zeroPoint == 0 ? a : a.map { $0 &- zeroPoint }
    default: nil
    }
  }
}
