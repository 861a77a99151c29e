import CCNNRT
import CNNModel
import Foundation

/// The C functions of one library: the one that ships, or the one that also has the naive kernels.
final class Library: @unchecked Sendable {
  private let handle: UnsafeMutableRawPointer

  static let directory = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent()
  static let shipped = Library("libcnnrt.so")
  /// Built by `swift build -c release --product cnnrt-reference`.
  static let reference = Library("libcnnrt-reference.so")

  init(_ name: String) {
    let path = Self.directory.appending(path: name).path
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      fatalError("\(String(cString: dlerror())): swift build -c release --product cnnrt-reference")
    }
    self.handle = handle
  }

  func symbol<F>(_ name: String, _: F.Type) -> F { unsafeBitCast(dlsym(handle, name), to: F.self) }

  typealias Failing = UnsafeMutablePointer<cnnrt_error>?
  typealias Open =
    @convention(c) (
      UnsafeRawPointer?, Int, UnsafePointer<cnnrt_model_options>?, UnsafeMutablePointer<OpaquePointer?>?, Failing
    ) -> cnnrt_status
  typealias Close = @convention(c) (OpaquePointer?) -> Void
  typealias Size =
    @convention(c) (
      OpaquePointer?, UnsafePointer<cnnrt_session_options>?, UnsafeMutablePointer<Int>?, Failing
    ) -> cnnrt_status
  typealias Create =
    @convention(c) (
      OpaquePointer?, UnsafePointer<cnnrt_session_options>?, UnsafeMutablePointer<OpaquePointer?>?, Failing
    ) -> cnnrt_status
  typealias Move = @convention(c) (OpaquePointer?, UInt32, UnsafePointer<cnnrt_array>?, Failing) -> cnnrt_status
  typealias Run = @convention(c) (OpaquePointer?, Failing) -> cnnrt_status
  typealias Available = @convention(c) (UInt32) -> UnsafePointer<CChar>?

  lazy var openMemory = symbol("cnnrt_model_open_memory", Open.self)
  lazy var close = symbol("cnnrt_model_close", Close.self)
  lazy var arenaSize = symbol("cnnrt_session_arena_size", Size.self)
  lazy var create = symbol("cnnrt_session_create", Create.self)
  lazy var destroy = symbol("cnnrt_session_destroy", Close.self)
  lazy var setInput = symbol("cnnrt_session_set_input", Move.self)
  lazy var getOutput = symbol("cnnrt_session_get_output", Move.self)
  lazy var run = symbol("cnnrt_session_run", Run.self)

  static let isas: [String] = {
    let available = shipped.symbol("cnnrt_isa_available", Available.self)
    return (0..<16).compactMap { available($0).map { String(cString: $0) } }
  }()
}

/// A failed call: what the library said.
struct CallError: Error, CustomStringConvertible {
  var status: cnnrt_status
  var place = ""
  var message = ""
  var offset: UInt64 = .max
  var systemError: Int32 = 0
  var description: String { "\(place): \(message) (status \(status.rawValue), offset \(offset))" }
}

/// Runs `body` and throws what it describes when its status is not OK.
func check(_ body: (UnsafeMutablePointer<cnnrt_error>) -> cnnrt_status) throws(CallError) {
  var error = cnnrt_error()
  error.size = MemoryLayout<cnnrt_error>.size
  let status = body(&error)
  guard status != CNNRT_OK else { return }
  func text<T>(_ chars: T) -> String {
    withUnsafeBytes(of: chars) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
  throw CallError(
    status: status, place: text(error.where), message: text(error.message), offset: error.offset,
    systemError: error.system_error)
}

/// A C struct with its size set.
func sized<T>(_ value: T, _ path: WritableKeyPath<T, Int>) -> T {
  var value = value
  value[keyPath: path] = MemoryLayout<T>.size
  return value
}

/// An open model, closed with its last reference.
final class OpenModel: @unchecked Sendable {
  let library: Library
  let handle: OpaquePointer

  init(
    _ bytes: [UInt8], isa: String? = nil, flags: Int = CNNRT_MODEL_COPY, maxMemory: UInt64 = 0, maxWork: UInt64 = 0,
    library: Library = .shipped
  ) throws(CallError) {
    var options = sized(cnnrt_model_options(), \.size)
    options.flags = UInt32(flags)
    options.max_memory = maxMemory
    options.max_work = maxWork
    var model: OpaquePointer?
    let name = isa.map { Array($0.utf8CString) }
    try check { error in
      func open(_ isa: UnsafePointer<CChar>?) -> cnnrt_status {
        options.isa = isa
        return library.openMemory(bytes, bytes.count, &options, &model, error)
      }
      return name?.withUnsafeBufferPointer { open($0.baseAddress) } ?? open(nil)
    }
    self.library = library
    handle = model!
  }

  deinit { library.close(handle) }

  convenience init(_ graph: Graph, isa: String? = nil, library: Library = .shipped) throws {
    try self.init(try BundleWriter(codec: .stored).bytes(of: graph), isa: isa, library: library)
  }
}

/// A session with what a test wants of it, destroyed with its last reference.
final class OpenSession: @unchecked Sendable {
  let model: OpenModel
  let handle: OpaquePointer
  let batch: Int

  init(_ model: OpenModel, _ change: (inout cnnrt_session_options) -> Void = { _ in }) throws(CallError) {
    self.model = model
    var options = sized(cnnrt_session_options(), \.size)
    change(&options)
    var session: OpaquePointer?
    try check { model.library.create(model.handle, &options, &session, $0) }
    handle = session!
    batch = max(1, Int(options.batch))
  }

  deinit { model.library.destroy(handle) }

  func run() throws(CallError) { try check { model.library.run(handle, $0) } }

  /// Runs on the inputs' own bytes (row-major, a batch of them) and gives the outputs' own bytes.
  func run(_ graph: Graph, _ inputs: [[UInt8]]) throws(CallError) -> [[UInt8]] {
    for (index, name) in graph.inputs.enumerated() {
      var bytes = inputs[index]
      try move(model.library.setInput, index, graph.tensors[name]!, &bytes)
    }
    try run()
    return try outputs(graph)
  }

  func outputs(_ graph: Graph) throws(CallError) -> [[UInt8]] {
    var all: [[UInt8]] = []
    for (index, name) in graph.outputs.enumerated() {
      let tensor = graph.tensors[name]!
      var bytes = [UInt8](repeating: 0xA5, count: tensor.count * tensor.type.size * batch)
      try move(model.library.getOutput, index, tensor, &bytes)
      all.append(bytes)
    }
    return all
  }

  private func move(_ function: Library.Move, _ index: Int, _ tensor: Tensor, _ bytes: inout [UInt8]) throws(CallError)
  {
    var array = cnnrt_array(tensor.shape, batch: batch)
    array.type = cnnrt_type(tensor.type.rawValue)
    let handle = handle
    try check { error in
      bytes.withUnsafeMutableBytes {
        array.data = $0.baseAddress
        return function(handle, UInt32(index), &array, error)
      }
    }
  }
}

extension cnnrt_array {
  /// Without gaps; data and type are still to be set.
  init(_ shape: [Int], batch: Int = 1) {
    self = sized(cnnrt_array(), \.size)
    rank = UInt32(shape.count)
    withUnsafeMutableBytes(of: &self.shape) { bytes in
      let dims = bytes.bindMemory(to: Int64.self)
      for axis in shape.indices { dims[axis] = Int64(shape[axis]) }
      dims[0] = Int64(batch)
    }
    type = CNNRT_FLOAT32
  }
}
