import CNNSupport

extension Folding {
  /// Operators that move elements by where they are.
  static let rearrangementRules: [String: Rule] = [
    "Concat": one(concat),
    "Split": many(split),
    "Slice": one(slice),
    "Transpose": one(transpose),
    "Expand": one(expand),
    "Tile": one(tile),
    "Pad": one(pad),
    "Trilu": one(trilu),
  ]

  private func concat() throws(CNNError) -> ONNXTensor {
    let first = try input(0)
    guard let axis = node.int("axis") else { throw CNNError("its attribute “axis” is missing") }
    let at = try checkedAxis(axis, rank: first.shape.count)
    var parts: [ONNXTensor] = []
    for index in inputs.indices {
      let part = try input(index)
      var shape = part.shape
      guard shape.count == first.shape.count, part.type == first.type else {
        throw CNNError("its inputs have different ranks or types")
      }
      shape[at] = first.shape[at]
      guard shape == first.shape else {
        throw CNNError("its inputs have shapes \(first.shape) and \(part.shape), which differ beside axis \(at)")
      }
      parts.append(part)
    }
    var shape = first.shape
    shape[at] = parts.reduce(0) { $0 + $1.shape[at] }
    let count = try checkedCount(shape)
    guard count > 0, var result = parts.first(where: { $0.count > 0 }) else { return first.reshaped(shape) }
    result = result.picked([0], shape: [1]).repeated(shape)
    let row = count / shape[..<at].reduce(1, *)
    var start = 0
    for part in parts {
      let length = part.shape[at...].reduce(1, *)
      if length > 0 {
        try result.put(part, at: Array(stride(from: start, to: count, by: row)), length: length)
      }
      start += length
    }
    return result
  }

  private func split() throws(CNNError) -> [ONNXTensor] {
    let tensor = try input(0)
    let axis = try checkedAxis(node.int("axis") ?? 0, rank: tensor.shape.count)
    let given = try optionalIntegers(1)
    let parts = given?.count ?? node.int("num_outputs") ?? node.outputs.count
    guard parts == node.outputs.count else {
      throw CNNError("it makes \(parts) parts but has \(node.outputs.count) outputs")
    }
    let sizes = try ONNXShape.split(tensor.shape[axis], sizes: given, parts: parts)
    let strides = rowMajorStrides(tensor.shape)
    var start = 0
    return sizes.map { size in
      var shape = tensor.shape
      shape[axis] = size
      defer { start += size }
      return tensor.strided(shape, strides: strides, offset: start * strides[axis])
    }
  }

