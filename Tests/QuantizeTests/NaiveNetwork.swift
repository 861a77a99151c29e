import CNNModel

/// Computes a graph with the plainest loops, in double precision: the yardstick for passes and for quantization. An
/// int8 graph's tensors hold stored values; float ones hold real values.
struct NaiveNetwork {
  let graph: Graph
  private(set) var values: [String: [Double]] = [:]

  /// Runs the graph on one image of real values; a quantized input is quantized first.
  init(_ graph: Graph, input: [Float]) {
    self.graph = graph
    for (name, tensor) in graph.tensors { values[name] = tensor.data.map(Self.doubles) }
    values[graph.inputs[0]] = input.map { Double($0) }
    if let quantization = graph.tensors[graph.inputs[0]]!.quantization {
      values[graph.inputs[0]] = input.map { Self.quantized(Double($0) / Double(quantization.scales[0]), quantization) }
    }
    for layer in graph.operators { values[layer.output] = result(of: layer) }
  }

  /// A tensor's real values.
  func real(_ name: String) -> [Double] {
    guard let quantization = graph.tensors[name]!.quantization else { return values[name]! }
    return values[name]!.map { ($0 - Double(quantization.zeroPoint)) * Double(quantization.scales[0]) }
  }

  private static func doubles(_ data: TensorData) -> [Double] {
    switch data {
    case .float32(let a): a.map(Double.init)
    case .int8(let a): a.map(Double.init)
    case .int32(let a): a.map(Double.init)
    default: fatalError("no operator has such a constant")
    }
  }

  /// The stored value of a real one that is given in units of the scale.
  private static func quantized(_ value: Double, _ quantization: Quantization) -> Double {
    min(max(value.rounded(.toNearestOrEven) + Double(quantization.zeroPoint), 0), 255)
  }

  private func result(of layer: Operator) -> [Double] {
    let x = layer.inputs[0]
    let quantization = graph.tensors[layer.output]!.quantization
    switch layer.kind {
    case .conv(let window, _): return multiply(layer, window, image: graph.tensors[x]!.shape)
    case .gemm: return multiply(layer, Window(1), image: graph.tensors[x]!.shape + [1, 1])
    case .flatten: return values[x]!
    case .relu:
      let zero = Double(graph.tensors[x]!.quantization?.zeroPoint ?? 0)
      return values[x]!.map { max($0, zero) }
    case .maxPool(let window, _): return pool(values[x]!, layer, window) { $0.max()! }
    case .averagePool(let window, _, _):
      return stored(pool(real(x), layer, window) { $0.reduce(0, +) / Double($0.count) }, quantization, layer)
    case .globalMaxPool: return planes(values[x]!, x).map { $0.max()! }
    case .globalAveragePool:
      return stored(planes(real(x), x).map { $0.reduce(0, +) / Double($0.count) }, quantization, layer)
    case .add: return stored(zip(real(x), real(layer.inputs[1])).map(+), quantization, layer)
    case .batchNormalization(let epsilon):
      let (scale, shift, mean, variance) = (
        values[layer.inputs[1]]!, values[layer.inputs[2]]!, values[layer.inputs[3]]!, values[layer.inputs[4]]!
      )
      let result = planes(real(x), x).enumerated().flatMap { channel, plane in
        plane.map { value in
          let normalized = (value - mean[channel]) / (variance[channel] + Double(epsilon)).squareRoot()
          return normalized * scale[channel] + shift[channel]
        }
      }
      return stored(result, quantization, layer)
    case .softmax:
      let logits = real(x)
      let exponentials = logits.map { exponential($0 - logits.max()!) }
      return exponentials.map { $0 / exponentials.reduce(0, +) }
    default: fatalError("no reference for \(layer.kind.name)")
    }
  }

  /// Applies the activation to real values, and quantizes where the output is quantized.
  private func stored(_ real: [Double], _ quantization: Quantization?, _ layer: Operator) -> [Double] {
    let clamped = layer.activation == .relu ? real.map { max($0, 0) } : real
    guard let quantization else { return clamped }
    return clamped.map { Self.quantized($0 / Double(quantization.scales[0]), quantization) }
  }

  private func multiply(_ layer: Operator, _ window: Window, image: [Int]) -> [Double] {
    let x = graph.tensors[layer.inputs[0]]!
    let weightTensor = graph.tensors[layer.inputs[1]]!
    let weight = values[layer.inputs[1]]!
    let offset = Double(x.quantization?.zeroPoint ?? 0)
    let input = values[layer.inputs[0]]!.map { $0 - offset }
    let size = (try! window.outputSize(of: image, ceilMode: false))
    let channels = weightTensor.shape[0]
    var sums: [Double] = []
    for channel in 0..<channels {
      let factor = Double((x.quantization?.scales[0] ?? 1) * (weightTensor.quantization?.scales[channel] ?? 1))
      for oy in 0..<size[0] {
        for ox in 0..<size[1] {
          var sum = layer.input(2).map { values[$0]![channel] } ?? 0
          for c in 0..<image[1] {
            for ky in 0..<window.kernelHeight {
              for kx in 0..<window.kernelWidth {
                let iy = oy * window.strideY - window.padTop + ky * window.dilationY
                let ix = ox * window.strideX - window.padLeft + kx * window.dilationX
                guard 0..<image[2] ~= iy, 0..<image[3] ~= ix else { continue }
                let position = ((channel * image[1] + c) * window.kernelHeight + ky) * window.kernelWidth + kx
                sum += input[(c * image[2] + iy) * image[3] + ix] * weight[position]
              }
            }
          }
          sums.append(sum * factor)
        }
      }
    }
    return stored(sums, graph.tensors[layer.output]!.quantization, layer)
  }

  private func planes(_ values: [Double], _ tensor: String) -> [[Double]] {
    let shape = graph.tensors[tensor]!.shape
    let plane = shape.dropFirst(2).reduce(1, *)
    return (0..<shape[1]).map { Array(values[$0 * plane..<($0 + 1) * plane]) }
  }

  private func pool(
    _ values: [Double], _ layer: Operator, _ window: Window, _ reduce: ([Double]) -> Double
  ) -> [Double] {
    let image = graph.tensors[layer.inputs[0]]!.shape
    let output = graph.tensors[layer.output]!.shape
    return planes(values, layer.inputs[0]).flatMap { plane in
      (0..<output[2] * output[3]).map { position in
        var seen: [Double] = []
        for ky in 0..<window.kernelHeight {
          for kx in 0..<window.kernelWidth {
            let iy = position / output[3] * window.strideY - window.padTop + ky * window.dilationY
            let ix = position % output[3] * window.strideX - window.padLeft + kx * window.dilationX
            if 0..<image[2] ~= iy, 0..<image[3] ~= ix { seen.append(plane[iy * image[3] + ix]) }
          }
        }
        return reduce(seen)
      }
    }
  }

  private func exponential(_ x: Double) -> Double {
    // (1 + x/2ⁿ)^(2ⁿ): five digits, enough to tell a softmax from anything else.
    (0..<24).reduce(1 + x / Double(1 << 24)) { value, _ in value * value }
  }
}
