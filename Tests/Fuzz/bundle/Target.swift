import CCNNRT

/// What the fuzzer's process may use; the library must stay within what it is told.
private var maxMemory: Int { 64 << 20 }
/// Multiply-adds of a run: milliseconds, sanitized.
private var maxWork: UInt64 { 20_000_000 }

/// Opens, looks into, verifies, runs and self-tests whatever the bytes are. Any answer is right but a crash, a hang, a read or write
/// outside (AddressSanitizer) and more memory than was said (libFuzzer's limit).
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  // A mapped file lies at a page's beginning. Exactly as large as the bytes, so that reading past them is seen.
  let bytes = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
  defer { bytes.deallocate() }
  if let data, count > 0 { bytes.copyMemory(from: data, byteCount: count) }
  var options = cnnrt_model_options()
  options.size = MemoryLayout<cnnrt_model_options>.size
  options.max_memory = UInt64(maxMemory)
  options.max_work = maxWork
  if count % 3 == 0 { options.flags = UInt32(CNNRT_MODEL_COPY | CNNRT_MODEL_VERIFY) }
  options.isa = cnnrt_isa_available(UInt32(count % 2))
  var error = cnnrt_error()
  error.size = MemoryLayout<cnnrt_error>.size
  var model: OpaquePointer?
  guard cnnrt_model_open_memory(bytes, count, &options, &model, &error) == CNNRT_OK, let model else { return 0 }
  defer { cnnrt_model_close(model) }
  lookInto(model)
  _ = cnnrt_model_verify(model, &error)
  run(model, threads: Int32(count % 3))
  return 0
}

/// Calls every function that tells about a model, reading all its strings.
private func lookInto(_ model: OpaquePointer) {
  var info = cnnrt_model_info()
  info.size = MemoryLayout<cnnrt_model_info>.size
  guard cnnrt_model_get_info(model, &info) == CNNRT_OK else { return }
  var tensor = cnnrt_tensor_info()
  tensor.size = MemoryLayout<cnnrt_tensor_info>.size
  for index in 0...info.input_count where cnnrt_model_get_input(model, index, &tensor) == CNNRT_OK { read(tensor.name) }
  for index in 0...info.output_count where cnnrt_model_get_output(model, index, &tensor) == CNNRT_OK {
    read(tensor.name)
  }
  for index in 0...min(info.label_count, 1000) { read(cnnrt_model_label(model, index)) }
  for index in 0...min(info.metadata_count, 1000) {
    guard let key = cnnrt_model_metadata_key(model, index) else { continue }
    read(key)
    read(cnnrt_model_metadata(model, key))
  }
  var recipe = cnnrt_recipe()
  recipe.size = MemoryLayout<cnnrt_recipe>.size
  _ = cnnrt_model_get_recipe(model, &recipe)
  for index in 0...min(info.layer_count, 1000) {
    var layer = cnnrt_layer_info()
    layer.size = MemoryLayout<cnnrt_layer_info>.size
    layer.output.size = MemoryLayout<cnnrt_tensor_info>.size
    guard cnnrt_model_get_layer(model, index, &layer) == CNNRT_OK else { continue }
    read(layer.name)
    read(layer.op)
  }
}

private func run(_ model: OpaquePointer, threads: Int32) {
  var error = cnnrt_error()
  error.size = MemoryLayout<cnnrt_error>.size
  var options = cnnrt_session_options()
  options.size = MemoryLayout<cnnrt_session_options>.size
  options.threads = threads
  var arena = 0
  guard cnnrt_session_arena_size(model, &options, &arena, &error) == CNNRT_OK, arena <= maxMemory else { return }
  var session: OpaquePointer?
  guard cnnrt_session_create(model, &options, &session, &error) == CNNRT_OK, let session else { return }
  defer { cnnrt_session_destroy(session) }

  withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 5 * 3 * 3) { pixels in
    for index in pixels.indices { pixels[index] = UInt8(truncatingIfNeeded: index &* 37) }
    var image = cnnrt_image()
    image.size = MemoryLayout<cnnrt_image>.size
    image.pixels = UnsafePointer(pixels.baseAddress)
    image.width = 5
    image.height = 3
    image.channels = 3
    image.row_bytes = 15
    _ = cnnrt_session_set_image(session, &image, &error)
  }
  guard cnnrt_session_run(session, &error) == CNNRT_OK else { return }
  withUnsafeTemporaryAllocation(of: cnnrt_class.self, capacity: 5) { best in
    _ = cnnrt_session_top_k(session, 0, 5, best.baseAddress, &error)
  }
  getOutput(session, model)
  _ = cnnrt_session_self_test(session, &error)
}

/// Copies the first output out, into exactly as much memory as its shape says.
private func getOutput(_ session: OpaquePointer, _ model: OpaquePointer) {
  var tensor = cnnrt_tensor_info()
  tensor.size = MemoryLayout<cnnrt_tensor_info>.size
  guard cnnrt_model_get_output(model, 0, &tensor) == CNNRT_OK else { return }
  var array = cnnrt_array()
  array.size = MemoryLayout<cnnrt_array>.size
  array.type = CNNRT_FLOAT32
  array.rank = tensor.rank
  array.shape = tensor.shape
  var count = 1
  withUnsafeBytes(of: tensor.shape) { shape in
    for size in shape.bindMemory(to: Int64.self).prefix(Int(tensor.rank)) { count *= Int(size) }
  }
  guard count <= maxMemory / 4 else { return }
  let values = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 4)
  defer { values.deallocate() }
  array.data = values
  var error = cnnrt_error()
  error.size = MemoryLayout<cnnrt_error>.size
  _ = cnnrt_session_get_output(session, 0, &array, &error)
}

private func read(_ text: UnsafePointer<CChar>?) {
  guard var next = text else { return }
  while next.pointee != 0 { next += 1 }
}
