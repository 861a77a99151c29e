import CNNData
import CNNModel
import CNNRT
import CNNSupport

/// A network of the zoo for a data set's images and classes, as it is before the first step.
func untrainedNetwork(
  _ settings: Settings, _ dataset: Dataset, _ split: Split, _ normalization: Normalization
) throws(CNNError) -> Graph {
  guard let order: Recipe.ChannelOrder = dataset.channels == 1 ? .grey : dataset.channels == 3 ? .rgb : nil else {
    throw CNNError("images of \(dataset.channels) channels; 1 (grey) or 3 (RGB) can be used", at: settings.data)
  }
  var graph = try Zoo.make(
    settings.model, classes: dataset.classNames.count,
    input: ImageSize(height: dataset.height, width: dataset.width, channels: dataset.channels),
    width: settings.width, seed: settings.seed)
  graph.recipe = Recipe(
    width: dataset.width, height: dataset.height, channelOrder: order, resize: dataset.resize, mean: normalization.mean,
    deviation: normalization.deviation)
  graph.labels = dataset.classNames
  graph.metadata["tool"] = "cnn-train \(Library.version)"
  // The folder's name, not where it lies: the same data make the same model.
  graph.metadata["dataset"] = settings.data.split(separator: "/").last.map(String.init) ?? settings.data
  for (name, value) in settings.entries where name != "model" {
    graph.metadata["training.\(name.replacing("-", with: "_"))"] = value
  }
  // As a number, whatever the flag said: an export finds the same images.
  graph.metadata["training.validation"] = "\(split.validation.count)"
  return graph
}

/// A trained network with its results and a self-test: the last outputs for an image, to be compared on other machines.
func finishedNetwork(_ trained: Graph, _ metrics: EpochMetrics?, selfTestInput: [Float]) throws -> Graph {
  var graph = trained
  if let metrics {
    graph.metadata["training.epoch"] = "\(metrics.epoch)"
    graph.metadata["training.training_accuracy"] = decimals(metrics.training.accuracy, 2)
    graph.metadata["training.validation_accuracy"] = metrics.validation.map { decimals($0.accuracy, 2) }
  }
  let session = try Session(Model(bytes: BundleWriter(codec: .stored).bytes(of: graph)))
  try session.setInput(selfTestInput.span)
  try session.run()
  // Float results differ by rounding from one instruction set to the next.
  graph.selfTest = SelfTest(
    inputs: [.float32(selfTestInput)], outputs: [.float32(try session.output())], tolerance: 1e-4)
  return graph
}
