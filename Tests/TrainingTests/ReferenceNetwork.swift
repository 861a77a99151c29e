import CNNModel
import Foundation

/// The networks that can be trained, forward, as plain loops in double precision over row-major arrays, with batch
/// statistics and softmax cross-entropy; backward is the tape's affair. The trainer's gradients are compared with these,
/// and these with finite differences.
struct ReferenceNetwork {
  let graph: Graph
  /// By name of the constant.
  var parameters: [String: [Double]]
  /// What a Dropout of a name multiplies its elements with.
  var masks: [String: [Double]] = [:]

  init(_ graph: Graph) {
    self.graph = graph
    parameters = graph.tensors.compactMapValues { $0.data?.floats.map { $0.map(Double.init) } }
  }

  /// Mean loss, and the gradients of the parameters by name. `usesRunning`: with the running statistics.
  func loss(_ batch: Batch, usesRunning: Bool = false) -> (loss: Double, gradients: [String: [Double]]) {
    let run = ReferenceRun(self, batch, usesRunning: usesRunning)
    let last = graph.operators.last!
    for op in graph.operators where op.kind != .softmax || op != last { run.forward(op) }
    let loss = run.loss(last.kind == .softmax ? last.inputs[0] : graph.outputs[0], batch.labels)
    let derivatives = run.tape.derivatives(of: loss)
    let gradients = run.constants.mapValues { $0.numbers.map { derivatives[$0] } }
    return (run.tape.values[loss], gradients)
  }
}

/// Numbers on a tape with a shape.
struct Numbers {
  var shape: [Int]
  var numbers: [Int]

  /// Elements between neighbours along each axis.
  var strides: [Int] { shape.indices.map { shape[($0 + 1)...].reduce(1, *) } }

  subscript(index: [Int]) -> Int { numbers[zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }] }
}

/// All indices of a shape, in order.
func indices(_ shape: [Int]) -> [[Int]] {
  shape.reduce([[]]) { list, count in list.flatMap { index in (0..<count).map { index + [$0] } } }
}

final class ReferenceRun {
  let tape = Tape()
  let network: ReferenceNetwork
  let batch: Int
  let usesRunning: Bool
  private var values: [String: Numbers] = [:]
  private(set) var constants: [String: Numbers] = [:]

  init(_ network: ReferenceNetwork, _ batch: Batch, usesRunning: Bool) {
    self.network = network
    self.batch = batch.labels.count
    self.usesRunning = usesRunning
    for (name, list) in network.parameters {
      constants[name] = Numbers(shape: network.graph.tensors[name]!.shape, numbers: list.map(tape.number))
    }
    let input = network.graph.inputs[0]
    values[input] = Numbers(shape: shape(input), numbers: batch.images.map { tape.number(Double($0)) })
  }

  private func shape(_ name: String) -> [Int] {
    [batch] + network.graph.tensors[name]!.shape.dropFirst()
  }

  private func value(_ name: String) -> Numbers { constants[name] ?? values[name]! }
  private func number(_ i: Int) -> Double { tape.values[i] }

  func loss(_ logits: String, _ labels: [Int32]) -> Int {
    let z = value(logits), classes = z.shape[1]
    let losses = labels.indices.map { image in
      let row = Array(z.numbers[image * classes..<(image + 1) * classes])
      let sum = tape.sum(row.map(tape.exponential))
      let log = tape.function(sum, Foundation.log(number(sum)), slope: 1 / number(sum))
      return tape.subtract(log, row[Int(labels[image])])
    }
    return tape.sum(losses, times: 1 / Double(labels.count))
  }

