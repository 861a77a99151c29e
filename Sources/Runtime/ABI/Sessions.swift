import Bundle
import CCNNRT
import Caller
import CPlatform
import Plan
import Run

/// A `cnnrt_session` is a `Session`.
func session(_ handle: OpaquePointer) -> UnsafeMutablePointer<Session> { UnsafeMutablePointer(handle) }

@_cdecl("cnnrt_session_arena_size") @implementation
public func cnnrt_session_arena_size(
  _ model: OpaquePointer?, _ options: UnsafePointer<cnnrt_session_options>?, _ out: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  attempt(error) { () throws(Failure) in
    let (out, model) = (try require(out, "out"), try require(model, "model"))
    out.pointee = 0
    out.pointee = try SessionBuilder.size(network(model), try read(options).0)
  }
}

@_cdecl("cnnrt_session_create") @implementation
public func cnnrt_session_create(
  _ model: OpaquePointer?, _ options: UnsafePointer<cnnrt_session_options>?,
  _ out: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<cnnrt_error>?
) -> cnnrt_status {
  out?.pointee = nil
  return attempt(error) { () throws(Failure) in
    let (out, model) = (try require(out, "out"), try require(model, "model"))
    let (parsed, given) = try read(options)
    let size = try SessionBuilder.size(network(model), parsed)
    if let arena = given.arena {
      guard UInt(bitPattern: arena) % 64 == 0 else { throw invalid("options.arena", "it is not aligned to 64 bytes.") }
      guard given.arena_bytes >= size else {
        throw invalid("options.arena", "it has % bytes and the session needs %.", given.arena_bytes, size)
      }
    }
    let limit = network(model).pointee.limits.memory
    let memory = given.arena != nil ? given.arena! : try allocateMemory(size, limit: limit)
    let environment = cp_float_begin()
    let session = SessionBuilder.build(network(model), parsed, in: memory)
    cp_float_end(environment)
    session.pointee.ownsArena = given.arena == nil
    do throws(Failure) { try start(session) } catch {
      if session.pointee.ownsArena { cp_free(memory) }
      throw error
    }
    out.pointee = OpaquePointer(session)
  }
}

@_cdecl("cnnrt_session_destroy") @implementation
public func cnnrt_session_destroy(_ session: OpaquePointer?) {
  guard let session: UnsafeMutablePointer<Session> = session.map({ UnsafeMutablePointer($0) }) else { return }
  end(session)
  if session.pointee.ownsArena { cp_free(session) }
}

private func read(
  _ options: UnsafePointer<cnnrt_session_options>?
) throws(Failure) -> (SessionOptions, cnnrt_session_options) {
  var o = cnnrt_session_options()
  if let options { try readStruct(options, into: &o, "options") }
  guard o.flags & ~UInt32(CNNRT_SESSION_PROFILE) == 0, o.reserved == 0 else {
    throw invalid("options", "flags or reserved have unknown bits. Set them to 0.")
  }
  guard o.threads >= 0, o.batch >= 0, o.arena_bytes >= 0 else {
    throw invalid("options", "threads, batch or arena_bytes is negative.")
  }
  var parsed = SessionOptions()
  parsed.batch = max(1, Int(o.batch))
  parsed.threads = min(max(1, Int(o.threads)), SessionOptions.maxThreads)
  parsed.profile = o.flags & UInt32(CNNRT_SESSION_PROFILE) != 0
  parsed.parallelFor = o.parallel_for
  parsed.parallelContext = o.parallel_context
  return (parsed, o)
}
