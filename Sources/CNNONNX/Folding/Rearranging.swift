import CNNSupport

// The few ways in which elements are moved; they serve all kinds of elements.

extension ONNXTensor {
  /// The same elements in another shape of as many.
  func reshaped(_ shape: [Int]) -> ONNXTensor {
    var tensor = self
    tensor.shape = shape
    return tensor
  }

  /// Elements at `offset` + index · strides, for every index of `shape`: transposes, slices, broadcasts.
  func strided(_ shape: [Int], strides: [Int], offset: Int = 0) -> ONNXTensor {
    var tensor = reshaped(shape)
    switch values {
    case .floats(let a): tensor.values = .floats(a.strided(shape, strides, offset))
    case .integers(let a): tensor.values = .integers(a.strided(shape, strides, offset))
    case .strings(let a): tensor.values = .strings(a.strided(shape, strides, offset))
    }
    return tensor
  }

  /// Runs of `length` elements, from each of `starts`.
  func picked(_ starts: [Int], length: Int = 1, shape: [Int]) -> ONNXTensor {
    var tensor = reshaped(shape)
    switch values {
    case .floats(let a): tensor.values = .floats(a.picked(starts, length))
    case .integers(let a): tensor.values = .integers(a.picked(starts, length))
    case .strings(let a): tensor.values = .strings(a.picked(starts, length))
    }
    return tensor
  }

  /// Puts the runs of `length` elements of `source` one by one at each of `starts`.
  /// - Throws: if the kinds of elements differ.
  mutating func put(_ source: ONNXTensor, at starts: [Int], length: Int = 1) throws(CNNError) {
    switch (values, source.values) {
    case (.floats(var a), .floats(let b)):
      values = .integers([])
      a.put(b, starts, length)
      values = .floats(a)
    case (.integers(var a), .integers(let b)):
      values = .floats([])
      a.put(b, starts, length)
      values = .integers(a)
    case (.strings(var a), .strings(let b)):
      a.put(b, starts, length)
      values = .strings(a)
    default: throw CNNError("its inputs have different types, \(type.name) and \(source.type.name)")
    }
  }

  /// `count` times the same element of a tensor of one.
  func repeated(_ shape: [Int]) -> ONNXTensor { strided(shape, strides: shape.map { _ in 0 }) }

  /// In a shape to which ONNX's multidirectional broadcasting leads; `shape` must be such a one.
  func expanded(_ shape: [Int]) -> ONNXTensor {
    if self.shape == shape { return self }
    let padded = [Int](repeating: 1, count: shape.count - self.shape.count) + self.shape
    let strides = zip(padded, rowMajorStrides(padded)).map { $0 == 1 ? 0 : $1 }
    return strided(shape, strides: strides)
  }
}

/// How far apart neighbours along each axis are.
func rowMajorStrides(_ shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
  return strides
}

/// The shape to which both are broadcast.
func broadcast(_ a: [Int], _ b: [Int]) throws(CNNError) -> [Int] {
  let rank = max(a.count, b.count)
  let first = [Int](repeating: 1, count: rank - a.count) + a
  let second = [Int](repeating: 1, count: rank - b.count) + b
  var shape: [Int] = []
  for (m, n) in zip(first, second) {
    guard m == n || m == 1 || n == 1 else { throw CNNError("the shapes \(a) and \(b) cannot be broadcast") }
    shape.append(m == 1 ? n : m)
  }
  try checkedCount(shape)
  return shape
}

/// Calls `body` with `offset` + index · strides for every index of a shape, in row-major order.
@inline(__always)
func walk(_ shape: [Int], _ strides: [Int], _ offset: Int, _ body: (Int) -> Void) {
  guard !shape.contains(0) else { return }
  guard let length = shape.last, let step = strides.last else { return body(offset) }
  var index = [Int](repeating: 0, count: shape.count - 1)
  var position = offset
  while true {
    for i in 0..<length { body(position + i * step) }
    var axis = index.count - 1
    while axis >= 0 {
      index[axis] += 1
      position += strides[axis]
      if index[axis] < shape[axis] { break }
      position -= strides[axis] * shape[axis]
      index[axis] = 0
      axis -= 1
    }
    if axis < 0 { return }
  }
}

extension Array {
  fileprivate func strided(_ shape: [Int], _ strides: [Int], _ offset: Int) -> [Element] {
    var result: [Element] = []
    result.reserveCapacity(shape.reduce(1, *))
    walk(shape, strides, offset) { result.append(self[$0]) }
    return result
  }

  fileprivate func picked(_ starts: [Int], _ length: Int) -> [Element] {
    var result: [Element] = []
    result.reserveCapacity(starts.count * length)
    for start in starts { result += self[start..<start + length] }
    return result
  }

  fileprivate mutating func put(_ source: [Element], _ starts: [Int], _ length: Int) {
    for (index, start) in starts.enumerated() {
      for i in 0..<length { self[start + i] = source[index * length + i] }
    }
  }
}