  func forward(_ op: Operator) {
    let x = value(op.inputs[0]), shape = shape(op.output)
    var y = Numbers(shape: shape, numbers: [])
    switch op.kind {
    case .conv(let window, let group): y.numbers = convolution(op, x, shape, window, group)
    case .convTranspose(let window, let group, _, _): y.numbers = transposed(op, x, shape, window, group)
    case .gemm:
      y = matrixProduct(x, transpose(value(op.inputs[1]), [1, 0]), shape)
      if let bias = op.input(2) {
        y.numbers = y.numbers.indices.map { tape.add(y.numbers[$0], value(bias).numbers[$0 % shape[1]]) }
      }
    case .matMul: y = matrixProduct(x, value(op.inputs[1]), shape)
    case .batchNormalization(let epsilon): y.numbers = batchNormalization(op, x, Double(epsilon))
    case .layerNormalization(let axis, let epsilon):
      let length = x.shape[axis...].reduce(1, *)
      let (scale, bias) = (op.input(1).map(value), op.input(2).map(value))
      y.numbers = normalise(x, Double(epsilon), group: { $0 / length }) { v, i in
        let scaled = scale.map { self.tape.multiply(v, $0.numbers[i % length]) } ?? v
        return bias.map { self.tape.add(scaled, $0.numbers[i % length]) } ?? scaled
      }
    case .groupNormalization(let groups, let epsilon):
      y.numbers = groupNormalization(op, x, x.shape[1] / groups, Double(epsilon))
    case .instanceNormalization(let epsilon): y.numbers = groupNormalization(op, x, 1, Double(epsilon))
    case .lrn(let size, let alpha, let beta, let bias):
      y.numbers = localResponse(x, size, Double(alpha), Double(beta), Double(bias))
    case .relu: y.numbers = x.numbers.map { clamp($0, 0, .infinity) }
    case .clip(let low, let high): y.numbers = x.numbers.map { clamp($0, Double(low), Double(high)) }
    case .unary(let function): y.numbers = x.numbers.map { unary(function, $0) }
    case .pRelu:
      let slope = value(op.inputs[1]), plane = x.strides[1]
      y.numbers = x.numbers.indices.map { i in
        let v = x.numbers[i]
        return number(v) < 0 ? tape.multiply(v, slope.numbers[i / plane % x.shape[1]]) : v
      }
    case .binary(let function): y.numbers = binary(function, x, value(op.inputs[1]), shape)
    case .dropout:
      let mask = network.masks[op.name]!
      y.numbers = x.numbers.indices.map { i in
        tape.function(x.numbers[i], number(x.numbers[i]) * mask[i], slope: mask[i])
      }
    case .maxPool(let window, _): y.numbers = pool(x, shape, window) { inside, _ in largest(inside) }
    case .averagePool(let window, let countsPadding, _):
      y.numbers = pool(x, shape, window) { inside, padded in
        tape.sum(inside, times: 1 / Double(countsPadding ? padded : inside.count))
      }
    case .globalMaxPool: y.numbers = pool(x, shape, whole(x)) { inside, _ in largest(inside) }
    case .globalAveragePool:
      y.numbers = pool(x, shape, whole(x)) { inside, _ in tape.sum(inside, times: 1 / Double(inside.count)) }
    case .reduce(let reduction, let axes, let keepsDims): y.numbers = reduce(reduction, x, axes, keepsDims, shape)
    case .softmax(let axis): y.numbers = softmax(x, axis)
    case .flatten, .reshape: y.numbers = x.numbers
    case .transpose(let perm): y = transpose(x, perm)
    case .concat(let axis):
      y.numbers = indices(shape).map { index in
        var index = index
        for name in op.inputs {
          let part = value(name)
          if index[axis] < part.shape[axis] { return part[index] }
          index[axis] -= part.shape[axis]
        }
        preconditionFailure()
      }
    case .slice(let slice):
      y.numbers = indices(shape).map { index in
        x[index.indices.map { $0 == 0 ? index[0] : slice.starts[$0] + index[$0] * slice.steps[$0] }]
      }
    case .pad(let padding): y.numbers = pad(x, padding, shape)
    case .resize(let resize): y.numbers = self.resize(x, resize, shape)
    case .depthToSpace(let b, let mode):
      y.numbers = indices(shape).map { i in
        let place = i[2] % b * b + i[3] % b
        return x[[i[0], mode == .crd ? i[1] * b * b + place : place * shape[1] + i[1], i[2] / b, i[3] / b]]
      }
    case .spaceToDepth(let b):
      y.numbers = indices(shape).map { i in
        let (place, c) = (i[1] / x.shape[1], i[1] % x.shape[1])
        return x[[i[0], c, i[2] * b + place / b, i[3] * b + place % b]]
      }
    case .quantizeLinear, .dequantizeLinear: preconditionFailure("only float networks are trained")
    }
    let (low, high) = op.activation.bounds
    if op.activation != .none { y.numbers = y.numbers.map { clamp($0, Double(low), Double(high)) } }
    values[op.output] = y
  }

