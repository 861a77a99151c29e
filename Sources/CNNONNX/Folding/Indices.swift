import CNNSupport

extension Folding {
  /// Operators that move elements by indices in another tensor.
  static let indexRules: [String: Rule] = [
    "Gather": one(gather),
    "GatherElements": one(gatherElements),
    "GatherND": one(gatherND),
    "ScatterElements": one(scatterElements),
    "ScatterND": one(scatterND),
    "OneHot": one(oneHot),
    "NonZero": one(nonZero),
    "Compress": one(compress),
  ]

  private func checkedIndex(_ index: Int, size: Int) throws(CNNError) -> Int {
    guard index >= -size && index < size else {
      throw CNNError("the index \(index) does not exist on an axis of size \(size)")
    }
    return index < 0 ? index + size : index
  }

  private func gather() throws(CNNError) -> ONNXTensor {
    let data = try input(0)
    let indices = try integers(1)
    let axis = try checkedAxis(node.int("axis") ?? 0, rank: data.shape.count)
    let shape = data.shape[..<axis] + (try input(1).shape) + data.shape[(axis + 1)...]
    try checkedCount(Array(shape))
    let size = data.shape[axis]
    let length = data.shape[(axis + 1)...].reduce(1, *)
    var places: [Int] = []
    for index in indices { places.append(try checkedIndex(index, size: size) * length) }
    var starts: [Int] = []
    for outer in 0..<data.shape[..<axis].reduce(1, *) {
      for place in places { starts.append(outer * size * length + place) }
    }
    return data.picked(length == 0 ? [] : starts, length: length, shape: Array(shape))
  }

  /// Where in `data` each element of `indices` points: itself along `axis`, its own place along the others.
  private func elementPlaces(_ data: [Int], _ indices: ONNXTensor) throws(CNNError) -> [Int] {
    let rank = data.count
    let axis = try checkedAxis(node.int("axis") ?? 0, rank: rank)
    guard indices.shape.count == rank,
      (0..<rank).allSatisfy({ $0 == axis || indices.shape[$0] <= data[$0] }),
      let list = indices.integers
    else { throw CNNError("its indices of shape \(indices.shape) do not fit the shape \(data)") }
    var strides = rowMajorStrides(data)
    let step = strides[axis]
    strides[axis] = 0
    var places: [Int] = []
    places.reserveCapacity(list.count)
    walk(indices.shape, strides, 0) { places.append($0) }
    for (i, index) in list.enumerated() { places[i] += try checkedIndex(index, size: data[axis]) * step }
    return places
  }

  private func gatherElements() throws(CNNError) -> ONNXTensor {
    let (data, indices) = (try input(0), try input(1))
    return data.picked(try elementPlaces(data.shape, indices), shape: indices.shape)
  }

  private func scatterElements() throws(CNNError) -> ONNXTensor {
    var data = try input(0)
    let (indices, updates) = (try input(1), try input(2))
    try refuseReduction()
    guard updates.shape == indices.shape else { throw CNNError("its indices and updates have different shapes") }
    try data.put(updates, at: try elementPlaces(data.shape, indices))
    return data
  }

  private func refuseReduction() throws(CNNError) {
    let reduction = node.string("reduction") ?? "none"
    guard reduction == "none" else { throw CNNError("its reduction “\(reduction)” is not supported") }
  }

  /// Where the slices begin to which the rows of an index tensor point, and how long each is.
  /// - Parameter batch: leading axes that data and indices share.
  private func slices(
    _ data: [Int], _ indices: ONNXTensor, batch: Int
  ) throws(CNNError) -> (starts: [Int], length: Int, shape: [Int]) {
    guard let list = indices.integers, let depth = indices.shape.last, depth >= 0, batch >= 0,
      batch < indices.shape.count, batch + depth <= data.count, indices.shape[..<batch] == data[..<batch]
    else { throw CNNError("its indices of shape \(indices.shape) do not fit the shape \(data)") }
    let strides = rowMajorStrides(data)
    let shape = indices.shape.dropLast() + data[(batch + depth)...]
    try checkedCount(Array(shape))
    let rows = indices.shape.dropLast().reduce(1, *)
    let perBatch = rows / max(1, data[..<batch].reduce(1, *))
    let batchSize = data[batch...].reduce(1, *)
    var starts: [Int] = []
    for row in 0..<rows {
      var start = perBatch > 0 ? row / perBatch * batchSize : 0
      for k in 0..<depth {
        start += try checkedIndex(list[row * depth + k], size: data[batch + k]) * strides[batch + k]
      }
      starts.append(start)
    }
    return (starts, data[(batch + depth)...].reduce(1, *), Array(shape))
  }

