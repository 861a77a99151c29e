import CNNSupport

/// Single operators of every kind, of random shapes and attributes.
struct RandomOperators {
  var random: Random
  /// The shape that the first input is to have; of rank 4 where the operator is one for images.
  private var given: [Int]?

  init(seed: UInt64) { random = Random(seed: seed) }

  /// An operator that reads a tensor of this shape, or several of it; nil where there is none.
  mutating func next(_ op: String, reading shape: [Int]) -> OperatorSpec? {
    let isImageOperator = [
      "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN", "Resize",
    ].contains(op)
    guard shape.count >= 2, !isImageOperator || shape.count == 4, op != "Gemm" || shape.count == 2 else { return nil }
    given = shape
    defer { given = nil }
    let spec = next(op)
    return spec.inputs.allSatisfy { $0 == shape } ? spec : nil
  }

  /// What reads and gives one type.
  static let kinds = OperatorSpec.kinds.keys.filter { !OperatorSpec.conversions.contains($0) }.sorted()

  private mutating func size(_ most: Int) -> Int { 1 + random.below(most) }
  private mutating func flag() -> Bool { random.below(2) == 0 }
  /// Often more than a block.
  private mutating func channels() -> Int { flag() ? size(6) : size(40) }
  private mutating func image() -> [Int] { given ?? [1, channels(), size(9), size(9)] }
  /// Of any rank from `least` on.
  private mutating func shape(_ least: Int = 2, _ most: Int = 6) -> [Int] {
    if let given { return given }
    let rank = least + random.below(most - least + 1)
    guard rank != 4 else { return image() }
    return [1] + (1..<rank).map { _ in rank <= 3 ? size(35) : size(5) }
  }

  mutating func next(_ op: String) -> OperatorSpec {
    var spec = OperatorSpec(op: op, inputs: [shape()], output: [])
    switch op {
    case "Conv": convolution(&spec)
    case "ConvTranspose": transposed(&spec)
    case "Gemm":
      spec.inputs = [given ?? [1, channels()]]
      spec.weight = [channels(), spec.inputs[0][1]]
      spec.bias = flag()
      spec.output = [1, spec.weight[0]]
      activation(&spec)
    case "BatchNormalization", "PRelu":
      let count = op == "PRelu" ? 1 : 4
      spec.perChannel = .init(repeating: spec.inputs[0][1], count: count)
      if count == 4 {
        spec.values = [1e-5]
        activation(&spec)
      }
    case "MaxPool", "AveragePool": pool(&spec)
    case "GlobalMaxPool", "GlobalAveragePool":
      spec.inputs = [image()]
      spec.output = [1, spec.inputs[0][1], 1, 1]
    case "Add", "Sub", "Mul", "Div": binary(&spec)
    case "Softmax": spec.integers = [1 + random.below(spec.inputs[0].count - 1)]
    case "Clip": spec.values = [random.uniform(-2, 0), flag() ? .infinity : random.uniform(0, 2)]
    case "LeakyRelu", "Elu", "Swish": spec.values = [random.uniform(0.1, 1.5)]
    case "HardSigmoid": spec.values = [0.2, 0.5]
    case "Gelu": spec.integers = [random.below(2)]
    case "LRN":
      spec.inputs = [image()]
      spec.integers = [size(7)]
      spec.values = [0.1, 0.75, 1]
    case "Dropout": spec.values = [0.5]
    case "QuantizeLinear", "DequantizeLinear": spec.inputs = [shape(1)]
    case "Flatten": spec.output = [1, spec.inputs[0].reduce(1, *)]
    case "Concat": concat(&spec)
    case "Slice": slice(&spec)
    case "Pad": pad(&spec)
    case "Reshape": spec.output = reshaped(spec.inputs[0])
    case "Transpose":
      let x = spec.inputs[0]
      spec.integers = [0] + random.permutation(x.count - 1).map { $0 + 1 }
      spec.output = spec.integers.map { x[$0] }
    case "Resize": resize(&spec)
    case "DepthToSpace", "SpaceToDepth": depth(&spec)
    case "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin": reduce(&spec)
    case "LayerNormalization":
      let x = spec.inputs[0], axis = 1 + random.below(x.count - 1)
      spec.integers = [axis]
      spec.values = [1e-5]
      spec.plain = .init(repeating: Array(x[axis...]), count: random.below(3))
    case "GroupNormalization", "InstanceNormalization":
      let divisors = (1...spec.inputs[0][1]).filter { spec.inputs[0][1] % $0 == 0 }
      if op == "GroupNormalization" { spec.integers = [divisors[random.below(divisors.count)]] }
      spec.values = [1e-3]
      spec.perChannel = [spec.inputs[0][1], spec.inputs[0][1]]
    case "MatMul": matMul(&spec)
    default: break
    }
    if spec.output.isEmpty { spec.output = spec.inputs[0] }
    return spec
  }

