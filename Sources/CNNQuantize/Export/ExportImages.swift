import CNNData
import CNNModel
import CNNSupport

/// Which of the training images an export uses, and for what. The test images are not among them.
struct ExportImages {
  let training: Dataset
  /// From the images that were learnt from, at random.
  let calibration: [Int]
  /// Those that were not.
  let validation: [Int]
  /// Where float and int8 are compared layer by layer: at most 256.
  let comparison: [Int]

  init(_ source: any DataSource, _ graph: Graph, _ options: Exporter.Options) throws {
    training = try source.loadTraining()
    let classes = graph.tensors[graph.outputs[0]]!.count
    guard training.classNames.count <= classes else {
      throw CNNError(
        "has \(training.classNames.count) classes, the network \(classes)", at: source.name,
        advice: "name the data that it was trained on with --data")
    }
    let split = try graph.trainingSplit(of: training)
    var random = Random(seed: options.seed)
    let order = random.permutation(split.training.count)
    calibration = order.prefix(options.calibrationImages).map { split.training[$0] }
    validation = split.validation
    comparison = Array((validation.isEmpty ? calibration : validation).prefix(256))
  }
}

extension Graph {
  /// How cnn-train parted the images, by what it wrote into the metadata. A network that came from elsewhere may have
  /// learnt from all of them: then none are left for validation.
  fileprivate func trainingSplit(of dataset: Dataset) throws -> Split {
    guard let seed = metadata["training.seed"].flatMap({ UInt64($0) }) else {
      var random = Random(seed: 0)
      return try Split(count: dataset.count, validation: 0, using: &random)
    }
    var random = Random(imagesOfRun: seed)
    // Where no number was given, it is in words.
    let validation = metadata["training.validation"].flatMap { Int($0) } ?? Split.usualValidation(of: dataset.count)
    return try Split(count: dataset.count, validation: validation, using: &random)
  }
}
