import CNNModel
import Foundation

/// Computes a graph with the plainest loops, in double precision: the yardstick for passes and for quantization. Each
/// operator reads real values, computes real values, and rounds them where its output is quantized.
struct NaiveNetwork {
  let graph: Graph
  /// Stored values where a tensor is quantized, else real ones.
  private(set) var values: [String: [Double]] = [:]

  /// Runs the graph on one image of real values; a quantized input is quantized first.
  init(_ graph: Graph, input: [Float]) {
    self.graph = graph
    for (name, tensor) in graph.tensors { values[name] = tensor.data.map(Self.doubles) }
    values[graph.inputs[0]] = stored(input.map(Double.init), graph.inputs[0])
    for layer in graph.operators {
      let bounds = layer.activation.bounds
      let result = NaiveLayer(self, layer).result().map { min(max($0, Double(bounds.lower)), Double(bounds.upper)) }
      values[layer.output] = stored(result, layer.output)
    }
  }

  /// A tensor's real values.
  func real(_ name: String) -> [Double] {
    let tensor = graph.tensors[name]!
    guard let quantization = tensor.quantization else { return values[name]! }
    // A scale for each index of an axis, for each index of those before it and each element of those behind it.
    if quantization.scales.count > 1 {
      let inner = tensor.shape[(quantization.axis + 1)...].reduce(1, *)
      return values[name]!.enumerated().map { place, value in
        value * Double(quantization.scales[place / inner % quantization.scales.count])
      }
    }
    return values[name]!.map { ($0 - Double(quantization.zeroPoint)) * Double(quantization.scales[0]) }
  }

  private func stored(_ real: [Double], _ tensor: String) -> [Double] {
    guard let quantization = graph.tensors[tensor]!.quantization else { return real }
    return real.map { value in
      // 0 / 0 of a division is the lowest value.
      let rounded = (value / Double(quantization.scales[0])).rounded(.toNearestOrEven) + Double(quantization.zeroPoint)
      return value.isNaN ? 0 : min(max(rounded, 0), 255)
    }
  }

  private static func doubles(_ data: TensorData) -> [Double] {
    switch data {
    case .float32(let a): a.map(Double.init)
    case .int8(let a): a.map(Double.init)
    case .uint8(let a): a.map(Double.init)
    case .int32(let a): a.map(Double.init)
    default: fatalError("no operator has such a constant")
    }
  }
}

/// One operator on real values.
private struct NaiveLayer {
  let network: NaiveNetwork
  let layer: Operator
  let shapes: [[Int]]
  let output: [Int]

  init(_ network: NaiveNetwork, _ layer: Operator) {
    self.network = network
    self.layer = layer
    shapes = layer.inputs.map { network.graph.tensors[$0]?.shape ?? [] }
    output = network.graph.tensors[layer.output]!.shape
  }

  private var x: [Double] { network.real(layer.inputs[0]) }
  private func parameter(_ index: Int) -> [Double]? { layer.input(index).map { network.values[$0]! } }

