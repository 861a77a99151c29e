import CNNData
import CNNModel
import CNNPasses
import CNNRT
import CNNSupport

/// Makes the bundle for the board out of a trained one: folded and fused, in float or int8, with its self-test inside.
///
/// Images: calibration uses training images without those that were set aside for validation; the signal-to-noise
/// ratios and the validation accuracy use the latter; the test images are read at the very end, when nothing is decided
/// any more.
public struct Exporter {
  public struct Options: Sendable {
    public var int8: Bool
    public var calibrationImages = 1024
    public var rangeRule = RangeRule.meanSquaredError
    /// Names of layers that stay in float in an int8 bundle, beside those that have no int8 form.
    public var floatLayers: [String] = []
    /// Of the choice of calibration images.
    public var seed: UInt64 = 0
    public var threads = 1
    public var codec = SectionCodec.deflate
    /// Measure the accuracy on the test images.
    public var test = true
    /// Show on standard error how far it is.
    public var progress = true

    public init(int8: Bool) { self.int8 = int8 }
  }

  /// Written into the bundle and the report.
  public var tool: String
  public var options: Options

  /// - Parameter tool: "cnn-export 1.0.0"
  public init(tool: String, options: Options) { (self.tool, self.options) = (tool, options) }

  /// The bundle, and what there is to say about it.
  public struct Result {
    public var bytes: [UInt8]
    public var report: ExportReport
  }

  /// - Parameters:
  ///   - source: the trained bundle, float, with a recipe.
  ///   - data: nil is allowed for float bundles: nothing is measured then.
  public func export(_ source: BundleReader, name: String, as output: String, data: (any DataSource)?) throws -> Result
  {
    var float = try prepared(try source.graph(), place: name)
    let passes = float.run(Pass.forInference + (options.int8 ? [.batchNormalizationToConv] : []))
    let images = try data.map { try ExportImages($0, float, options) }
    if float.labels.isEmpty, let images { float.labels = images.training.classNames }

    var measured: Measurements
    var result = float
    if options.int8 {
      guard let images else {
        throw CNNError("int8 needs images for calibration", advice: "name a data set with --data")
      }
      let (int8, calibration, floatLayers) = try quantize(float, images)
      measured = try measure(float, int8: int8, calibration, images)
      measured.floatLayers = floatLayers
      result = int8
    } else {
      measured = try images.map { try measure(float, $0) } ?? Measurements()
    }
    if options.test, let data, data.hasTestImages {
      measured.test = try testAccuracy(float, options.int8 ? result : nil, data)
    }

    describe(&result, name: name, data: data, measured)
    let bytes = try SelfTestWriter(codec: options.codec).bytes(of: result) {
      try setSelfTestImage($0, result.recipe!, images)
    }
    return Result(bytes: bytes, report: try report(bytes, result, source, name, output, data, measured, passes))
  }

  private func prepared(_ graph: Graph, place: String) throws -> Graph {
    guard !graph.isQuantized else {
      throw CNNError("is quantized already", at: place, advice: "export from the float bundle that cnn-train wrote")
    }
    guard graph.recipe != nil else {
      throw CNNError("has no image recipe", at: place, advice: "export a bundle that cnn-train wrote")
    }
    guard graph.inputs.count == 1 else {
      throw CNNError("has \(graph.inputs.count) inputs; networks with one can be exported", at: place)
    }
    var graph = graph
    graph.trainingState = nil
    graph.selfTest = nil
    return graph
  }
}

// MARK: Quantization

