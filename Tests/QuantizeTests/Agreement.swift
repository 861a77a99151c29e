import CNNModel
import CNNQuantize
import CNNRT

extension Graph {
  /// What libcnnrt computes of any tensors of a graph for one image.
  func values(of tensors: [String], for input: [Float]) throws -> [[Float]] {
    var graph = self
    graph.outputs = tensors
    graph.removeUnused()
    let session = try Session(Model(bytes: try BundleWriter(codec: .stored).bytes(of: graph)))
    try session.setInput(input.span)
    try session.run()
    return try tensors.indices.map { try session.output($0) }
  }

  /// What a float graph's tensors are quantized with, as one image shows it.
  func calibrated(_ rule: RangeRule, for input: [Float]) throws -> [String: AffineQuantization] {
    var calibration = Calibration(self)
    for (tensor, values) in zip(calibration.tensors, try values(of: calibration.tensors, for: input)) {
      values.withUnsafeBufferPointer { calibration.add($0, of: tensor) }
    }
    var quantizations = calibration.quantizations(rule)
    quantizations["input"] = AffineQuantization(lower: -4, upper: 4)
    return quantizations
  }
}

/// How close values are.
func decibels(_ real: [Float], _ approximate: [Float]) -> Double {
  var ratio = SignalToNoise()
  real.withUnsafeBufferPointer { real in
    approximate.withUnsafeBufferPointer { ratio.add(real: real, approximate: $0) }
  }
  return ratio.decibels
}
