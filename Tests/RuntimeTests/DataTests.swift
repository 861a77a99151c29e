import CCNNRT
import CNNModel
import Testing

/// Data in and out: types, strides, maps, the largest values, the self-test.
struct DataTests {
  /// y = relu(x), so that what goes in comes out.
  static func identity(_ shape: [Int], quantization: Quantization? = nil) -> Graph {
    var graph = Graph()
    for name in ["x", "y"] {
      graph.tensors[name] = Tensor(quantization == nil ? .float32 : .uint8, shape: shape, quantization: quantization)
    }
    graph.operators = [Operator("relu", .relu, inputs: ["x"], outputs: ["y"])]
    graph.inputs = ["x"]
    graph.outputs = ["y"]
    return graph
  }

  @Test func stridesOfEveryOrder() throws {
    let (n, c, h, w) = (2, 19, 5, 3)
    let session = try OpenSession(OpenModel(Self.identity([1, c, h, w]))) { $0.batch = Int32(n) }
    func value(_ i: (Int, Int, Int, Int)) -> Float { Float(1 + i.0 * 1000 + i.1 * 50 + i.2 * 7 + i.3) }
    let orders: [(Int, Int, Int, Int)] = [
      (c * h * w, h * w, w, 1), (h * w * c, 1, w * c, c), (1, n, n * c, n * c * h),
      (c * h * w * 2, h * w * 2, w * 2, 2),
    ]
    for input in orders {
      for output in orders {
        var x = [Float](repeating: 0, count: 2 * n * c * h * w)
        var y = x
        func each(_ body: ((Int, Int, Int, Int)) -> Void) {
          for a in 0..<n { for b in 0..<c { for d in 0..<h { for e in 0..<w { body((a, b, d, e)) } } } }
        }
        func place(_ s: (Int, Int, Int, Int), _ i: (Int, Int, Int, Int)) -> Int {
          i.0 * s.0 + i.1 * s.1 + i.2 * s.2 + i.3 * s.3
        }
        each { x[place(input, $0)] = value($0) }
        func array(_ s: (Int, Int, Int, Int), _ data: UnsafeMutablePointer<Float>) -> cnnrt_array {
          var a = cnnrt_array([n, c, h, w], batch: n)
          a.data = UnsafeMutableRawPointer(data)
          a.strides = (Int64(4 * s.0), Int64(4 * s.1), Int64(4 * s.2), Int64(4 * s.3), 0, 0)
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
        var wrong = 0
        each { if y[place(output, $0)] != value($0) { wrong += 1 } }
        #expect(wrong == 0)
        #expect(y.filter { $0 != 0 }.count == n * c * h * w, "nothing else is written")
      }
    }
  }

  /// x / scale, to nearest even, + zero point, clamped; and back.
  @Test func floatsAreQuantized() throws {
    let q = Quantization(scale: 0.25, zeroPoint: 100)
    let session = try OpenSession(OpenModel(Self.identity([1, 8], quantization: q)))
    var x: [Float] = [0.125, 0.375, 1e9, 38.75, 38.8, 0.1, 7, -0.0]
    var a = cnnrt_array([1, 8])
    try x.withUnsafeMutableBytes { raw in
      a.data = raw.baseAddress
      try check { cnnrt_session_set_input(session.handle, 0, &a, $0) }
    }
    try session.run()
    var y = [Float](repeating: 0, count: 8)
    try y.withUnsafeMutableBytes { raw in
      a.data = raw.baseAddress
      try check { cnnrt_session_get_output(session.handle, 0, &a, $0) }
    }
    #expect(y == [0, 0.5, 38.75, 38.75, 38.75, 0, 7, 0])
    #expect(
      try session.outputs(Self.identity([1, 8], quantization: q))[0] == [100, 102, 255, 255, 255, 100, 128, 100])
  }