  func result() -> [Double] {
    switch layer.kind {
    case .conv(let window, let group): return convolution(window, group)
    case .convTranspose(let window, let group, _, _): return transposed(window, group)
    case .gemm: return convolution(Window(1), 1)
    case .matMul: return matMul()
    case .flatten, .reshape, .dropout, .quantizeLinear, .dequantizeLinear: return x
    case .relu: return x.map { max($0, 0) }
    case .clip(let low, let high): return x.map { min(max($0, Double(low)), Double(high)) }
    case .unary(let function): return x.map { apply(function, $0) }
    case .pRelu:
      let (x, slope) = (x, parameter(1)!)
      return indices(output).map { i in x[offset(i, output)] * (x[offset(i, output)] < 0 ? slope[i[1]] : 1) }
    case .binary(let function): return binary(function)
    case .maxPool(let window, _): return pool(window, counted: nil) { values, _ in values.max()! }
    case .averagePool(let window, let countIncludePad, _):
      return pool(window, counted: countIncludePad) { $0.reduce(0, +) / Double($1) }
    case .globalMaxPool: return reduce([2, 3]) { $0.max()! }
    case .globalAveragePool: return reduce([2, 3]) { $0.reduce(0, +) / Double($0.count) }
    case .reduce(let reduction, let axes, _):
      return reduce(axes) { values in
        switch reduction {
        case .mean: values.reduce(0, +) / Double(values.count)
        case .sum: values.reduce(0, +)
        case .max: values.max()!
        case .min: values.min()!
        }
      }
    case .batchNormalization(let epsilon):
      let (x, p) = (x, (1...4).map { parameter($0)! })
      return indices(output).map { i in
        let c = i[1]
        return (x[offset(i, output)] - p[2][c]) / (p[3][c] + Double(epsilon)).squareRoot() * p[0][c] + p[1][c]
      }
    case .layerNormalization(let axis, let epsilon):
      let size = output[axis...].reduce(1, *)
      return normalized(size, epsilon) {
        parameter(1)?[$0 % size] ?? 1
      } shift: {
        parameter(2)?[$0 % size] ?? 0
      }
    case .groupNormalization(let groups, let epsilon):
      return normalized(x.count / groups, epsilon) {
        parameter(1)![channel($0)]
      } shift: {
        parameter(2)![channel($0)]
      }
    case .instanceNormalization(let epsilon):
      return normalized(x.count / output[1], epsilon) {
        parameter(1)![channel($0)]
      } shift: {
        parameter(2)![channel($0)]
      }
    case .lrn(let size, let alpha, let beta, let bias): return lrn(size, Double(alpha), Double(beta), Double(bias))
    case .softmax(let axis): return softmax(axis)
    case .transpose(let perm): return move { i in perm.indices.map { i[perm.firstIndex(of: $0)!] } }
    case .slice(let slice): return move { i in i.indices.map { slice.starts[$0] + i[$0] * slice.steps[$0] } }
    case .pad(let padding): return pad(padding)
    case .concat(let axis): return concat(axis)
    case .resize(let resize): return resized(resize)
    case .depthToSpace(let b, let mode):
      return move { i in
        let part = i[2] % b * b + i[3] % b
        let c = mode == .dcr ? part * output[1] + i[1] : i[1] * b * b + part
        return [i[0], c, i[2] / b, i[3] / b]
      }
    case .spaceToDepth(let b):
      let channels = shapes[0][1]
      return move { i in
        let part = i[1] / channels
        return [i[0], i[1] % channels, i[2] * b + part / b, i[3] * b + part % b]
      }
    }
  }

  // MARK: Indices

  private func indices(_ shape: [Int]) -> [[Int]] {
    shape.reduce([[]]) { heads, size in heads.flatMap { head in (0..<size).map { head + [$0] } } }
  }

