import CCNNRT
import CNNModel
import CNNSupport
import Testing

struct SessionTests {
  /// A network that is worth several threads.
  static func large(quantized: Bool) throws -> (Graph, [[UInt8]], Int) {
    var graphs = RandomGraphs(seed: quantized ? 8 : 9, quantized: quantized)
    let graph = try graphs.large()
    return (graph, graphs.values(graph, batch: 3), 3)
  }

  @Test(arguments: [false, true]) func sameBitsForEveryNumberOfThreads(quantized: Bool) throws {
    let (graph, inputs, batch) = try Self.large(quantized: quantized)
    let model = try OpenModel(graph)
    let expected = try OpenSession(model) { $0.batch = Int32(batch) }.run(graph, inputs)
    for threads in [2, 3, 8, 65, 1000] {
      let session = try OpenSession(model) {
        $0.batch = Int32(batch)
        $0.threads = Int32(threads)
      }
      for _ in 0..<20 { #expect(try session.run(graph, inputs) == expected, "\(threads) threads") }
    }
    let session = try OpenSession(model) {
      $0.batch = Int32(batch)
      $0.threads = 7
      $0.parallel_for = { _, task, context, count in
        for index in (0..<count).reversed() { task!(context, index) }
      }
    }
    #expect(try session.run(graph, inputs) == expected, "the caller's loop")
  }

  /// Sessions of several threads share the pool; whoever finds it busy works alone.
  @Test func sessionsAtOnce() async throws {
    let (graph, inputs, batch) = try Self.large(quantized: true)
    let model = try OpenModel(graph)
    let expected = try OpenSession(model) { $0.batch = Int32(batch) }.run(graph, inputs)
    let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
      for k in 0..<4 {
        group.addTask {
          var wrong = 0
          for _ in 0..<3 {
            let session = try OpenSession(model) {
              $0.batch = Int32(batch)
              $0.threads = Int32(2 + k)
            }
            for _ in 0..<30 where try session.run(graph, inputs) != expected { wrong += 1 }
          }
          return wrong
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(wrong == 0)
  }

  @Test(arguments: [false, true]) func batchIsManySingles(quantized: Bool) throws {
    var graphs = RandomGraphs(seed: 21, quantized: quantized)
    for _ in 0..<40 {
      let graph = try graphs.branched()
      let model = try OpenModel(graph)
      let batch = 2 + graphs.random.below(4)
      let inputs = graphs.values(graph, batch: batch)
      let together = try OpenSession(model) { $0.batch = Int32(batch) }.run(graph, inputs)
      let single = try OpenSession(model)
      for image in 0..<batch {
        func part(_ bytes: [UInt8]) -> [UInt8] {
          let size = bytes.count / batch
          return Array(bytes[image * size..<(image + 1) * size])
        }
        // Float kernels may add in another order for another batch.
        ReferenceTests.expectEqual(
          together.map(part), try single.run(graph, inputs.map(part)), graph, "image \(image) of \(batch)")
      }
    }
  }

  /// The stated size is enough and exact: bytes around the arena stay, and one byte less is refused.
  @Test(arguments: [false, true]) func arenaIsExact(quantized: Bool) throws {
    var graphs = RandomGraphs(seed: 33, quantized: quantized)
    for round in 0..<60 {
      let graph = try graphs.branched()
      let model = try OpenModel(graph)
      let inputs = graphs.values(graph, batch: 2)
      var options = sized(cnnrt_session_options(), \.size)
      options.batch = 2
      options.threads = Int32(round % 3)
      options.flags = UInt32(round & 1)
      var size = 0
      try check { model.library.arenaSize(model.handle, &options, &size, $0) }
      #expect(size > 0 && size % 64 == 0)
      let guarded = 256
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size + 2 * guarded, alignment: 64)
      defer { memory.deallocate() }
      for i in memory.indices { memory[i] = UInt8(truncatingIfNeeded: i &* 7 &+ 1) }
      func inArena(_ bytes: Int) throws -> OpenSession {
        try OpenSession(model) {
          $0 = options
          $0.arena = memory.baseAddress! + guarded
          $0.arena_bytes = bytes
        }
      }
      #expect(throws: CallError.self) { try inArena(size - 1) }
      let expected = try OpenSession(model) { $0.batch = 2 }.run(graph, inputs)
      #expect(try inArena(size).run(graph, inputs) == expected)
      for i in memory.indices where i < guarded || i >= guarded + size {
        guard memory[i] == UInt8(truncatingIfNeeded: i &* 7 &+ 1) else {
          Issue.record("byte \(i - guarded) of an arena of \(size) was written")
          break
        }
      }
    }
  }

  @Test func arenaMustBeAligned() throws {
    var graphs = RandomGraphs(seed: 1, quantized: false)
    let model = try OpenModel(try graphs.branched())
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 22, alignment: 64)
    defer { memory.deallocate() }
    do {
      _ = try OpenSession(model) {
        $0.arena = memory.baseAddress! + 32
        $0.arena_bytes = 1 << 21
      }
      Issue.record("an arena that is not aligned was taken")
    } catch { #expect(error.status == CNNRT_ERROR_INVALID_ARGUMENT && error.place == "options.arena") }
  }

  @Test func profileTimesEachLayer() throws {
    let (graph, inputs, batch) = try Self.large(quantized: false)
    let model = try OpenModel(graph)
    let plain = try OpenSession(model)
    #expect(cnnrt_session_layer_nanoseconds(plain.handle, 0) == -1)
    let session = try OpenSession(model) {
      $0.flags = UInt32(CNNRT_SESSION_PROFILE)
      $0.batch = Int32(batch)
    }
    _ = try session.run(graph, inputs)
    for layer in 0..<graph.operators.count {
      #expect(cnnrt_session_layer_nanoseconds(session.handle, UInt32(layer)) > 0)
    }
    #expect(cnnrt_session_layer_nanoseconds(session.handle, UInt32(graph.operators.count)) == -1)
  }
}