extension Exporter {
  /// The int8 graph, what was seen of the float one, and the layers that stay in float with the reasons.
  private func quantize(
    _ float: Graph, _ images: ExportImages
  ) throws -> (Graph, Calibration, [ExportReport.FloatLayer]) {
    var calibration = Calibration(float)
    let progress = progress("calibrating", images.calibration.count)
    let runner = try NetworkRunner(float, outputs: calibration.tensors, threads: options.threads)
    try runner.run(images.training, images.calibration, progress: progress) { _, outputs in
      for (tensor, values) in zip(runner.outputs, outputs) { calibration.add(values, of: tensor) }
    }
    progress?.finish()
    if let tensor = calibration.notFinite {
      throw CNNError(
        "has values that are not finite", at: "tensor \(tensor)",
        advice: "training has diverged: train with a lower rate")
    }
    var quantizations = calibration.quantizations(options.rangeRule)
    quantizations[float.inputs[0]] = AffineQuantization(recipe: float.recipe!)
    var int8 = try float.quantized(quantizations)
    var reasons = int8.layersWithoutInt8Form.mapValues(\.what)
    for layer in options.floatLayers where reasons[layer] == nil { reasons[layer] = "as asked for" }
    if !reasons.isEmpty { int8 = try float.quantized(quantizations, floatLayers: Set(reasons.keys)) }
    return (int8, calibration, reasons.sorted { $0.key < $1.key }.map { .init(name: $0.key, reason: $0.value) })
  }
}

// MARK: Words

extension Exporter {
  private func describe(_ graph: inout Graph, name: String, data: (any DataSource)?, _ measured: Measurements) {
    graph.metadata["tool"] = tool
    graph.metadata["export.type"] = options.int8 ? "int8" : "float32"
    if options.int8 {
      graph.metadata["export.calibration_images"] = "\(options.calibrationImages)"
      graph.metadata["export.range_rule"] = options.rangeRule.rawValue
      graph.metadata["export.seed"] = "\(options.seed)"
      if !measured.floatLayers.isEmpty {
        graph.metadata["export.float_layers"] = measured.floatLayers.map(\.name).joined(separator: ",")
      }
    }
    graph.metadata["export.dataset"] = data?.name
    graph.metadata["export.float_accuracy"] = measured.test.map { "\($0.float)" }
    graph.metadata["export.int8_accuracy"] = measured.test?.int8.map { "\($0)" }
    graph.metadata["export.float_validation_accuracy"] = measured.validation.map { "\($0.float)" }
    graph.metadata["export.int8_validation_accuracy"] = measured.validation?.int8.map { "\($0)" }
  }

  private func report(
    _ bytes: [UInt8], _ graph: Graph, _ source: BundleReader, _ name: String, _ output: String,
    _ data: (any DataSource)?,
    _ measured: Measurements, _ passes: [PassReport]
  ) throws -> ExportReport {
    let model = try Model(bytes: bytes)
    return ExportReport(
      source: name, sourceBytes: source.fileBytes, output: output, type: options.int8 ? "int8" : "float32",
      dataset: data?.name, test: measured.test, validation: measured.validation,
      calibrationImages: options.int8 ? options.calibrationImages : nil,
      rangeRule: options.int8 ? options.rangeRule : nil, seed: options.seed, fileBytes: bytes.count,
      arenaBytes: try Session.arenaBytes(model), weightBytes: Int(model.information.weightBytes), passes: passes,
      floatLayers: measured.floatLayers,
      layers: graph.operators.map { layer($0, graph, measured) })
  }

  private func layer(_ layer: Operator, _ graph: Graph, _ measured: Measurements) -> ExportReport.Layer {
    let constants = layer.inputs.compactMap { graph.tensors[$0] }.filter(\.isConstant)
    return ExportReport.Layer(
      name: layer.name, op: layer.kind.name, decibels: measured.decibels[layer.output],
      quantization: graph.tensors[layer.output]?.quantization.map {
        AffineQuantization(scale: $0.scales[0], zeroPoint: $0.zeroPoint)
      },
      clippedPercent: measured.clippedPercent[layer.output],
      parameterBytes: constants.reduce(0) { $0 + $1.count * $1.type.size }, multiplyAdds: graph.multiplyAdds(of: layer))
  }
}