  // MARK: - Element by element

  private func clamp(_ x: Int, _ low: Double, _ high: Double) -> Int {
    let v = number(x)
    return tape.function(x, min(max(v, low), high), slope: v > low && v < high ? 1 : 0)
  }

  private func unary(_ function: UnaryFunction, _ x: Int) -> Int {
    let v = number(x)
    func sigmoid(_ v: Double) -> Double { 1 / (1 + exp(-v)) }
    switch function {
    case .leakyRelu(let alpha): return tape.function(x, v < 0 ? Double(alpha) * v : v, slope: v < 0 ? Double(alpha) : 1)
    case .elu(let alpha):
      return tape.function(x, v < 0 ? Double(alpha) * (exp(v) - 1) : v, slope: v < 0 ? Double(alpha) * exp(v) : 1)
    case .sigmoid: return tape.function(x, sigmoid(v), slope: sigmoid(v) * (1 - sigmoid(v)))
    case .tanh: return tape.function(x, Foundation.tanh(v), slope: 1 - pow(Foundation.tanh(v), 2))
    case .swish(let alpha):
      let s = sigmoid(Double(alpha) * v)
      return tape.function(x, v * s, slope: s + v * Double(alpha) * s * (1 - s))
    case .hardSigmoid(let alpha, let beta):
      let inner = Double(alpha) * v + Double(beta)
      return tape.function(x, min(max(inner, 0), 1), slope: inner > 0 && inner < 1 ? Double(alpha) : 0)
    case .hardSwish:
      let slope = v <= -3 ? 0 : v >= 3 ? 1 : v / 3 + 0.5
      return tape.function(x, v * min(max(v / 6 + 0.5, 0), 1), slope: slope)
    case .erf: return tape.function(x, erf(v), slope: 2 / Double.pi.squareRoot() * exp(-v * v))
    case .gelu(let approximate):
      guard approximate else {
        let whole = 0.5 * (1 + erf(v / 2.0.squareRoot()))
        return tape.function(x, v * whole, slope: whole + v * exp(-v * v / 2) / (2 * Double.pi).squareRoot())
      }
      let root = (2 / Double.pi).squareRoot(), t = Foundation.tanh(root * (v + 0.044715 * v * v * v))
      let slope = 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * root * (1 + 3 * 0.044715 * v * v)
      return tape.function(x, 0.5 * v * (1 + t), slope: slope)
    }
  }

  private func binary(_ function: BinaryFunction, _ a: Numbers, _ b: Numbers, _ shape: [Int]) -> [Int] {
    /// An operand's element: its axes are the last ones, an axis of one is repeated.
    func element(_ x: Numbers, _ index: [Int]) -> Int {
      let own = index.suffix(x.shape.count)
      return x[zip(own, x.shape).map { $1 == 1 ? 0 : $0 }]
    }
    return indices(shape).map { index in
      let (l, r) = (element(a, index), element(b, index))
      switch function {
      case .add: return tape.add(l, r)
      case .sub: return tape.subtract(l, r)
      case .mul: return tape.multiply(l, r)
      case .div: return tape.divide(l, r)
      }
    }
  }

