import CNNModel
import Foundation

/// The networks that can be trained, as plain loops in double precision over NCHW arrays: forward with batch
/// statistics, softmax cross-entropy, backward. The trainer's gradients are compared with these, and these with
/// finite differences.
struct ReferenceNetwork {
  let graph: Graph
  /// By name of the constant.
  var parameters: [String: [Double]]

  init(_ graph: Graph) {
    self.graph = graph
    parameters = graph.tensors.compactMapValues { $0.data?.floats.map { $0.map(Double.init) } }
  }

  struct Shape {
    var n: Int, c: Int, h: Int, w: Int
    var count: Int { n * c * h * w }
    func at(_ n: Int, _ c: Int, _ y: Int, _ x: Int) -> Int { ((n * self.c + c) * h + y) * w + x }
  }

  private func shape(_ tensor: String, _ count: Int) -> Shape {
    let s = graph.tensors[tensor]!.shape
    return Shape(n: count, c: s[1], h: s.count > 2 ? s[2] : 1, w: s.count > 2 ? s[3] : 1)
  }

  /// Mean loss, and the gradients of the parameters by name. `usesRunning`: with the running statistics.
  func loss(_ batch: Batch, usesRunning: Bool = false) -> (loss: Double, gradients: [String: [Double]]) {
    let n = batch.labels.count
    var values: [String: [Double]] = [graph.inputs[0]: batch.images.map(Double.init)]
    for op in graph.operators where op.kind != .softmax { forward(op, n, &values, usesRunning) }
    let last = graph.operators.last!
    let logits = last.kind == .softmax ? last.inputs[0] : graph.outputs[0]
    let classes = graph.tensors[logits]!.shape[1]
    var loss = 0.0, gradient = [Double](repeating: 0, count: n * classes)
    for i in 0..<n {
      let z = Array(values[logits]![i * classes..<(i + 1) * classes]), top = z.max()!
      let sum = z.reduce(0) { $0 + exp($1 - top) }
      loss += (log(sum) + top - z[Int(batch.labels[i])]) / Double(n)
      for c in 0..<classes {
        let probability = exp(z[c] - top) / sum
        gradient[i * classes + c] = (probability - (c == Int(batch.labels[i]) ? 1 : 0)) / Double(n)
      }
    }
    var gradients = [logits: gradient]
    for op in graph.operators.reversed() where op.kind != .softmax { backward(op, n, values, &gradients) }
    return (loss, gradients.filter { parameters[$0.key] != nil })
  }
}

// MARK: - Layers

extension ReferenceNetwork {
  private func forward(_ op: Operator, _ n: Int, _ values: inout [String: [Double]], _ usesRunning: Bool) {
    let x = values[op.inputs[0]]!, xs = shape(op.inputs[0], n), ys = shape(op.output, n)
    var y = [Double](repeating: 0, count: ys.count)
    switch op.kind {
    case .conv, .gemm:
      let weight = parameters[op.inputs[1]]!
      let bias = op.input(2).map { parameters[$0]! }
      for i in 0..<ys.count { y[i] = bias?[i / (ys.h * ys.w) % ys.c] ?? 0 }
      forEachProduct(op, xs, ys) { y[$0] += x[$1] * weight[$2] }
    case .batchNormalization(let epsilon):
      for c in 0..<xs.c {
        let s = statistics(op, x, xs, c, usesRunning)
        let scale = parameters[op.inputs[1]]![c] / (s.variance + Double(epsilon)).squareRoot()
        forEachElement(xs, c) { y[$0] = (x[$0] - s.mean) * scale + parameters[op.inputs[2]]![c] }
      }
    case .relu: y = x.map { max($0, 0) }
    case .maxPool, .globalMaxPool:
      forEachWindow(op, xs, ys) { out, inside, _ in y[out] = inside.map { x[$0] }.max()! }
    case .averagePool, .globalAveragePool:
      forEachWindow(op, xs, ys) { out, inside, count in y[out] = inside.reduce(0) { $0 + x[$1] } / Double(count) }
    case .add: y = zip(x, values[op.inputs[1]]!).map { $0 + $1 }
    case .flatten: y = x
    default: fatalError("no reference for \(op.kind.name)")
    }
    values[op.output] = op.activation == .relu ? y.map { max($0, 0) } : y
  }

