import CNNData
import CNNModel
import CNNSupport

/// What an export finds out before it writes.
struct Measurements {
  var validation: ExportReport.Accuracy?
  var test: ExportReport.Accuracy?
  /// By tensor.
  var decibels: [String: Double] = [:]
  var clippedPercent: [String: Double] = [:]
  var floatLayers: [ExportReport.FloatLayer] = []
}

extension Exporter {
  func measure(_ float: Graph, _ images: ExportImages) throws -> Measurements {
    var measured = Measurements()
    measured.validation = try accuracy("validation", float, nil, images.training, images.validation)
    return measured
  }

  func measure(
    _ float: Graph, int8: Graph, _ calibration: Calibration, _ images: ExportImages
  ) throws -> Measurements {
    var measured = Measurements()
    measured.decibels = try signalToNoise(float, int8, images)
    for (name, tensor) in int8.tensors {
      guard !tensor.isConstant, let quantization = tensor.quantization else { continue }
      let affine = AffineQuantization(scale: quantization.scales[0], zeroPoint: quantization.zeroPoint)
      measured.clippedPercent[name] = calibration.clippedPercent(name, affine)
    }
    measured.validation = try accuracy("validation", float, int8, images.training, images.validation)
    return measured
  }

  private func signalToNoise(_ float: Graph, _ int8: Graph, _ images: ExportImages) throws -> [String: Double] {
    // What lies between two layers in float has no int8 form.
    let tensors = float.operators.map(\.output).filter { int8.tensors[$0] != nil }
    let reference = try NetworkRunner(float, outputs: tensors, threads: options.threads)
    let quantized = try NetworkRunner(int8, outputs: tensors, threads: options.threads)
    var ratios = tensors.map { _ in SignalToNoise() }
    for number in images.comparison {
      try reference.run(images.training, [number]) { _, real in
        try quantized.run(images.training, [number]) { _, approximate in
          for index in ratios.indices { ratios[index].add(real: real[index], approximate: approximate[index]) }
        }
      }
    }
    return Dictionary(uniqueKeysWithValues: zip(tensors, ratios.map(\.decibels)))
  }

  /// nil without images.
  private func accuracy(
    _ what: String, _ float: Graph, _ int8: Graph?, _ dataset: Dataset, _ images: [Int]
  ) throws -> ExportReport.Accuracy? {
    if images.isEmpty { return nil }
    func percent(_ graph: Graph, _ type: String) throws -> Double {
      let progress = progress("\(what), \(type)", images.count)
      let percent = try NetworkRunner(graph, threads: options.threads).accuracy(dataset, images, progress: progress)
      progress?.finish()
      return percent
    }
    return .init(
      images: images.count, float: try percent(float, "float"), int8: try int8.map { try percent($0, "int8") })
  }

  func testAccuracy(_ float: Graph, _ int8: Graph?, _ data: any DataSource) throws -> ExportReport.Accuracy? {
    let test = try data.loadTest()
    return try accuracy("test", float, int8, test, Array(0..<test.count))
  }

  func progress(_ title: String, _ images: Int) -> Progress? {
    options.progress ? Progress(title, total: images) : nil
  }
}
