import CCNNRT
import CNNModel

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

/// An open model, closed with its last reference.
final class OpenModel: @unchecked Sendable {
  let handle: OpaquePointer

  init(
    _ bytes: [UInt8], isa: String? = nil, flags: Int = CNNRT_MODEL_COPY, maxMemory: UInt64 = 0, maxWork: UInt64 = 0
  ) throws(CallError) {
    var options = cnnrt_model_options()
    options.size = MemoryLayout<cnnrt_model_options>.size
    options.flags = UInt32(flags)
    options.max_memory = maxMemory
    options.max_work = maxWork
    var model: OpaquePointer?
    let name = isa.map { Array($0.utf8CString) }
    try check { error in
      func open(_ isa: UnsafePointer<CChar>?) -> cnnrt_status {
        options.isa = isa
        return cnnrt_model_open_memory(bytes, bytes.count, &options, &model, error)
      }
      return name?.withUnsafeBufferPointer { open($0.baseAddress) } ?? open(nil)
    }
    handle = model!
  }

  deinit { cnnrt_model_close(handle) }

  convenience init(_ graph: Graph, isa: String? = nil) throws {
    try self.init(try BundleWriter(codec: .stored).bytes(of: graph), isa: isa)
  }
}
