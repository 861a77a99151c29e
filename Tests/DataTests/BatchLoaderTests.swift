import CNNData
import CNNSupport
import Testing

@Suite struct BatchLoaderTests {
  private let data: Dataset
  private let normalization = Normalization(mean: [0.1, 0.2], deviation: [0.5, 0.25])

  init() throws { data = try randomDataset(count: 50, channels: 2, height: 5, width: 7, seed: 1) }

  private func batches(_ loader: BatchLoader) throws -> [Batch] {
    var batches: [Batch] = []
    while let batch = try loader.next() { batches.append(batch) }
    #expect(try loader.next()?.count == nil, "and none after that")
    return batches
  }

  /// All are kept, so none may be written to again.
  @Test func batchesAreThoseOfTheOrder() throws {
    var random = Random(seed: 2)
    for (count, size) in [(50, 7), (50, 1), (50, 50), (50, 60), (49, 7), (0, 3)] {
      let order = Array(random.permutation(50).prefix(count))
      let loader = try BatchLoader(data, normalization, batch: size, order: order)
      let batches = try batches(loader)
      #expect(batches.count == loader.batchCount)
      #expect(batches.flatMap(\.labels) == order.map { data.labels[$0] })
      for (number, batch) in batches.enumerated() {
        var expected = Batch(normalization)
        try expected.fill(from: data, images: order.dropFirst(number * size).prefix(size))
        #expect(batch.images == expected.images && batch.count == expected.count && batch.targets.isEmpty)
      }
    }
  }

  @Test func anEpochGoesOnWhereItStopped() throws {
    let order = Array(0..<50)
    func loader(firstBatch: Int) throws -> BatchLoader {
      try BatchLoader(
        data, normalization, augmentation: Augmentation("flip,shift:2,mixup:0.5"), batch: 8, order: order, seed: 4,
        epoch: 2, firstBatch: firstBatch)
    }
    let whole = try batches(loader(firstBatch: 0))
    #expect(whole.count == 7)
    for first in 0...9 {
      let rest = try batches(loader(firstBatch: first))
      #expect(rest.map(\.images) == whole.dropFirst(first).map(\.images))
      #expect(rest.map(\.targets) == whole.dropFirst(first).map(\.targets))
      #expect(rest.map(\.labels) == whole.dropFirst(first).map(\.labels))
    }
  }

  @Test func aLoaderCanBeLeftAtAnyTime() throws {
    for taken in 0..<60 {
      let loader = try BatchLoader(
        data, normalization, batch: 3, order: (0..<3000).map { $0 % 50 }, seed: UInt64(taken))
      for _ in 0..<taken % 6 { #expect(try loader.next()?.count == 3) }
      if taken % 2 == 0 {
        loader.cancel()
        #expect(try loader.next()?.count == nil)
        loader.cancel()
      }
    }
  }

  /// While the consumer is slow, no more than two batches are made ahead: memory is bounded. Seen from what is reused.
  @Test func memoryIsUsedAgain() throws {
    let loader = try BatchLoader(data, normalization, batch: 10, order: (0..<2000).map { $0 % 50 })
    var addresses: Set<UnsafeRawPointer> = []
    while let batch = try loader.next() {
      batch.images.withUnsafeBytes { _ = addresses.insert($0.baseAddress!) }
    }
    #expect(addresses.count <= 8)
  }
}
