import Bundle
import CCNNRT
import CKernels
import CPlatform
import Plan

/// Takes the library's pool where the session's calls are worth more threads than the caller's.
public func start(_ session: UnsafeMutablePointer<Session>) throws(Failure) {
  guard session.pointee.options.parallelFor == nil else { return }
  var parts = 1
  for i in 0..<session.pointee.callCount { parts = max(parts, session.pointee.calls[i].parts) }
  if parts > 1 { session.pointee.pool = UnsafeMutableRawPointer(try acquirePool(workers: parts - 1)) }
}

public func end(_ session: UnsafeMutablePointer<Session>) {
  if let pool = session.pointee.pool { releasePool(pool.assumingMemoryBound(to: Pool.self)) }
}

/// Computes the outputs from the inputs: calls the prepared kernels one after another. Allocates nothing.
public func run(_ session: UnsafeMutablePointer<Session>) {
  let environment = cp_float_begin()
  defer { cp_float_end(environment) }
  var pool = session.pointee.pool?.assumingMemoryBound(to: Pool.self)
  if let taken = pool, !enter(taken) { pool = nil }
  defer { if let pool { leave(pool) } }
  let options = session.pointee.options
  let nanoseconds = session.pointee.nanoseconds
  if let nanoseconds { nanoseconds.update(repeating: 0, count: session.pointee.network.pointee.model.operatorCount) }
  for i in 0..<session.pointee.callCount {
    let call = session.pointee.calls[i]
    let before = nanoseconds == nil ? 0 : cp_nanoseconds()
    if call.parts == 1 {
      call.kernel(call.arguments, 0, 1)
    } else if let parallelFor = options.parallelFor {
      var task = call
      parallelFor(options.parallelContext, doShare, &task, Int32(call.parts))
    } else if let pool {
      run(call.kernel, call.arguments, parts: call.parts, on: pool)
    } else {
      call.kernel(call.arguments, 0, 1)
    }
    if let nanoseconds { nanoseconds[call.layer] += cp_nanoseconds() - before }
  }
  session.pointee.hasRun = true
}

/// One task of the caller's parallel-for, on whichever thread.
private func doShare(_ context: UnsafeMutableRawPointer?, _ index: Int32) {
  let call = context!.assumingMemoryBound(to: Call.self).pointee
  guard index >= 0, index < call.parts else { return }
  let environment = cp_float_begin()
  call.kernel(call.arguments, index, Int32(call.parts))
  cp_float_end(environment)
}