  private mutating func activation(_ spec: inout OperatorSpec) {
    switch random.below(3) {
    case 0: spec.relu = true
    case 1: spec.clip = [random.uniform(-1, 0), random.uniform(0, 1)]
    default: break
    }
  }

  // MARK: - Windows

  private mutating func convolution(_ spec: inout OperatorSpec) {
    var (x, o, group) = (image(), channels(), 1)
    switch random.below(3) {
    case 0: (o, group) = (x[1], x[1])
    case 1 where given == nil:
      group = 1 + random.below(5)
      (x[1], o) = (group * size(12), group * size(12))
    default: break
    }
    while true {
      let k = (size(5), size(5)), s = (size(3), size(3)), d = (size(2), size(2))
      let p = (random.below(4), random.below(4), random.below(4), random.below(4))
      let height = x[2] + p.0 + p.2 - d.0 * (k.0 - 1) - 1, width = x[3] + p.1 + p.3 - d.1 * (k.1 - 1) - 1
      guard height >= 0, width >= 0 else { continue }
      spec.inputs = [x]
      spec.weight = [o, x[1] / group, k.0, k.1]
      spec.window = [k.0, k.1, s.0, s.1, p.0, p.1, p.2, p.3, d.0, d.1, group, 0, 0]
      spec.output = [1, o, height / s.0 + 1, width / s.1 + 1]
      break
    }
    spec.bias = flag()
    activation(&spec)
  }

  private mutating func transposed(_ spec: inout OperatorSpec) {
    let group = flag() ? 1 : size(4)
    let x = [1, group * size(12), size(6), size(6)]
    while true {
      let k = (size(5), size(5)), s = (size(3), size(3)), d = (size(2), size(2))
      let p = (random.below(3), random.below(3), random.below(3), random.below(3))
      let extra = (random.below(max(s.0, d.0)), random.below(max(s.1, d.1)))
      let height = (x[2] - 1) * s.0 - p.0 - p.2 + d.0 * (k.0 - 1) + 1 + extra.0
      let width = (x[3] - 1) * s.1 - p.1 - p.3 + d.1 * (k.1 - 1) + 1 + extra.1
      guard height > 0, width > 0 else { continue }
      spec.inputs = [x]
      spec.weight = [x[1], size(12), k.0, k.1]
      spec.window = [k.0, k.1, s.0, s.1, p.0, p.1, p.2, p.3, d.0, d.1, group, 0, 0]
      spec.integers = [extra.0, extra.1]
      spec.output = [1, spec.weight[1] * group, height, width]
      break
    }
    spec.bias = flag()
    activation(&spec)
  }

  private mutating func pool(_ spec: inout OperatorSpec) {
    let x = image()
    let include = spec.op == "AveragePool" ? random.below(2) : 0
    while true {
      let k = (size(4), size(4)), s = (size(3), size(3))
      let p = (random.below(k.0), random.below(k.1), random.below(k.0), random.below(k.1))
      let height = x[2] + p.0 + p.2 - k.0, width = x[3] + p.1 + p.3 - k.1
      guard height >= 0, width >= 0 else { continue }
      spec.inputs = [x]
      spec.window = [k.0, k.1, s.0, s.1, p.0, p.1, p.2, p.3, 1, 1, 0, include, 0]
      spec.output = [1, x[1], height / s.0 + 1, width / s.1 + 1]
      return
    }
  }

  // MARK: - Two operands

  private mutating func binary(_ spec: inout OperatorSpec) {
    let y = spec.inputs[0]
    spec.output = y
    activation(&spec)
    /// With some axes repeated, or left out in front.
    func repeated(_ self: inout RandomOperators, isConstant: Bool) -> [Int] {
      var shape = y
      for axis in 1..<y.count where self.random.below(3) == 0 { shape[axis] = 1 }
      guard self.random.below(3) == 0 else { return shape }
      let kept = self.random.below(y.count)
      return (isConstant ? [] : [1]) + shape.suffix(isConstant ? kept : max(kept, 1)).dropFirst(isConstant ? 0 : 1)
    }
    switch given == nil ? random.below(4) : random.below(2) {
    case 0: spec.inputs = [y, y]
    case 1:
      spec.plain = [repeated(&self, isConstant: true)]
      spec.constantFirst = flag()
    default:
      spec.inputs = [y, repeated(&self, isConstant: false)]
      // Each repeats what the other does not.
      for axis in 1..<y.count where spec.inputs[1].count == y.count && spec.inputs[1][axis] == y[axis] {
        if random.below(4) == 0 { spec.inputs[0][axis] = 1 }
      }
      if spec.op != "Div", flag() { spec.inputs.reverse() }
    }
  }