  private func slice() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    let slice = try ONNXSlice(
      of: tensor.shape, starts: try integers(1), ends: try integers(2), axes: try optionalIntegers(3),
      steps: try optionalIntegers(4))
    let strides = rowMajorStrides(tensor.shape)
    return tensor.strided(
      slice.shape, strides: zip(strides, slice.steps).map { $0 * $1 },
      offset: zip(strides, slice.starts).reduce(0) { $0 + $1.0 * $1.1 })
  }

  private func transpose() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    let order = try checkedAxes(node.ints("perm") ?? tensor.shape.indices.reversed(), rank: tensor.shape.count)
    guard order.count == tensor.shape.count else {
      throw CNNError("its order \(order) does not have every axis of \(tensor.shape) once")
    }
    let strides = rowMajorStrides(tensor.shape)
    return tensor.strided(order.map { tensor.shape[$0] }, strides: order.map { strides[$0] })
  }

  private func expand() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    return tensor.expanded(try broadcast(tensor.shape, try integers(1)))
  }

  private func tile() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    let times = try integers(1)
    guard times.count == tensor.shape.count, times.allSatisfy({ $0 >= 0 }) else {
      throw CNNError("its repeats \(times) do not fit the shape \(tensor.shape)")
    }
    // [a, b] by [m, n] is [m, a, n, b], of which m and n are broadcast.
    let shape = zip(times, tensor.shape).flatMap { [$0, $1] }
    try checkedCount(shape)
    let strides = rowMajorStrides(tensor.shape).flatMap { [0, $0] }
    return tensor.strided(shape, strides: strides).reshaped(zip(times, tensor.shape).map { $0 * $1 })
  }

  private func pad() throws(CNNError) -> ONNXTensor {
    let tensor = try input(0)
    let rank = tensor.shape.count
    guard node.string("mode") ?? "constant" == "constant" else {
      return try padByIndex(tensor, try pads(rank))
    }
    let pads = try pads(rank)
    // Negative pads crop; the rest is put into a tensor of the value.
    let cropped = try ONNXSlice(
      of: tensor.shape, starts: pads.map { max(0, -$0.before) },
      ends: zip(tensor.shape, pads).map { max(0, $0 + min(0, $1.after)) })
    let strides = rowMajorStrides(tensor.shape)
    let inner = tensor.strided(
      cropped.shape, strides: strides, offset: zip(strides, cropped.starts).reduce(0) { $0 + $1.0 * $1.1 })
    let shape = zip(cropped.shape, pads).map { $0 + max(0, $1.before) + max(0, $1.after) }
    try checkedCount(shape)
    let value = optional(2) ?? tensor.zero
    guard value.count == 1 else { throw CNNError("its value is not a scalar") }
    var result = value.repeated(shape)
    result.type = tensor.type
    let outer = rowMajorStrides(shape)
    var starts: [Int] = []
    walk(
      Array(inner.shape.dropLast()), Array(outer.dropLast()),
      zip(outer, pads).reduce(0) { $0 + $1.0 * max(0, $1.1.before) }
    ) { starts.append($0) }
    if inner.count > 0 { try result.put(inner, at: starts, length: inner.shape.last ?? 1) }
    return result
  }

  private func pads(_ rank: Int) throws(CNNError) -> [(before: Int, after: Int)] {
    let list = try integers(1)
    let axes = try checkedAxes(try optionalIntegers(3) ?? Array(0..<rank), rank: rank)
    guard list.count == 2 * axes.count else { throw CNNError("its \(list.count) pads do not fit \(axes.count) axes") }
    guard list.allSatisfy({ abs($0.clamped) <= Self.limit }) else { throw CNNError("its pads are too large") }
    var pads = [(before: Int, after: Int)](repeating: (0, 0), count: rank)
    for (index, axis) in axes.enumerated() { pads[axis] = (list[index], list[axes.count + index]) }
    return pads
  }

  /// The modes edge, reflect and wrap: each element is another one.
  private func padByIndex(_ tensor: ONNXTensor, _ pads: [(before: Int, after: Int)]) throws(CNNError) -> ONNXTensor {
    let mode = node.string("mode") ?? ""
    var result = tensor
    for axis in pads.indices where pads[axis] != (0, 0) {
      let size = result.shape[axis]
      let place: (Int) -> Int
      switch mode {
      case "edge": place = { min(max($0, 0), size - 1) }
      case "wrap": place = { (($0 % size) + size) % size }
      case "reflect":
        let period = max(1, 2 * (size - 1))
        place = { i in
          let j = ((i % period) + period) % period
          return j < size ? j : period - j
        }
      default: throw CNNError("its mode “\(mode)” is not supported")
      }
      let end = size + pads[axis].after
      guard size > 0, -pads[axis].before <= end else { throw CNNError("its pads do not fit the shape \(tensor.shape)") }
      let inner = result.shape[(axis + 1)...].reduce(1, *)
      let outer = result.shape[..<axis].reduce(1, *)
      var shape = result.shape
      shape[axis] = end + pads[axis].before
      try checkedCount(shape)
      let places = (-pads[axis].before..<end).map(place)
      let starts = (0..<outer).flatMap { o in places.map { (o * size + $0) * inner } }
      result = result.picked(starts, length: inner, shape: shape)
    }
    return result
  }

  private func trilu() throws(CNNError) -> ONNXTensor {
    let tensor = try numbers(0)
    guard tensor.shape.count >= 2 else { throw CNNError("its input is no matrix") }
    let (rows, columns) = (tensor.shape[tensor.shape.count - 2], tensor.shape[tensor.shape.count - 1])
    let shift = optional(1) == nil ? 0 : (try integers(1).first ?? 0).clamped
    let upper = node.int("upper") ?? 1 != 0
    var result = tensor
    let cleared = (0..<tensor.count).filter { index in
      let distance = index % columns - index / columns % rows
      return upper ? distance < shift : distance > shift
    }
    if !cleared.isEmpty { try result.put(tensor.zero.repeated([cleared.count]), at: cleared) }
    return result
  }
}