  private func offset(_ index: [Int], _ shape: [Int]) -> Int { zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 } }

  /// Of a row-major element of the output.
  private func channel(_ element: Int) -> Int { element / output.dropFirst(2).reduce(1, *) % output[1] }

  private func move(_ source: ([Int]) -> [Int]) -> [Double] {
    let x = x
    return indices(output).map { x[offset(source($0), shapes[0])] }
  }

  /// The element that broadcasting puts at an index.
  private func broadcast(_ index: [Int], _ shape: [Int]) -> Int {
    offset(zip(index.suffix(shape.count), shape).map { $1 == 1 ? 0 : $0 }, shape)
  }

  // MARK: Products

  /// Real weight at a row-major place of an output channel, and the channel's bias.
  private func weights() -> (weight: (Int, Int) -> Double, bias: (Int) -> Double) {
    let (weight, bias) = (parameter(1)!, parameter(2))
    let scales = network.graph.tensors[layer.inputs[1]]!.quantization?.scales.map(Double.init)
    let input = Double(network.graph.tensors[layer.inputs[0]]!.quantization?.scales[0] ?? 1)
    // An int32 bias counts in steps of the input's scale times the weight's.
    return (
      { weight[$0] * (scales?[$1] ?? 1) },
      { channel in (bias?[channel] ?? 0) * (scales.map { $0[channel] * input } ?? 1) }
    )
  }

  private func convolution(_ window: Window, _ group: Int) -> [Double] {
    let (x, image) = (x, shapes[0] + (shapes[0].count == 2 ? [1, 1] : []))
    let shape = shapes[1] + (shapes[1].count == 2 ? [1, 1] : [])
    let (weight, bias) = weights()
    let result = output + (output.count == 2 ? [1, 1] : [])
    return indices(result).map { i in
      var sum = bias(i[1])
      for c in 0..<shape[1] {
        let channel = i[1] / (shape[0] / group) * shape[1] + c
        for ky in 0..<shape[2] {
          for kx in 0..<shape[3] {
            let y = i[2] * window.strideY - window.padTop + ky * window.dilationY
            let column = i[3] * window.strideX - window.padLeft + kx * window.dilationX
            guard 0..<image[2] ~= y, 0..<image[3] ~= column else { continue }
            sum += x[offset([0, channel, y, column], image)] * weight(offset([i[1], c, ky, kx], shape), i[1])
          }
        }
      }
      return sum
    }
  }

  /// Every input pixel spreads over the output.
  private func transposed(_ window: Window, _ group: Int) -> [Double] {
    let (x, image, shape) = (x, shapes[0], shapes[1])
    let (weight, bias) = weights()
    var result = indices(output).map { bias($0[1]) }
    for i in indices(image) {
      for o in 0..<shape[1] {
        let channel = i[1] / (image[1] / group) * shape[1] + o
        for ky in 0..<shape[2] {
          for kx in 0..<shape[3] {
            let y = i[2] * window.strideY - window.padTop + ky * window.dilationY
            let column = i[3] * window.strideX - window.padLeft + kx * window.dilationX
            guard 0..<output[2] ~= y, 0..<output[3] ~= column else { continue }
            result[offset([0, channel, y, column], output)] +=
              x[offset(i, image)] * weight(offset([i[1], o, ky, kx], shape), channel)
          }
        }
      }
    }
    return result
  }

  private func matMul() -> [Double] {
    let (a, b) = (x, network.real(layer.inputs[1]))
    let inner = shapes[0].last!
    return indices(output).map { i in
      (0..<inner).reduce(0.0) { sum, k in
        let left = broadcast(Array(i.dropLast()) + [k], shapes[0])
        let right = broadcast(Array(i.dropLast(2)) + [k, i.last!], shapes[1])
        return sum + a[left] * b[right]
      }
    }
  }

  // MARK: Elements

  private func binary(_ function: BinaryFunction) -> [Double] {
    let (a, b) = (x, network.real(layer.inputs[1]))
    return indices(output).map { i in
      let (p, q) = (a[broadcast(i, shapes[0])], b[broadcast(i, shapes[1])])
      return switch function {
      case .add: p + q
      case .sub: p - q
      case .mul: p * q
      case .div: p / q
      }
    }
  }

  private func apply(_ function: UnaryFunction, _ x: Double) -> Double {
    switch function {
    case .leakyRelu(let alpha): max(x, 0) + Double(alpha) * min(x, 0)
    case .elu(let alpha): max(x, 0) + Double(alpha) * (exp(min(x, 0)) - 1)
    case .sigmoid: 0.5 + 0.5 * Foundation.tanh(x / 2)
    case .tanh: 1 - 2 / (exp(2 * x) + 1)
    case .swish(let alpha): x * (0.5 + 0.5 * Foundation.tanh(Double(alpha) * x / 2))
    case .hardSigmoid(let alpha, let beta): max(0, min(1, Double(alpha) * x + Double(beta)))
    case .hardSwish: x * max(0, min(6, x + 3)) / 6
    case .erf: erf(x)
    case .gelu(false): x * erfc(-x / 2.0.squareRoot()) / 2
    case .gelu(true): x / (1 + exp(-2 * 0.7978845608028654 * (x + 0.044715 * x * x * x)))
    }
  }

  // MARK: Windows and axes

  private func pool(_ window: Window, counted: Bool?, _ value: ([Double], Int) -> Double) -> [Double] {
    let (x, image) = (x, shapes[0])
    return indices(output).map { i in
      var seen: [Double] = []
      var places = 0
      for ky in 0..<window.kernelHeight {
        for kx in 0..<window.kernelWidth {
          let y = i[2] * window.strideY - window.padTop + ky * window.dilationY
          let column = i[3] * window.strideX - window.padLeft + kx * window.dilationX
          if y < image[2] + window.padBottom, column < image[3] + window.padRight { places += 1 }
          if 0..<image[2] ~= y, 0..<image[3] ~= column { seen.append(x[offset([0, i[1], y, column], image)]) }
        }
      }
      return value(seen, counted == true ? places : seen.count)
    }
  }

  private func reduce(_ axes: [Int], _ value: ([Double]) -> Double) -> [Double] {
    let x = x
    var parts: [[Int]: [Double]] = [:]
    for i in indices(shapes[0]) {
      parts[i.indices.map { axes.contains($0) ? 0 : i[$0] }, default: []].append(x[offset(i, shapes[0])])
    }
    let kept = shapes[0].indices.map { axes.contains($0) ? 1 : shapes[0][$0] }
    return indices(kept).map { value(parts[$0]!) }
  }

  /// Runs of `size` elements, each to mean 0 and variance 1.
  private func normalized(
    _ size: Int, _ epsilon: Float, scale: (Int) -> Double, shift: (Int) -> Double
  ) -> [Double] {
    let x = x
    return x.indices.map { element in
      let run = x[element / size * size..<(element / size + 1) * size]
      let mean = run.reduce(0, +) / Double(size)
      let variance = run.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(size)
      return (x[element] - mean) / (variance + Double(epsilon)).squareRoot() * scale(element) + shift(element)
    }
  }

  private func lrn(_ size: Int, _ alpha: Double, _ beta: Double, _ bias: Double) -> [Double] {
    let x = x
    return indices(output).map { i in
      let window = max(0, i[1] - (size - 1) / 2)...min(output[1] - 1, i[1] + size / 2)
      let squares = window.reduce(0.0) { $0 + pow(x[offset([0, $1, i[2], i[3]], output)], 2) }
      return x[offset(i, output)] / pow(bias + alpha / Double(size) * squares, beta)
    }
  }

  private func softmax(_ axis: Int) -> [Double] {
    let x = x
    return indices(output).map { i in
      let row = (0..<output[axis]).map { place in
        var j = i
        j[axis] = place
        return x[offset(j, output)]
      }
      return 1 / row.reduce(0) { $0 + exp($1 - x[offset(i, output)]) }
    }
  }

  // MARK: Moves

  private func concat(_ axis: Int) -> [Double] {
    let parts = layer.inputs.map(network.real)
    return indices(output).map { i in
      var (j, part) = (i, 0)
      while j[axis] >= shapes[part][axis] {
        j[axis] -= shapes[part][axis]
        part += 1
      }
      return parts[part][offset(j, shapes[part])]
    }
  }

  private func pad(_ padding: Padding) -> [Double] {
    let (x, image) = (x, shapes[0])
    return indices(output).map { i in
      var j = i.indices.map { i[$0] - padding.begins[$0] }
      for axis in j.indices where !(0..<image[axis] ~= j[axis]) {
        let size = image[axis]
        switch padding.mode {
        case .constant(let value): return Double(value)
        case .edge: j[axis] = j[axis] < 0 ? 0 : size - 1
        case .reflect: j[axis] = j[axis] < 0 ? -j[axis] : 2 * (size - 1) - j[axis]
        case .wrap: j[axis] = (j[axis] + size) % size
        }
      }
      return x[offset(j, image)]
    }
  }

  private func resized(_ resize: Resize) -> [Double] {
    let (x, image) = (x, shapes[0])
    func place(_ i: Int, _ size: Int, _ result: Int, _ scale: Float) -> Float {
      let i = Float(i)
      switch resize.coordinates {
      case .halfPixel: return (i + 0.5) / scale - 0.5
      case .pytorchHalfPixel: return result == 1 ? 0 : (i + 0.5) / scale - 0.5
      case .asymmetric: return i / scale
      case .alignCorners: return result == 1 ? 0 : i * Float(size - 1) / Float(result - 1)
      }
    }
    return indices(output).map { i in
      let y = place(i[2], image[2], output[2], resize.scaleY)
      let column = place(i[3], image[3], output[3], resize.scaleX)
      func at(_ y: Float, _ column: Float) -> Double {
        let row = Int(min(max(y, 0), Float(image[2] - 1)))
        return x[offset([0, i[1], row, Int(min(max(column, 0), Float(image[3] - 1)))], image)]
      }
      switch resize.mode {
      case .nearest(let rounding):
        func rounded(_ p: Float) -> Float {
          switch rounding {
          case .preferFloor: (p - 0.5).rounded(.up)
          case .preferCeil: (p + 0.5).rounded(.down)
          case .floor: p.rounded(.down)
          case .ceil: p.rounded(.up)
          }
        }
        return at(rounded(y), rounded(column))
      case .linear:
        let (p, q) = (min(max(y, 0), Float(image[2] - 1)), min(max(column, 0), Float(image[3] - 1)))
        let (top, left) = (p.rounded(.down), q.rounded(.down))
        let (v, h) = (Double(p - top), Double(q - left))
        return (at(top, left) * (1 - h) + at(top, left + 1) * h) * (1 - v)
          + (at(top + 1, left) * (1 - h) + at(top + 1, left + 1) * h) * v
      }
    }
  }
}
