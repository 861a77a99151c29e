import CNNSupport

extension Folding {
  /// Operators that combine the elements along axes.
  static let reductionRules: [String: Rule] = [
    "ReduceSum": one(reduceSum),
    "ReduceMean": one(reduceMean),
    "ReduceMax": one(reduceMax),
    "ReduceMin": one(reduceMin),
    "ReduceProd": one(reduceProd),
    "ReduceSumSquare": one(reduceSumSquare),
    "ReduceL1": one(reduceL1),
    "ReduceL2": one(reduceL2),
    "ArgMax": one(argMax),
    "ArgMin": one(argMin),
    "CumSum": one(cumSum),
    "TopK": many(topK),
  ]

  private func reduceSum() throws(CNNError) -> ONNXTensor {
    try reduce({ Float($0.reduce(0.0) { $0 + Double($1) }) }, { rows, _ in rows.reduce(0, &+) })
  }

  private func reduceMean() throws(CNNError) -> ONNXTensor {
    try reduce({ Float($0.reduce(0.0) { $0 + Double($1) } / Double($0.count)) }) { (rows, type) throws(CNNError) in
      guard !rows.isEmpty, type != .uint64 else {
        throw CNNError("it has no mean of \(rows.count) \(type.name) elements")
      }
      return rows.reduce(0, &+) / Int64(rows.count)
    }
  }

  private func reduceMax() throws(CNNError) -> ONNXTensor {
    try reduce({ $0.reduce(-.infinity) { $0.isNaN || $0 > $1 ? $0 : $1 } }) { rows, type in
      rows.reduce(type.limits.smallest) { type.less($0, $1) ? $1 : $0 }
    }
  }

  private func reduceMin() throws(CNNError) -> ONNXTensor {
    try reduce({ $0.reduce(.infinity) { $0.isNaN || $0 < $1 ? $0 : $1 } }) { rows, type in
      rows.reduce(type.limits.largest) { type.less($1, $0) ? $1 : $0 }
    }
  }

  private func reduceProd() throws(CNNError) -> ONNXTensor {
    try reduce({ Float($0.reduce(1.0) { $0 * Double($1) }) }, { rows, _ in rows.reduce(1, &*) })
  }

  private func reduceL1() throws(CNNError) -> ONNXTensor {
    try reduce(
      { Float($0.reduce(0.0) { $0 + Double($1.magnitude) }) },
      { rows, _ in rows.reduce(0) { $1 < 0 ? $0 &- $1 : $0 &+ $1 } })
  }

  private func reduceL2() throws(CNNError) -> ONNXTensor {
    try reduce({ Float($0.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()) }) {
      (_, type) throws(CNNError) in throw CNNError("it has no root of \(type.name)")
    }
  }

  private func reduceSumSquare() throws(CNNError) -> ONNXTensor {
    try reduce(
      { Float($0.reduce(0.0) { $0 + Double($1) * Double($1) }) }, { rows, _ in rows.reduce(0) { $0 &+ $1 &* $1 } })
  }

  private func reduce(
    _ float: (ArraySlice<Float>) -> Float, _ integer: (ArraySlice<Int64>, ONNXType) throws(CNNError) -> Int64
  ) throws(CNNError) -> ONNXTensor {
    let tensor = try numbers(0)
    let given = try optionalIntegers(1) ?? []
    if given.isEmpty && node.int("noop_with_empty_axes") ?? 0 != 0 { return tensor }
    let keeps = node.int("keepdims") ?? 1 != 0
    let rank = tensor.shape.count
    let axes = given.isEmpty ? Array(0..<rank) : try checkedAxes(given, rank: rank)
    let rest = (0..<rank).filter { !axes.contains($0) }
    // What is combined comes last and lies together.
    let order = rest + axes
    let strides = rowMajorStrides(tensor.shape)
    let rows = tensor.strided(order.map { tensor.shape[$0] }, strides: order.map { strides[$0] })
    let length = axes.reduce(1) { $0 * tensor.shape[$1] }
    let shape = keeps ? (0..<rank).map { axes.contains($0) ? 1 : tensor.shape[$0] } : rest.map { tensor.shape[$0] }
    let count = try checkedCount(shape)
    switch rows.values {
    case .floats(let a):
      return ONNXTensor(shape: shape, floats: (0..<count).map { float(a[($0 * length)..<($0 + 1) * length]) })
    case .integers(let a):
      var result: [Int64] = []
      for row in 0..<count {
        result.append(tensor.type.wrapped(try integer(a[(row * length)..<(row + 1) * length], tensor.type)))
      }
      return ONNXTensor(tensor.type, shape: shape, integers: result)
    case .strings: throw CNNError("strings are not supported")
    }
  }

  private func argMax() throws(CNNError) -> ONNXTensor {
    try argBest({ $0 > $1 }, { a, b, type in type.less(b, a) })
  }

  private func argMin() throws(CNNError) -> ONNXTensor {
    try argBest({ $0 < $1 }, { a, b, type in type.less(a, b) })
  }