  private mutating func matMul(_ spec: inout OperatorSpec) {
    if let x = given {
      (spec.plain, spec.output) = ([[x.last!, size(20)]], x)
      spec.output[x.count - 1] = spec.plain[0][1]
      return
    }
    let (m, k, p) = (size(20), size(40), size(20))
    if random.below(4) == 0 {
      (spec.inputs, spec.plain, spec.output) = ([[1, k]], [[k, p]], [1, p])
      return
    }
    let outer = (0..<random.below(4)).map { _ in size(3) }
    func part(_ self: inout RandomOperators) -> [Int] {
      Array(outer.map { self.flag() ? $0 : 1 }.suffix(self.flag() ? outer.count : self.random.below(outer.count + 1)))
    }
    let (a, b) = (flag() ? outer : part(&self), part(&self))
    let count = max(a.count, b.count)
    func at(_ s: [Int], _ i: Int) -> Int { i - count + s.count >= 0 ? s[i - count + s.count] : 1 }
    spec.output = [1] + (0..<count).map { max(at(a, $0), at(b, $0)) } + [m, p]
    spec.inputs = [[1] + a + [m, k]]
    if flag() {
      // A constant of the result's rank has a batch of one.
      spec.plain = [(a.count < count || flag() && b.count == count ? [1] : []) + b + [k, p]]
    } else {
      spec.inputs.append([1] + b + [k, p])
    }
  }

  // MARK: - Movement

  private mutating func concat(_ spec: inout OperatorSpec) {
    let x = spec.inputs[0], axis = flag() ? 1 : 1 + random.below(x.count - 1)
    spec.integers = [axis]
    spec.inputs = (0..<size(4)).map { _ in
      var part = x
      if given != nil { return part }
      part[axis] = random.below(3) == 0 ? 16 * size(2) : size(20)
      return part
    }
    spec.output = x
    spec.output[axis] = spec.inputs.reduce(0) { $0 + $1[axis] }
  }

  private mutating func slice(_ spec: inout OperatorSpec) {
    let x = spec.inputs[0]
    var (starts, steps, y) = ([0], [1], [1])
    for length in x.dropFirst() {
      let start = random.below(3) == 0 ? 0 : random.below(length)
      let step = [1, 1, 2, -1, -2][random.below(5)]
      let room = step > 0 ? (length - 1 - start) / step + 1 : start / -step + 1
      starts.append(start)
      steps.append(step)
      y.append(1 + random.below(room))
    }
    (spec.lists, spec.output) = ([starts, steps], y)
  }

  private mutating func pad(_ spec: inout OperatorSpec) {
    let x = spec.inputs[0], mode = random.below(4)
    var (begins, ends) = ([0], [0])
    for length in x.dropFirst() {
      func one(_ self: inout RandomOperators) -> Int {
        if self.random.below(3) == 0 { return 0 }
        if length > 3, self.random.below(4) == 0 { return -1 }
        return self.random.below(mode == 2 ? min(length, 4) : 4)
      }
      begins.append(one(&self))
      ends.append(one(&self))
    }
    spec.integers = [mode]
    spec.values = [mode == 0 ? 0.7 : 0]
    spec.lists = [begins + ends]
    spec.output = zip(x, zip(begins, ends)).map { $0 + $1.0 + $1.1 }
  }

  private mutating func reshaped(_ x: [Int]) -> [Int] {
    var (rest, y) = (x.reduce(1, *), [1])
    for _ in 0..<random.below(5) {
      let divisors = (1...rest).filter { rest % $0 == 0 }
      y.append(divisors[random.below(divisors.count)])
      rest /= y.last!
    }
    return y + [rest]
  }

  private mutating func resize(_ spec: inout OperatorSpec) {
    let x = image()
    let y = [1, x[1], size(14), size(14)]
    spec.inputs = [x]
    spec.output = y
    spec.integers = [random.below(2), random.below(4), random.below(4)]
    spec.values = [Float(y[2]) / Float(x[2]), Float(y[3]) / Float(x[3])]
  }

  private mutating func depth(_ spec: inout OperatorSpec) {
    let b = size(3), (c, h, w) = (flag() ? 16 : size(20), size(5), size(5))
    let deep = [1, c * b * b, h, w], wide = [1, c, h * b, w * b]
    let isToSpace = spec.op == "DepthToSpace"
    spec.integers = isToSpace ? [b, random.below(2)] : [b]
    (spec.inputs, spec.output) = isToSpace ? ([deep], wide) : ([wide], deep)
  }

  private mutating func reduce(_ spec: inout OperatorSpec) {
    let x = spec.inputs[0]
    var axes = (1..<x.count).filter { _ in random.below(2) == 0 }
    if axes.isEmpty { axes = [1 + random.below(x.count - 1)] }
    let keeps = flag()
    spec.integers = [axes.reduce(0) { $0 | 1 << $1 }, keeps ? 1 : 0]
    spec.output = x.indices.compactMap { axes.contains($0) ? (keeps ? 1 : nil) : x[$0] }
  }
}
