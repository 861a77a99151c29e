import Bundle
import CCNNRT
import Caller
import CPlatform
import Plan

@_cdecl("cnnrt_model_open") @implementation
public func cnnrt_model_open(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<cnnrt_model_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  open(options, out, error, name: path) { (source, copy, limit) throws(Failure) in
    try source.open(path: try require(path, "path"), copy: copy, limit: limit)
  }
}

@_cdecl("cnnrt_model_open_fd") @implementation
public func cnnrt_model_open_fd(
  _ fd: Int32, _ options: UnsafePointer<cnnrt_model_options>?, _ out: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  open(options, out, error) { (source, copy, limit) throws(Failure) in
    try source.open(fd: fd, copy: copy, limit: limit)
  }
}

@_cdecl("cnnrt_model_open_memory") @implementation
public func cnnrt_model_open_memory(
  _ bytes: UnsafeRawPointer?, _ byte_count: Int, _ options: UnsafePointer<cnnrt_model_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  open(options, out, error) { (source, copy, limit) throws(Failure) in
    let start = try require(bytes, "bytes")
    guard byte_count >= 0 else { throw invalid("byte_count", "it is larger than any object. Pass the bundle's size.") }
    try source.open(memory: UnsafeRawBufferPointer(start: start, count: byte_count), copy: copy, limit: limit)
  }
}

private func open(
  _ options: UnsafePointer<cnnrt_model_options>?, _ out: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?, name: UnsafePointer<CChar>? = nil,
  _ openSource: (inout Source, _ copy: Bool, _ limit: Int) throws(Failure) -> Void
) -> cnnrt_status {
  out?.pointee = nil
  var opened = Network()
  let status = attempt(error) { () throws(Failure) in
    let out = try require(out, "out")
    var o = cnnrt_model_options()
    if let options { try readStruct(options, into: &o, "options") }
    guard o.flags & ~3 == 0, o.reserved == 0 else {
      throw invalid("options", "flags or reserved have unknown bits. Set them to 0.")
    }
    let isa = try InstructionSet.choose(o.isa)
    let limits = Limits(
      memory: o.max_memory == 0 ? 2 << 30 : Int(clamping: o.max_memory),
      work: o.max_work == 0 ? 1_000_000_000_000 : Int(clamping: o.max_work))
    do throws(Failure) {
      try openSource(&opened.model.source, o.flags & UInt32(CNNRT_MODEL_COPY) != 0, limits.memory)
    } catch {
      throw name == nil || error.status == CNNRT_ERROR_INVALID_ARGUMENT ? error : error.at("file", name)
    }
    try opened.load(isa, limits)
    if o.flags & UInt32(CNNRT_MODEL_VERIFY) != 0 { try opened.model.verify() }
    out.pointee = OpaquePointer(opened.boxed())
  }
  if status != CNNRT_OK { opened.close() }
  return status
}

@_cdecl("cnnrt_model_close") @implementation
public func cnnrt_model_close(_ model: OpaquePointer?) {
  guard let model else { return }
  // A copy: what it owns includes the memory that it lies in.
  var closing = network(model).pointee
  closing.close()
}

@_cdecl("cnnrt_model_verify") @implementation
public func cnnrt_model_verify(_ model: OpaquePointer?, _ error: UnsafeMutablePointer<cnnrt_error>?) -> cnnrt_status {
  attempt(error) { () throws(Failure) in try network(try require(model, "model")).pointee.model.verify() }
}