  @Test(arguments: [1, 3, 4, 5, 16, 17]) func mapsWhereTheOrderIsPlain(channels: Int) throws {
    for shape in [[1, channels, 4, 3], [1, channels]] {
      var graph = Self.identity(shape)
      if shape.count == 4 {
        // An image that a convolution reads lies in pixels.
        graph.tensors["w"] = Tensor(
          .float32(
            (0..<channels * channels * 9).map { i in
              i / 9 % channels == i / 9 / channels && i % 9 == 4 ? 1 : 0
            }), shape: [channels, channels, 3, 3])
        graph.operators = [Operator("conv", .conv(Window(3, padding: 1)), inputs: ["x", "w"], outputs: ["y"])]
      }
      let session = try OpenSession(OpenModel(graph))
      var (x, y) = (sized(cnnrt_array(), \.size), sized(cnnrt_array(), \.size))
      if shape.count == 4 && channels > 16 {
        #expect(cnnrt_session_map_input(session.handle, 0, &x, nil) == CNNRT_ERROR_UNSUPPORTED)
        continue
      }
      try check { cnnrt_session_map_input(session.handle, 0, &x, $0) }
      try check { cnnrt_session_map_output(session.handle, 0, &y, $0) }
      #expect(x.rank == UInt32(shape.count) && x.shape.1 == Int64(channels) && x.type == CNNRT_FLOAT32)
      let (height, width) = shape.count == 4 ? (4, 3) : (1, 1)
      func each(_ a: cnnrt_array, _ body: (Int, UnsafeMutablePointer<Float>) -> Void) {
        for c in 0..<channels {
          for row in 0..<height {
            for column in 0..<width {
              let offset = c * Int(a.strides.1) + row * Int(a.strides.2) + column * Int(a.strides.3)
              body(c * 100 + row * 10 + column, (a.data + offset).assumingMemoryBound(to: Float.self))
            }
          }
        }
      }
      each(x) { $1.pointee = Float($0 + 1) }
      for _ in 0..<2 {
        try session.run()
        each(y) { #expect($1.pointee == Float($0 + 1)) }
      }
    }
  }

  @Test func topK() throws {
    let session = try OpenSession(OpenModel(Self.identity([1, 7]))) { $0.batch = 2 }
    var values: [Float] = [0, 3, 1, 3, .nan, 2, 0.5, 9, 8, 7, 6, 5, 4, 3]
    var a = cnnrt_array([1, 7], batch: 2)
    #expect(cnnrt_session_top_k(session.handle, 0, 1, nil, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    var best = [cnnrt_class](repeating: cnnrt_class(), count: 10)
    #expect(cnnrt_session_top_k(session.handle, 0, 1, &best, nil) == CNNRT_ERROR_STATE)
    try values.withUnsafeMutableBytes { raw in
      a.data = raw.baseAddress
      try check { cnnrt_session_set_input(session.handle, 0, &a, $0) }
    }
    try session.run()
    try check { cnnrt_session_top_k(session.handle, 0, 3, &best, $0) }
    #expect(best.prefix(3).map(\.index) == [1, 3, 5] && best[0].score == 3 && best[2].score == 2)
    try check { cnnrt_session_top_k_at(session.handle, 0, 1, 9, &best, $0) }
    #expect(best.prefix(9).map(\.index) == [0, 1, 2, 3, 4, 5, 6, .max, .max] && best[8].score == 0)
    #expect(cnnrt_session_top_k_at(session.handle, 0, 2, 9, &best, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_session_top_k(session.handle, 1, 9, &best, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
  }

  @Test func wrongArraysAreRefused() throws {
    let session = try OpenSession(OpenModel(Self.identity([1, 3, 4, 5])))
    var data = [Float](repeating: 0, count: 60)
    func refused(_ place: String, _ change: (inout cnnrt_array) -> Void) throws {
      let error = try ModelTests.error {
        try data.withUnsafeMutableBytes { raw in
          var a = cnnrt_array([1, 3, 4, 5])
          a.data = raw.baseAddress
          change(&a)
          try check { cnnrt_session_set_input(session.handle, 0, &a, $0) }
        }
      }
      #expect(error.status == CNNRT_ERROR_INVALID_ARGUMENT && error.place == place && error.message.count > 20)
    }
    try refused("array.data") { $0.data = nil }
    try refused("array.type") { $0.type = CNNRT_UINT8 }
    try refused("array.type") { $0.type = cnnrt_type(77) }
    try refused("array.rank") { $0.rank = 3 }
    try refused("array.shape") { $0.shape.0 = 2 }
    try refused("array.shape") { $0.shape.3 = -5 }
    try refused("array") { $0.size = 3 }
    var a = cnnrt_array([1, 3, 4, 5])
    #expect(cnnrt_session_set_input(session.handle, 1, &a, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_session_get_output(session.handle, 0, &a, nil) == CNNRT_ERROR_STATE)
  }

  @Test(arguments: [false, true]) func selfTest(quantized: Bool) throws {
    var graph = try ModelTests.network(quantized: quantized, seed: 77)
    for isa in Library.isas {
      for batch in [1, 3] {
        let session = try OpenSession(OpenModel(graph, isa: isa)) { $0.batch = Int32(batch) }
        try check { cnnrt_session_self_test(session.handle, $0) }
      }
    }
    let name = graph.outputs[0]
    var bytes = graph.selfTest!.outputs[0].bytes
    bytes[bytes.count - 1] ^= 64
    graph.selfTest!.outputs[0] = TensorData(type: graph.tensors[name]!.type, bytes: bytes)
    let session = try OpenSession(OpenModel(graph))
    let error = try ModelTests.error { try check { cnnrt_session_self_test(session.handle, $0) } }
    #expect(error.status == CNNRT_ERROR_SELF_TEST && error.place == "output \(name)" && error.message.hasPrefix("1 of"))
    graph.selfTest = nil
    let without = try OpenSession(OpenModel(graph))
    #expect(cnnrt_session_self_test(without.handle, nil) == CNNRT_ERROR_STATE)
  }
}