extension ONNXTensor {
  /// A scalar 0 of the same type; "" of strings.
  var zero: ONNXTensor {
    var tensor = reshaped([])
    switch values {
    case .floats: tensor.values = .floats([0])
    case .integers: tensor.values = .integers([0])
    case .strings: tensor.values = .strings([""])
    }
    return tensor
  }
}

extension Int {
  /// Within ±2⁴⁰: what files give as "to the end" without the overflow.
  var clamped: Int { Swift.min(Swift.max(self, -1 << 40), 1 << 40) }
}

extension ONNXShape {
  /// The sizes into which Split cuts an axis of `size`.
  /// - Parameter sizes: as given, nil for `parts` equal ones of which the last may be smaller.
  package static func split(_ size: Int, sizes: [Int]?, parts: Int) throws(CNNError) -> [Int] {
    if let sizes {
      guard sizes.allSatisfy({ $0 >= 0 && $0 <= size }), sizes.reduce(0, +) == size else {
        throw CNNError("the parts \(sizes) do not add up to the axis' size \(size)")
      }
      return sizes
    }
    guard parts > 0 && parts <= max(size, 1) else {
      throw CNNError("an axis of size \(size) cannot be split in \(parts)")
    }
    let part = (size + parts - 1) / parts
    guard part * (parts - 1) <= size else { throw CNNError("an axis of size \(size) cannot be split in \(parts)") }
    return (0..<parts).map { $0 < parts - 1 ? part : size - part * (parts - 1) }
  }
}

/// What ONNX's Slice means for a shape.
package struct ONNXSlice: Equatable, Sendable {
  /// A step and the first element on each axis, and how many are taken.
  package var starts: [Int]
  package var steps: [Int]
  package var shape: [Int]

  /// - Parameters: as Slice's inputs, of any size; nil axes are the first ones, nil steps 1.
  package init(
    of shape: [Int], starts: [Int], ends: [Int], axes: [Int]? = nil, steps: [Int]? = nil
  ) throws(CNNError) {
    let axes = try checkedAxes(axes ?? Array(starts.indices), rank: shape.count)
    let steps = steps ?? starts.map { _ in 1 }
    guard starts.count == axes.count, ends.count == axes.count, steps.count == axes.count else {
      throw CNNError("its starts, ends, axes and steps are not equally many")
    }
    (self.starts, self.steps, self.shape) = (shape.map { _ in 0 }, shape.map { _ in 1 }, shape)
    for (index, axis) in axes.enumerated() {
      let (size, step) = (shape[axis], steps[index].clamped)
      guard step != 0 else { throw CNNError("its step is 0") }
      func place(_ given: Int, _ low: Int, _ high: Int) -> Int {
        let given = given.clamped
        return min(max(given < 0 ? given + size : given, low), high)
      }
      let start = step > 0 ? place(starts[index], 0, size) : place(starts[index], 0, max(size - 1, 0))
      let end = step > 0 ? place(ends[index], 0, size) : place(ends[index], -1, size - 1)
      let count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step
      self.shape[axis] = size == 0 ? 0 : max(0, count)
      self.steps[axis] = self.shape[axis] > 1 ? step : 1
      self.starts[axis] = self.shape[axis] == 0 ? 0 : start
    }
  }
}
