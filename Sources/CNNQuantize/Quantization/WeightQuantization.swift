/// The weights and bias of one Conv or Gemm in int8: weight = stored · scale[oc], bias = stored · (input scale ·
/// scale[oc]).
public struct WeightQuantization: Equatable, Sendable {
  /// −127…127, in the order of the float weights: output channels outermost.
  public let values: [Int8]
  /// Per output channel.
  public let scales: [Float]
  /// Per output channel.
  public let bias: [Int32]

  /// - Parameters:
  ///   - weights: any number of weights per output channel, output channels outermost (OIHW).
  ///   - bias: one per output channel (zeros where the layer has none). Like the weights, finite.
  ///   - input: the scale of the layer's input.
  ///   - output: the scale of the layer's uint8 output; 1 where the output is float.
  ///
  /// Each channel's scale is the finest that satisfies all of:
  /// - the largest weight fits into 127;
  /// - the bias keeps within half of int32's range (a channel whose weights nearly vanish, next to a bias that does
  ///   not);
  /// - Σ|w|·255 + |bias| < 2³¹: no sum of products can overflow (ARITHMETIC.md);
  /// - the requantization factor (input · scale) / output is a normal float.
  public init(weights: [Float], bias: [Float], input: Float, output: Float) {
    let channels = bias.count
    let perChannel = weights.count / max(channels, 1)
    var values: [Int8] = []
    var scales: [Float] = []
    var stored: [Int32] = []
    values.reserveCapacity(weights.count)
    for channel in 0..<channels {
      let row = weights[channel * perChannel..<(channel + 1) * perChannel]
      var scale = Self.leastScale(row, bias: bias[channel], input: input, output: output)
      var quantized = Self.quantize(row, bias: bias[channel], scale: scale, input: input)
      while !quantized.fits {
        scale *= 1.25
        quantized = Self.quantize(row, bias: bias[channel], scale: scale, input: input)
      }
      values += quantized.values
      scales.append(scale)
      stored.append(quantized.bias)
    }
    self.values = values
    self.scales = scales
    self.bias = stored
  }

  private static func leastScale(_ weights: ArraySlice<Float>, bias: Float, input: Float, output: Float) -> Float {
    let largest = weights.reduce(0) { max($0, abs($1)) }
    let forWeights = largest / 127
    let forBias = Float(Double(abs(bias)) / (Double(input) * 0x1p30))
    let forFactor = Float(0x1p-100 * Double(output) / Double(input))
    // A dead channel without a bias: any scale does.
    if largest == 0 && bias == 0 { return 1 }
    return max(forWeights, forBias, forFactor)
  }

  private static func quantize(
    _ weights: ArraySlice<Float>, bias: Float, scale: Float, input: Float
  ) -> (values: [Int8], bias: Int32, fits: Bool) {
    let values = weights.map { Int8(min(max(($0 / scale).rounded(.toNearestOrEven), -127), 127)) }
    // The runtime multiplies the sum by the Float product of the two scales: so does this.
    let stored = (Double(bias) / Double(input * scale)).rounded(.toNearestOrEven)
    let products = values.reduce(0.0) { $0 + Double(abs(Int32($1))) } * 255
    let fits = products + abs(stored) < 0x1p31
    return (values, fits ? Int32(stored) : 0, fits)
  }
}