  // MARK: - Products

  private func convolution(_ op: Operator, _ x: Numbers, _ shape: [Int], _ w: Window, _ group: Int) -> [Int] {
    let weight = value(op.inputs[1]), bias = op.input(2).map(value)
    let (inputs, outputs) = (x.shape[1] / group, shape[1] / group)
    return indices(shape).map { i in
      tape.products(bias?.numbers[i[1]]) { add in
        for c in 0..<inputs {
          for ky in 0..<w.kernelHeight {
            for kx in 0..<w.kernelWidth {
              let y = i[2] * w.strideY - w.padTop + ky * w.dilationY
              let column = i[3] * w.strideX - w.padLeft + kx * w.dilationX
              guard 0..<x.shape[2] ~= y, 0..<x.shape[3] ~= column else { continue }
              let from = ((i[0] * x.shape[1] + i[1] / outputs * inputs + c) * x.shape[2] + y) * x.shape[3] + column
              add(x.numbers[from], weight.numbers[((i[1] * inputs + c) * w.kernelHeight + ky) * w.kernelWidth + kx])
            }
          }
        }
      }
    }
  }

  private func transposed(_ op: Operator, _ x: Numbers, _ shape: [Int], _ w: Window, _ group: Int) -> [Int] {
    let weight = value(op.inputs[1]), bias = op.input(2).map(value)
    let (inputs, outputs) = (x.shape[1] / group, shape[1] / group)
    return indices(shape).map { i in
      tape.products(bias?.numbers[i[1]]) { add in
        for c in i[1] / outputs * inputs..<(i[1] / outputs + 1) * inputs {
          for ky in 0..<w.kernelHeight {
            for kx in 0..<w.kernelWidth {
              let (y, column) = (i[2] + w.padTop - ky * w.dilationY, i[3] + w.padLeft - kx * w.dilationX)
              guard y >= 0, column >= 0, y % w.strideY == 0, column % w.strideX == 0,
                y / w.strideY < x.shape[2], column / w.strideX < x.shape[3]
              else { continue }
              add(x[[i[0], c, y / w.strideY, column / w.strideX]], weight[[c, i[1] % outputs, ky, kx]])
            }
          }
        }
      }
    }
  }

  private func matrixProduct(_ a: Numbers, _ b: Numbers, _ shape: [Int]) -> Numbers {
    let k = a.shape.last!
    func element(_ x: Numbers, _ outer: ArraySlice<Int>, _ inner: [Int]) -> Int {
      let own = outer.suffix(x.shape.count - 2)
      return x[zip(own, x.shape).map { $1 == 1 ? 0 : $0 } + inner]
    }
    let numbers = indices(shape).map { i in
      tape.products(nil) { add in
        for j in 0..<k {
          add(element(a, i.dropLast(2), [i[i.count - 2], j]), element(b, i.dropLast(2), [j, i.last!]))
        }
      }
    }
    return Numbers(shape: shape, numbers: numbers)
  }

  // MARK: - Normalisation

  /// (x − mean) / √(variance + epsilon) within the elements of each group, then `body`.
  private func normalise(
    _ x: Numbers, _ epsilon: Double, group: (Int) -> Int, _ body: (_ v: Int, _ i: Int) -> Int
  ) -> [Int] {
    var y = x.numbers
    for (_, members) in Dictionary(grouping: x.numbers.indices, by: group) {
      let mean = tape.sum(members.map { x.numbers[$0] }, times: 1 / Double(members.count))
      let rest = members.map { tape.subtract(x.numbers[$0], mean) }
      let variance = tape.sum(rest.map { tape.multiply($0, $0) }, times: 1 / Double(members.count))
      let inverse = tape.power(tape.add(variance, tape.number(epsilon)), -0.5)
      for (i, r) in zip(members, rest) { y[i] = body(tape.multiply(r, inverse), i) }
    }
    return y
  }

