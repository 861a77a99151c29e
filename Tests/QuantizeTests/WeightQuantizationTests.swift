import Testing

import CNNQuantize

@Suite struct WeightQuantizationTests {
  @Test func eachChannelHasItsOwnScale() {
    let found = WeightQuantization(weights: [1, -0.5, 0.25, 127, 3, -2], bias: [0.5, -4], input: 0.5, output: 1)
    #expect(found.scales == [1 / 127, 1])
    #expect(found.values == [127, -64, 32, 127, 3, -2])
    #expect(found.bias == [127, -8])
  }

  @Test func errorIsHalfAStepAtMost() {
    var generator = SeededGenerator(seed: 6)
    for (channels, perChannel) in [(1, 1), (10, 9), (20, 180), (3, 1000)] {
      let weights = generator.normals(channels * perChannel, deviation: 0.1)
      let bias = generator.normals(channels)
      let found = WeightQuantization(weights: weights, bias: bias, input: 0.02, output: 0.05)
      for index in weights.indices {
        let scale = found.scales[index / perChannel]
        #expect(abs(Float(found.values[index]) * scale - weights[index]) <= scale * 0.5001)
      }
      for channel in 0..<channels {
        let step = 0.02 * found.scales[channel]
        #expect(abs(Float(found.bias[channel]) * step - bias[channel]) <= step * 0.5 + abs(bias[channel]) * 1e-6)
      }
    }
  }

  @Test func deadAndNearlyDeadChannels() {
    let weights: [Float] = [0, 0, 0, 0, 1e-20, -1e-20, 1e-38, 0, 1, 1]
    let bias: [Float] = [0, 0.3, 0.3, 0, 1e9]
    let found = WeightQuantization(weights: weights, bias: bias, input: 0.02, output: 0.01)
    for channel in bias.indices {
      let factor = 0.02 * found.scales[channel] / 0.01
      #expect(factor.isNormal && factor > 0)
      let real = Double(found.bias[channel]) * Double(0.02 * found.scales[channel])
      #expect(abs(real - Double(bias[channel])) <= 1e-6 * Double(abs(bias[channel])))
      let products = found.values[2 * channel..<2 * channel + 2].reduce(0) { $0 + abs(Int($1)) } * 255
      #expect(products + abs(Int(found.bias[channel])) < 1 << 31)
    }
    #expect(found.values[0...3].allSatisfy { $0 == 0 })
  }

  /// 100,000 full weights would overflow an int32 sum: the scale grows until they cannot.
  @Test func sumsCannotOverflow() {
    let weights = [Float](repeating: 1, count: 100_000)
    let found = WeightQuantization(weights: weights, bias: [3], input: 0.02, output: 1)
    let products = found.values.reduce(0) { $0 + abs(Int($1)) } * 255
    #expect(products + abs(Int(found.bias[0])) < 1 << 31)
    #expect(abs(Float(found.values[0]) * found.scales[0] - 1) < 0.02)
  }
}
