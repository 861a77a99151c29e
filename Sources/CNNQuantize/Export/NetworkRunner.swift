import CNNData
import CNNModel
import CNNRT
import CNNSupport

/// Runs a graph over images of a data set through libcnnrt, several at a time: what is measured here is what will run
/// on the board. Pixels go in by the recipe, any tensors come out as real values.
public final class NetworkRunner {
  /// The tensors that come out.
  public let outputs: [String]
  private let session: Session
  /// Per output, a batch's values.
  private let values: [UnsafeMutableBufferPointer<Float>]

  /// Keeps the values of a batch below this, so that a large network's tensors fit into memory.
  private static let mostBytes = 64 << 20

  /// - Parameters:
  ///   - outputs: any activations of the graph; nil: the network's own outputs.
  ///   - threads: workers; the results are the same.
  public init(_ graph: Graph, outputs: [String]? = nil, threads: Int) throws {
    var graph = graph
    if let outputs { graph.outputs = outputs }
    graph.selfTest = nil
    graph.removeUnused()
    let sizes = graph.outputs.map { graph.tensors[$0]!.count }
    let batch = min(max(Self.mostBytes / (4 * sizes.reduce(1, +)), 1), 32)
    let model = try Model(bytes: try BundleWriter(codec: .stored).bytes(of: graph))
    session = try Session(model, Session.Options(threads: threads, batch: batch))
    self.outputs = graph.outputs
    values = sizes.map { .allocate(capacity: $0 * batch) }
    for buffer in values { buffer.initialize(repeating: 0) }
  }

  deinit { for buffer in values { buffer.deallocate() } }

  /// Runs the named images. `body` gets the numbers of a batch's images and, per output, their values one image after
  /// another.
  public func run(
    _ dataset: Dataset, _ images: [Int], progress: Progress? = nil,
    _ body: (ArraySlice<Int>, [UnsafeBufferPointer<Float>]) throws -> Void
  ) throws {
    for start in stride(from: 0, to: images.count, by: session.batch) {
      let numbers = images[start..<min(start + session.batch, images.count)]
      for (index, number) in numbers.enumerated() { try session.setImage(dataset, number, batchIndex: index) }
      try session.run()
      for (index, buffer) in values.enumerated() {
        var span = buffer.mutableSpan
        try session.getOutput(into: &span, at: index)
      }
      // The last batch may be smaller than the others.
      try body(numbers, values.map { UnsafeBufferPointer(rebasing: $0[..<($0.count / session.batch * numbers.count)]) })
      progress?.update(numbers.endIndex)
    }
  }

  /// Percent of the images whose largest value of the first output is their label's.
  public func accuracy(_ dataset: Dataset, _ images: [Int], progress: Progress? = nil) throws -> Double {
    var correct = 0
    try run(dataset, images, progress: progress) { numbers, outputs in
      let classes = outputs[0].count / numbers.count
      for (index, number) in numbers.enumerated() {
        let scores = UnsafeBufferPointer(rebasing: outputs[0][index * classes..<(index + 1) * classes])
        let best = scores.indices.max { scores[$0] < scores[$1] }
        if best == Int(dataset.labels[number]) { correct += 1 }
      }
    }
    return 100 * Double(correct) / Double(max(images.count, 1))
  }
}