  private func batchNormalization(_ op: Operator, _ x: Numbers, _ epsilon: Double) -> [Int] {
    let (scale, bias, plane) = (value(op.inputs[1]), value(op.inputs[2]), x.strides[1])
    func channel(_ i: Int) -> Int { i / plane % x.shape[1] }
    guard usesRunning else {
      return normalise(x, epsilon, group: channel) {
        self.tape.add(self.tape.multiply($0, scale.numbers[channel($1)]), bias.numbers[channel($1)])
      }
    }
    let (mean, variance) = (value(op.inputs[3]), value(op.inputs[4]))
    return x.numbers.indices.map { i in
      let c = channel(i), inverse = tape.power(tape.add(variance.numbers[c], tape.number(epsilon)), -0.5)
      let normal = tape.multiply(tape.subtract(x.numbers[i], mean.numbers[c]), inverse)
      return tape.add(tape.multiply(normal, scale.numbers[c]), bias.numbers[c])
    }
  }

  private func groupNormalization(_ op: Operator, _ x: Numbers, _ size: Int, _ epsilon: Double) -> [Int] {
    let (scale, bias, plane) = (value(op.inputs[1]), value(op.inputs[2]), x.strides[1])
    return normalise(x, epsilon, group: { $0 / (plane * size) }) { v, i in
      let c = i / plane % x.shape[1]
      return self.tape.add(self.tape.multiply(v, scale.numbers[c]), bias.numbers[c])
    }
  }

  private func localResponse(_ x: Numbers, _ size: Int, _ alpha: Double, _ beta: Double, _ bias: Double) -> [Int] {
    indices(x.shape).map { i in
      let neighbours = max(0, i[1] - (size - 1) / 2)...min(x.shape[1] - 1, i[1] + size / 2)
      let squares = neighbours.map { c in tape.multiply(x[[i[0], c, i[2], i[3]]], x[[i[0], c, i[2], i[3]]]) }
      let divisor = tape.add(tape.number(bias), tape.sum(squares, times: alpha / Double(size)))
      return tape.multiply(x[i], tape.power(divisor, -beta))
    }
  }

  // MARK: - Many to one

  private func largest(_ numbers: [Int]) -> Int {
    let top = numbers.map(number).max()!
    return numbers.first { number($0) == top }!
  }

  private func whole(_ x: Numbers) -> Window { Window(kernelHeight: x.shape[2], kernelWidth: x.shape[3]) }

  /// `body` gets the elements of each window and by how many an average divides that counts padding.
  private func pool(
    _ x: Numbers, _ shape: [Int], _ w: Window, _ body: (_ inside: [Int], _ padded: Int) -> Int
  ) -> [Int] {
    indices(shape).map { i in
      var inside: [Int] = [], padded = 0
      for ky in 0..<w.kernelHeight {
        for kx in 0..<w.kernelWidth {
          let y = i[2] * w.strideY - w.padTop + ky * w.dilationY
          let column = i[3] * w.strideX - w.padLeft + kx * w.dilationX
          if y < x.shape[2] + w.padBottom && column < x.shape[3] + w.padRight { padded += 1 }
          if 0..<x.shape[2] ~= y, 0..<x.shape[3] ~= column { inside.append(x[[i[0], i[1], y, column]]) }
        }
      }
      return body(inside, padded)
    }
  }

  private func reduce(
    _ reduction: Reduction, _ x: Numbers, _ axes: [Int], _ keepsDims: Bool, _ shape: [Int]
  ) -> [Int] {
    indices(shape).map { place in
      var place = place
      if !keepsDims { for axis in axes { place.insert(0, at: axis) } }
      let members = indices(x.shape.indices.map { axes.contains($0) ? x.shape[$0] : 1 })
        .map { x[zip(place, $0).map { $0 + $1 }] }
      switch reduction {
      case .mean: return tape.sum(members, times: 1 / Double(members.count))
      case .sum: return tape.sum(members)
      case .max: return largest(members)
      case .min:
        let low = members.map(number).min()!
        return members.first { number($0) == low }!
      }
    }
  }