  /// Of equal ones the first, or with `select_last_index` the last.
  private func argBest(
    _ float: (Float, Float) -> Bool, _ integer: (Int64, Int64, ONNXType) -> Bool
  ) throws(CNNError) -> ONNXTensor {
    let tensor = try numbers(0)
    let lines = try Lines(tensor.shape, axis: node.int("axis") ?? 0)
    let isLast = node.int("select_last_index") ?? 0 != 0
    guard lines.length > 0 else { throw CNNError("its axis has size 0") }
    func best(_ line: Int, _ better: (Int, Int) -> Bool) -> Int64 {
      var best = 0
      for i in 1..<max(lines.length, 1) {
        let (a, b) = (lines.place(line, i), lines.place(line, best))
        if better(a, b) || isLast && !better(b, a) { best = i }
      }
      return Int64(best)
    }
    let places: [Int64] =
      switch tensor.values {
      case .floats(let a): (0..<lines.count).map { best($0) { float(a[$0], a[$1]) } }
      case .integers(let a): (0..<lines.count).map { best($0) { integer(a[$0], a[$1], tensor.type) } }
      case .strings: []
      }
    var shape = tensor.shape
    shape[lines.axis] = 1
    if node.int("keepdims") ?? 1 == 0 { shape.remove(at: lines.axis) }
    return ONNXTensor(shape: shape, integers: places)
  }

  private func cumSum() throws(CNNError) -> ONNXTensor {
    var tensor = try numbers(0)
    guard let axis = try input(1).integer else { throw CNNError("its axis is not a scalar") }
    let lines = try Lines(tensor.shape, axis: axis)
    let isReverse = node.int("reverse") ?? 0 != 0
    let isExclusive = node.int("exclusive") ?? 0 != 0
    func sums<T>(_ a: inout [T], zero: T, _ add: (T, T) -> T) {
      for line in 0..<lines.count {
        var sum = zero
        for i in 0..<lines.length {
          let place = lines.place(line, isReverse ? lines.length - 1 - i : i)
          let next = add(sum, a[place])
          a[place] = isExclusive ? sum : next
          sum = next
        }
      }
    }
    switch tensor.values {
    case .floats(var a):
      sums(&a, zero: 0) { $0 + $1 }
      tensor.values = .floats(a)
    case .integers(var a):
      let type = tensor.type
      sums(&a, zero: 0) { type.wrapped($0 &+ $1) }
      tensor.values = .integers(a)
    case .strings: break
    }
    return tensor
  }

  private func topK() throws(CNNError) -> [ONNXTensor] {
    let tensor = try numbers(0)
    let lines = try Lines(tensor.shape, axis: node.int("axis") ?? -1)
    guard let k = try input(1).integer, k >= 0, k <= lines.length else {
      throw CNNError("its k is not one number within the axis' size \(lines.length)")
    }
    let isLargest = node.int("largest") ?? 1 != 0
    func order(_ line: Int) -> [Int] {
      let places = (0..<lines.length).map { lines.place(line, $0) }
      func precedes(_ i: Int, _ j: Int) -> Bool {
        let (a, b) = (places[i], places[j])
        switch tensor.values {
        case .floats(let v): return v[a] == v[b] ? i < j : isLargest ? v[a] > v[b] : v[a] < v[b]
        case .integers(let v): return v[a] == v[b] ? i < j : tensor.type.less(v[a], v[b]) != isLargest
        case .strings: return i < j
        }
      }
      return Array((0..<lines.length).sorted(by: precedes).prefix(k))
    }
    var shape = tensor.shape
    shape[lines.axis] = k
    let result = Lines(count: lines.count, length: k, inner: lines.inner, axis: lines.axis)
    var places = [Int](repeating: 0, count: lines.count * k)
    var indices = [Int64](repeating: 0, count: lines.count * k)
    for line in 0..<lines.count {
      for (rank, i) in order(line).enumerated() {
        places[result.place(line, rank)] = lines.place(line, i)
        indices[result.place(line, rank)] = Int64(i)
      }
    }
    return [tensor.picked(places, shape: shape), ONNXTensor(shape: shape, integers: indices)]
  }
}

/// The lines of elements along one axis.
private struct Lines {
  let count: Int
  let length: Int
  /// Elements between neighbours on a line.
  let inner: Int
  let axis: Int

  init(_ shape: [Int], axis: Int) throws(CNNError) {
    self.axis = try checkedAxis(axis, rank: shape.count)
    length = shape[self.axis]
    inner = shape[(self.axis + 1)...].reduce(1, *)
    count = inner * shape[..<self.axis].reduce(1, *)
  }

  init(count: Int, length: Int, inner: Int, axis: Int) {
    (self.count, self.length, self.inner, self.axis) = (count, length, inner, axis)
  }

  func place(_ line: Int, _ i: Int) -> Int { (line / inner * length + i) * inner + line % inner }
}
