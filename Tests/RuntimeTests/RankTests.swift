import CCNNRT
import CNNSupport
import Testing

/// Arrays of every rank, in any order of the axes in memory.
struct RankTests {
  @Test(arguments: 1...6) func stridesOfEveryRank(rank: Int) throws {
    var random = Random(seed: UInt64(rank))
    for op in ["Relu", "InstanceNormalization"] where rank > 1 || op == "Relu" {
      for _ in 0..<20 {
        let shape = [1] + (1..<max(rank, 1)).map { _ in 1 + random.below(rank < 4 ? 20 : 4) }
        let spec = OperatorSpec(
          op: op, inputs: [shape], output: shape, values: op == "Relu" ? [] : [1e-3],
          perChannel: op == "Relu" ? [] : [shape[1], shape[1]])
        let batch = 2, count = shape.reduce(batch, *)
        let session = try OpenSession(OpenModel(spec.bundle().bytes)) { $0.batch = Int32(batch) }
        let values = spec.input(0, batch: batch)
        let plain = OperatorTests.floats(try session.run(spec.ports(), [RawBundle.bytes(values)])[0])
        // The same by other strides, in and out.
        let dims = [batch] + shape.dropFirst()
        func strides(_ order: [Int]) -> [Int] {
          var (strides, step) = ([Int](repeating: 0, count: rank), 1)
          for axis in order {
            strides[axis] = step
            step *= dims[axis]
          }
          return strides
        }
        func places(_ strides: [Int]) -> [Int] {
          (0..<count).map { index in
            var (rest, place) = (index, 0)
            for axis in dims.indices.reversed() {
              place += rest % dims[axis] * strides[axis]
              rest /= dims[axis]
            }
            return place
          }
        }
        let (input, output) = (strides(random.permutation(rank)), strides(random.permutation(rank)))
        var (x, y) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
        for (i, place) in places(input).enumerated() { x[place] = values[i] }
        func array(_ strides: [Int], _ data: UnsafeMutablePointer<Float>) -> cnnrt_array {
          var a = cnnrt_array(shape, batch: batch)
          a.data = UnsafeMutableRawPointer(data)
          withUnsafeMutableBytes(of: &a.strides) { bytes in
            for axis in 0..<rank { bytes.bindMemory(to: Int64.self)[axis] = Int64(4 * strides[axis]) }
          }
          return a
        }
        try x.withUnsafeMutableBufferPointer { x in
          var a = array(input, x.baseAddress!)
          try check { cnnrt_session_set_input(session.handle, 0, &a, $0) }
        }
        try session.run()
        try y.withUnsafeMutableBufferPointer { y in
          var a = array(output, y.baseAddress!)
          try check { cnnrt_session_get_output(session.handle, 0, &a, $0) }
        }
        #expect(places(output).map { y[$0] } == plain, "\(op) \(shape), strides \(input) and \(output)")
      }
    }
  }
}