  private func gatherND() throws(CNNError) -> ONNXTensor {
    let data = try input(0)
    let slices = try slices(data.shape, try input(1), batch: node.int("batch_dims") ?? 0)
    return data.picked(slices.length == 0 ? [] : slices.starts, length: slices.length, shape: slices.shape)
  }

  private func scatterND() throws(CNNError) -> ONNXTensor {
    var data = try input(0)
    let updates = try input(2)
    try refuseReduction()
    let slices = try slices(data.shape, try input(1), batch: 0)
    guard updates.shape == slices.shape else {
      throw CNNError("its updates of shape \(updates.shape) should have shape \(slices.shape)")
    }
    try data.put(updates, at: slices.starts, length: slices.length)
    return data
  }

  private func oneHot() throws(CNNError) -> ONNXTensor {
    let (indices, values) = (try numbers(0), try input(2))
    guard let depth = try Self.integerScalar(numbers(1)), depth > 0, depth <= Self.limit, values.count == 2 else {
      throw CNNError("its depth is not a positive number, or its values are not two")
    }
    let rank = indices.shape.count
    let axis = try checkedAxis(node.int("axis") ?? -1, rank: rank + 1)
    var shape = indices.shape
    shape.insert(depth, at: axis)
    try checkedCount(shape)
    var result = values.picked([0], shape: []).repeated(shape)
    let inner = shape[(axis + 1)...].reduce(1, *)
    var hot: [Int] = []
    // Indices outside −depth … depth − 1 set nothing.
    for (position, index) in indices.truncatedIntegers.enumerated() where index >= -depth && index < depth {
      let class_ = index < 0 ? index + depth : index
      hot.append((position / inner * depth + class_) * inner + position % inner)
    }
    if !hot.isEmpty { try result.put(values.picked([1], shape: []).repeated([hot.count]), at: hot) }
    return result
  }

  private static func integerScalar(_ tensor: ONNXTensor) -> Int? {
    tensor.count == 1 ? tensor.truncatedIntegers[0] : nil
  }

  /// The indices of the elements other than 0, an axis a row.
  private func nonZero() throws(CNNError) -> ONNXTensor {
    let tensor = try numbers(0)
    let places = tensor.places {
      $0 != 0
    } integers: {
      $0 != 0
    }
    let strides = rowMajorStrides(tensor.shape)
    let rows = tensor.shape.indices.map { axis in places.map { Int64($0 / strides[axis] % tensor.shape[axis]) } }
    return ONNXTensor(shape: [tensor.shape.count, places.count], integers: rows.flatMap { $0 })
  }

  /// The slices along an axis (elements, without one) where the condition is true.
  private func compress() throws(CNNError) -> ONNXTensor {
    var data = try input(0)
    let condition = try integers(1)
    if node.int("axis") == nil { data = data.reshaped([data.count]) }
    let axis = try checkedAxis(node.int("axis") ?? 0, rank: data.shape.count)
    let size = data.shape[axis]
    let kept = condition.indices.filter { condition[$0] != 0 }
    guard condition.count <= size else { throw CNNError("its condition is longer than the axis") }
    let length = data.shape[(axis + 1)...].reduce(1, *)
    var shape = data.shape
    shape[axis] = kept.count
    let starts = (0..<data.shape[..<axis].reduce(1, *)).flatMap { outer in kept.map { (outer * size + $0) * length } }
    return data.picked(length == 0 ? [] : starts, length: length, shape: shape)
  }
}

extension ONNXTensor {
  /// Integers as they are, floats without their fraction; what does not fit is at the ends of Int64.
  var truncatedIntegers: [Int] {
    switch values {
    case .floats(let a): a.map { Int(Int64(saturating: $0)) }
    case .integers(let a): a.map { Int($0) }
    case .strings: []
    }
  }

  /// Where the elements are of which something is true.
  func places(_ float: (Float) -> Bool, integers: (Int64) -> Bool) -> [Int] {
    switch values {
    case .floats(let a): a.indices.filter { float(a[$0]) }
    case .integers(let a): a.indices.filter { integers(a[$0]) }
    case .strings: []
    }
  }
}

extension Int64 {
  /// Without its fraction; NaN is 0.
  init(saturating value: some BinaryFloatingPoint) {
    if value.isNaN {
      self = 0
    } else {
      self = Int64(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
    }
  }
}
