import CCNNRT
import CNNModel
import Foundation
import Testing

struct ModelTests {
  static func network(quantized: Bool = false, seed: UInt64 = 11) throws -> Graph {
    var graphs = RandomGraphs(seed: seed, quantized: quantized)
    return try graphs.decorated()
  }

  static func error(_ body: () throws -> Void) throws -> CallError {
    do { try body() } catch let error as CallError { return error }
    Issue.record("no error")
    return CallError(status: CNNRT_OK)
  }

  // MARK: - Opening

  @Test func fileMemoryAndDescriptor() throws {
    let graph = try Self.network()
    let folder = try Program.folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "model.cnn").path
    for codec in [SectionCodec.stored, .deflate] {
      try BundleWriter(codec: codec).write(graph, to: path)
      for flags in [0, CNNRT_MODEL_COPY, CNNRT_MODEL_VERIFY] {
        var options = sized(cnnrt_model_options(), \.size)
        options.flags = UInt32(flags)
        var model: OpaquePointer?
        try check { cnnrt_model_open(path, &options, &model, $0) }
        var info = sized(cnnrt_model_info(), \.size)
        #expect(cnnrt_model_get_info(model, &info) == CNNRT_OK)
        #expect(info.mapped_bytes == (flags == CNNRT_MODEL_COPY ? 0 : info.file_bytes))
        #expect(info.memory_bytes > (flags == CNNRT_MODEL_COPY ? info.file_bytes : 0))
        #expect(info.layer_count == UInt32(graph.operators.count) && info.has_self_test == 1)
        cnnrt_model_close(model)
      }
      let fd = open(path, O_RDONLY)
      var model: OpaquePointer?
      try check { cnnrt_model_open_fd(fd, nil, &model, $0) }
      close(fd)
      try check { cnnrt_model_verify(model, $0) }
      var session: OpaquePointer?
      try check { cnnrt_session_create(model, nil, &session, $0) }
      try check { cnnrt_session_self_test(session, $0) }
      cnnrt_session_destroy(session)
      cnnrt_model_close(model)
    }
  }

  @Test func filesThatAreNone() throws {
    let folder = try Program.folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var model: OpaquePointer?
    let missing = try Self.error {
      try check { cnnrt_model_open(folder.appending(path: "none.cnn").path, nil, &model, $0) }
    }
    #expect(missing.status == CNNRT_ERROR_IO && missing.systemError == ENOENT && missing.place.hasSuffix("none.cnn"))
    let directory = try Self.error { try check { cnnrt_model_open(folder.path, nil, &model, $0) } }
    #expect(directory.status == CNNRT_ERROR_IO && directory.message.contains("regular file"))
    let empty = folder.appending(path: "empty.cnn")
    try Data().write(to: empty)
    #expect(try Self.error { try check { cnnrt_model_open(empty.path, nil, &model, $0) } }.status == CNNRT_ERROR_FORMAT)
    let closed = try Self.error { try check { cnnrt_model_open_fd(-1, nil, &model, $0) } }
    #expect(closed.status == CNNRT_ERROR_IO && closed.systemError == EBADF)
    #expect(model == nil)
  }

  /// Whatever the address, the weights are aligned.
  @Test func memoryAtAnyAddress() throws {
    let graph = try Self.network(quantized: true)
    let bytes = try BundleWriter(codec: .stored).bytes(of: graph)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 64, alignment: 64)
    defer { memory.deallocate() }
    for shift in [0, 1, 4, 16, 63] {
      UnsafeMutableRawBufferPointer(rebasing: memory[shift...]).copyBytes(from: bytes)
      var model: OpaquePointer?
      try check { cnnrt_model_open_memory(memory.baseAddress! + shift, bytes.count, nil, &model, $0) }
      var info = sized(cnnrt_model_info(), \.size)
      #expect(cnnrt_model_get_info(model, &info) == CNNRT_OK && info.mapped_bytes == 0)
      var session: OpaquePointer?
      try check { cnnrt_session_create(model, nil, &session, $0) }
      try check { cnnrt_session_self_test(session, $0) }
      cnnrt_session_destroy(session)
      cnnrt_model_close(model)
    }
  }

  @Test func limits() throws {
    let bytes = try BundleWriter().bytes(of: Self.network())
    let model = try OpenModel(bytes)
    var info = sized(cnnrt_model_info(), \.size)
    #expect(cnnrt_model_get_info(model.handle, &info) == CNNRT_OK)
    // What it says it took is what it takes: a byte less is refused.
    #expect(try Self.error { _ = try OpenModel(bytes, maxMemory: info.memory_bytes - 1) }.status == CNNRT_ERROR_LIMIT)
    let exact = try OpenModel(bytes, maxMemory: info.memory_bytes)
    #expect(try Self.error { _ = try OpenSession(exact) { $0.batch = 1 << 20 } }.status == CNNRT_ERROR_LIMIT)
    #expect(try Self.error { _ = try OpenModel(bytes, maxWork: 1) }.status == CNNRT_ERROR_LIMIT)
    var size = 0
    var options = sized(cnnrt_session_options(), \.size)
    options.batch = .max
    _ = cnnrt_session_arena_size(exact.handle, &options, &size, nil)
  }

  @Test func instructionSets() throws {
    let graph = try Self.network()
    #expect(Library.isas.first == "baseline" || Library.isas.first == "neon")
    #expect(String(cString: cnnrt_isa()) == Library.isas.last || getenv("CNNRT_ISA") != nil)
    for isa in Library.isas {
      let model = try OpenModel(graph, isa: isa)
      var info = sized(cnnrt_model_info(), \.size)
      #expect(cnnrt_model_get_info(model.handle, &info) == CNNRT_OK && String(cString: info.isa) == isa)
    }
    let unknown = try Self.error { _ = try OpenModel(graph, isa: "mmx") }
    #expect(unknown.status == CNNRT_ERROR_UNSUPPORTED && unknown.place == "isa mmx")
    for isa in ["avx2", "avx512", "avx512vnni", "neon", "neon-dotprod", "reference"] where !Library.isas.contains(isa) {
      #expect(try Self.error { _ = try OpenModel(graph, isa: isa) }.status == CNNRT_ERROR_UNSUPPORTED)
    }
  }

  @Test func verifyFindsFlippedWeights() throws {
    let graph = try Self.network(quantized: true)
    var bytes = try BundleWriter(codec: .stored).bytes(of: graph)
    let whole = try OpenModel(bytes)
    try check { cnnrt_model_verify(whole.handle, $0) }
    // The weights are the last section before the table.
    let table = bytes.withUnsafeBytes { Int($0.load(fromByteOffset: 24, as: UInt64.self)) }
    let weights = (0..<6).map { table + 64 * $0 }.first { bytes[$0] == 2 }!
    let offset = bytes.withUnsafeBytes { Int($0.load(fromByteOffset: weights + 8, as: UInt64.self)) }
    bytes[offset] ^= 1
    let model = try OpenModel(bytes)
    let error = try Self.error { try check { cnnrt_model_verify(model.handle, $0) } }
    #expect(error.status == CNNRT_ERROR_FORMAT && error.place == "section WEIGHTS" && error.offset == UInt64(offset))
    #expect(try Self.error { _ = try OpenModel(bytes, flags: 3) }.status == CNNRT_ERROR_FORMAT)
    let session = try OpenSession(model)
    #expect(
      try Self.error { try check { cnnrt_session_self_test(session.handle, $0) } }.status == CNNRT_ERROR_FORMAT)
  }

  @Test func errorsSayWhereAndFit() throws {
    let bytes = try BundleWriter(codec: .stored).bytes(of: Self.network())
    var damaged = bytes
    damaged[100] ^= 1  // in the first section, the graph
    let error = try Self.error { _ = try OpenModel(damaged) }
    #expect(error.status == CNNRT_ERROR_FORMAT && error.place == "section GRAPH" && error.offset == 64)
    #expect(error.message.contains("checksum"))
    // A struct that is smaller than the library's: nothing behind it is written.
    var memory = [UInt8](repeating: 0x5A, count: MemoryLayout<cnnrt_error>.size)
    memory.withUnsafeMutableBytes { raw in
      raw.storeBytes(of: 16, as: Int.self)
      var model: OpaquePointer?
      let status = cnnrt_model_open_memory(
        damaged, damaged.count, nil, &model, raw.baseAddress!.assumingMemoryBound(to: cnnrt_error.self))
      #expect(status == CNNRT_ERROR_FORMAT && raw.load(fromByteOffset: 8, as: UInt32.self) == status.rawValue)
      #expect(raw[16...].allSatisfy { $0 == 0x5A })
    }
  }

  @Test func optionsOfOtherVersions() throws {
    let bytes = try BundleWriter().bytes(of: Self.network())
    func open(_ size: Int, tail: UInt8) -> cnnrt_status {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 8)
      defer { memory.deallocate() }
      memory.initializeMemory(as: UInt8.self, repeating: 0)
      memory.storeBytes(of: size, as: Int.self)
      memory[100] = tail
      var model: OpaquePointer?
      let options = UnsafePointer(memory.baseAddress!.assumingMemoryBound(to: cnnrt_model_options.self))
      defer { cnnrt_model_close(model) }
      return cnnrt_model_open_memory(bytes, bytes.count, options, &model, nil)
    }
    #expect(open(16, tail: 1) == CNNRT_OK)
    #expect(open(256, tail: 0) == CNNRT_OK)
    #expect(open(256, tail: 1) == CNNRT_ERROR_UNSUPPORTED)
    #expect(open(0, tail: 0) == CNNRT_ERROR_INVALID_ARGUMENT)
  }

  // MARK: - Looking in

  @Test func introspection() throws {
    let graph = try Self.network(quantized: true)
    let model = try OpenModel(graph)
    let m = model.handle
    for (index, name) in graph.inputs.enumerated() {
      var info = sized(cnnrt_tensor_info(), \.size)
      #expect(cnnrt_model_get_input(m, UInt32(index), &info) == CNNRT_OK)
      #expect(String(cString: info.name) == name && info.type == CNNRT_UINT8)
      #expect(info.scale == graph.tensors[name]!.quantization!.scales[0])
    }
    #expect(String(cString: cnnrt_model_label(m, 1)) == "größer" && cnnrt_model_label(m, 2) == nil)
    #expect(String(cString: cnnrt_model_metadata(m, "key")) == "value" && cnnrt_model_metadata(m, "none") == nil)
    #expect(String(cString: cnnrt_model_metadata_key(m, 1)) == "other" && cnnrt_model_metadata_key(m, 2) == nil)
    var info = sized(cnnrt_tensor_info(), \.size)
    #expect(cnnrt_model_get_input(m, 99, &info) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_model_get_output(m, 0, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_model_get_output(nil, 0, &info) == CNNRT_ERROR_INVALID_ARGUMENT)
    var recipe = sized(cnnrt_recipe(), \.size)
    #expect(cnnrt_model_get_recipe(m, &recipe) == (graph.recipe == nil ? CNNRT_ERROR_STATE : CNNRT_OK))
  }

  @Test func statusStrings() {
    let texts = (0..<11).map { String(cString: cnnrt_status_string(cnnrt_status($0))) }
    #expect(Set(texts).count == 11 && texts[0] == "success" && texts[10] == "unknown status")
    #expect(String(cString: cnnrt_version_string()) == "1.0.0" && cnnrt_version() == 10000)
  }

  @Test func nothingIsForNull() {
    var session: OpaquePointer?
    #expect(cnnrt_session_create(nil, nil, &session, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_model_open(nil, nil, nil, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_model_open(nil, nil, &session, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_model_open_memory(nil, 5, nil, &session, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_session_run(nil, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_session_set_input(nil, 0, nil, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_session_self_test(nil, nil) == CNNRT_ERROR_INVALID_ARGUMENT)
    #expect(cnnrt_session_layer_nanoseconds(nil, 0) == -1)
    cnnrt_model_close(nil)
    cnnrt_session_destroy(nil)
  }
}