  private func backward(
    _ op: Operator, _ n: Int, _ values: [String: [Double]], _ gradients: inout [String: [Double]]
  ) {
    guard var dy = gradients[op.output] else { return }
    let x = values[op.inputs[0]]!, y = values[op.output]!, xs = shape(op.inputs[0], n), ys = shape(op.output, n)
    if op.activation == .relu { for i in dy.indices where y[i] <= 0 { dy[i] = 0 } }
    var dx = [Double](repeating: 0, count: xs.count)
    func add(_ gradient: [Double], to name: String) {
      gradients[name] = gradients[name].map { zip($0, gradient).map { $0 + $1 } } ?? gradient
    }
    switch op.kind {
    case .conv, .gemm:
      let weight = parameters[op.inputs[1]]!
      var dWeight = [Double](repeating: 0, count: weight.count), dBias = [Double](repeating: 0, count: ys.c)
      forEachProduct(op, xs, ys) {
        dWeight[$2] += dy[$0] * x[$1]
        dx[$1] += dy[$0] * weight[$2]
      }
      for i in dy.indices { dBias[i / (ys.h * ys.w) % ys.c] += dy[i] }
      add(dWeight, to: op.inputs[1])
      if let bias = op.input(2) { add(dBias, to: bias) }
    case .batchNormalization(let epsilon):
      let scale = parameters[op.inputs[1]]!
      var dScale = [Double](repeating: 0, count: xs.c), dBias = dScale
      for c in 0..<xs.c {
        let s = statistics(op, x, xs, c, false), inverse = 1 / (s.variance + Double(epsilon)).squareRoot()
        let m = Double(n * xs.h * xs.w)
        forEachElement(xs, c) {
          dBias[c] += dy[$0]
          dScale[c] += dy[$0] * (x[$0] - s.mean) * inverse
        }
        forEachElement(xs, c) {
          let normalised = (x[$0] - s.mean) * inverse
          dx[$0] = scale[c] * inverse * (dy[$0] - dBias[c] / m - normalised * dScale[c] / m)
        }
      }
      add(dScale, to: op.inputs[1])
      add(dBias, to: op.inputs[2])
    case .relu: for i in dx.indices { dx[i] = y[i] > 0 ? dy[i] : 0 }
    case .maxPool, .globalMaxPool:
      forEachWindow(op, xs, ys) { out, inside, _ in
        let top = inside.map { x[$0] }.max()!
        dx[inside.first { x[$0] == top }!] += dy[out]
      }
    case .averagePool, .globalAveragePool:
      forEachWindow(op, xs, ys) { out, inside, count in
        for i in inside { dx[i] += dy[out] / Double(count) }
      }
    case .add:
      add(dy, to: op.inputs[1])
      dx = dy
    case .flatten: dx = dy
    default: fatalError("no reference for \(op.kind.name)")
    }
    add(dx, to: op.inputs[0])
  }

  private func forEachElement(_ s: Shape, _ c: Int, _ body: (Int) -> Void) {
    for n in 0..<s.n {
      for i in 0..<s.h * s.w { body((n * s.c + c) * s.h * s.w + i) }
    }
  }

  private func statistics(
    _ op: Operator, _ x: [Double], _ s: Shape, _ c: Int, _ usesRunning: Bool
  ) -> (mean: Double, variance: Double) {
    if usesRunning { return (parameters[op.inputs[3]]![c], parameters[op.inputs[4]]![c]) }
    let count = Double(s.n * s.h * s.w)
    var mean = 0.0, variance = 0.0
    forEachElement(s, c) { mean += x[$0] / count }
    forEachElement(s, c) { variance += (x[$0] - mean) * (x[$0] - mean) / count }
    return (mean, variance)
  }

  /// Calls `body` with the indices of the output, the input and the weight of each product.
  private func forEachProduct(_ op: Operator, _ xs: Shape, _ ys: Shape, _ body: (Int, Int, Int) -> Void) {
    var window = Window(1)
    if case .conv(let w, _) = op.kind { window = w }
    for n in 0..<ys.n {
      for o in 0..<ys.c {
        for oy in 0..<ys.h {
          for ox in 0..<ys.w {
            for i in 0..<xs.c {
              for ky in 0..<window.kernelHeight {
                let y = oy * window.strideY - window.padTop + ky * window.dilationY
                guard y >= 0, y < xs.h else { continue }
                for kx in 0..<window.kernelWidth {
                  let x = ox * window.strideX - window.padLeft + kx * window.dilationX
                  guard x >= 0, x < xs.w else { continue }
                  let w = ((o * xs.c + i) * window.kernelHeight + ky) * window.kernelWidth + kx
                  body(ys.at(n, o, oy, ox), xs.at(n, i, y, x), w)
                }
              }
            }
          }
        }
      }
    }
  }

  /// Calls `body` with the index of each output, those of the inputs in its window, and by how many an average divides.
  private func forEachWindow(
    _ op: Operator, _ xs: Shape, _ ys: Shape, _ body: (_ out: Int, _ inside: [Int], _ count: Int) -> Void
  ) {
    var w = Window(kernelHeight: xs.h, kernelWidth: xs.w), countsPadding = false
    switch op.kind {
    case .maxPool(let window, _): w = window
    case .averagePool(let window, let include, _): (w, countsPadding) = (window, include)
    default: break
    }
    for n in 0..<ys.n {
      for c in 0..<ys.c {
        for oy in 0..<ys.h {
          for ox in 0..<ys.w {
            var inside: [Int] = [], padded = 0
            for ky in 0..<w.kernelHeight {
              for kx in 0..<w.kernelWidth {
                let y = oy * w.strideY - w.padTop + ky * w.dilationY
                let x = ox * w.strideX - w.padLeft + kx * w.dilationX
                if y < xs.h + w.padBottom && x < xs.w + w.padRight { padded += 1 }
                if y >= 0 && y < xs.h && x >= 0 && x < xs.w { inside.append(xs.at(n, c, y, x)) }
              }
            }
            body(ys.at(n, c, oy, ox), inside, countsPadding ? padded : inside.count)
          }
        }
      }
    }
  }
}