  private func softmax(_ x: Numbers, _ axis: Int) -> [Int] {
    let powers = Numbers(shape: x.shape, numbers: x.numbers.map(tape.exponential))
    return indices(x.shape).map { index in
      let row = (0..<x.shape[axis]).map { i in
        var other = index
        other[axis] = i
        return powers[other]
      }
      return tape.divide(powers[index], tape.sum(row))
    }
  }

  // MARK: - Moving

  private func transpose(_ x: Numbers, _ perm: [Int]) -> Numbers {
    let shape = perm.map { x.shape[$0] }
    return Numbers(
      shape: shape,
      numbers: indices(shape).map { index in
        var from = index
        for (to, axis) in perm.enumerated() { from[axis] = index[to] }
        return x[from]
      })
  }

  private func pad(_ x: Numbers, _ padding: Padding, _ shape: [Int]) -> [Int] {
    indices(shape).map { index in
      var from = index
      for axis in 1..<shape.count {
        let (i, n) = (index[axis] - padding.begins[axis], x.shape[axis])
        switch padding.mode {
        case .constant(let v):
          if !(0..<n ~= i) { return tape.number(Double(v)) }
          from[axis] = i
        case .edge: from[axis] = min(max(i, 0), n - 1)
        case .reflect: from[axis] = i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i
        case .wrap: from[axis] = (i % n + n) % n
        }
      }
      return x[from]
    }
  }

  private func resize(_ x: Numbers, _ r: Resize, _ shape: [Int]) -> [Int] {
    // In binary32, as ARITHMETIC.md states: at ties every bit counts.
    func position(_ i: Int, _ n: Int, _ m: Int, _ scale: Float) -> Double {
      let p: Float =
        switch r.coordinates {
        case .halfPixel: (Float(i) + 0.5) / scale - 0.5
        case .pytorchHalfPixel: m == 1 ? 0 : (Float(i) + 0.5) / scale - 0.5
        case .asymmetric: Float(i) / scale
        case .alignCorners: m == 1 ? 0 : Float(i) * Float(n - 1) / Float(m - 1)
        }
      return Double(p)
    }
    func nearest(_ p: Double, _ rounding: Resize.Rounding, _ n: Int) -> Int {
      let i =
        switch rounding {
        case .preferFloor: (p - 0.5).rounded(.up)
        case .preferCeil: (p + 0.5).rounded(.down)
        case .floor: p.rounded(.down)
        case .ceil: p.rounded(.up)
        }
      return min(max(Int(i), 0), n - 1)
    }
    return indices(shape).map { i in
      let py = position(i[2], x.shape[2], shape[2], r.scaleY)
      let px = position(i[3], x.shape[3], shape[3], r.scaleX)
      if case .nearest(let rounding) = r.mode {
        return x[[i[0], i[1], nearest(py, rounding, x.shape[2]), nearest(px, rounding, x.shape[3])]]
      }
      func tap(_ p: Double, _ n: Int) -> (first: Int, second: Int, weight: Double) {
        let p = min(max(p, 0), Double(n - 1)), first = Int(p)
        return (first, min(first + 1, n - 1), p - Double(first))
      }
      let (row, column) = (tap(py, x.shape[2]), tap(px, x.shape[3]))
      var taps: [Int] = []
      for (y, wy) in [(row.first, 1 - row.weight), (row.second, row.weight)] {
        for (c, wx) in [(column.first, 1 - column.weight), (column.second, column.weight)] {
          taps.append(tape.sum([x[[i[0], i[1], y, c]]], times: wy * wx))
        }
      }
      return tape.sum(taps)
    }
  }
}
