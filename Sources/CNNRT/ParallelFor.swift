import CCNNRT

/// The caller's own threads: calls `task(0)` … `task(count - 1)`, each exactly once, in any order, at the same time or one
/// after another, and returns when all have ended.
///
///     options.parallelFor = { DispatchQueue.concurrentPerform(iterations: $0, execute: $1) }
public typealias ParallelFor = @Sendable (_ count: Int, _ task: @Sendable (Int) -> Void) -> Void

/// A parallel-for where the C interface can point to it.
final class ParallelForBox: Sendable {
  private let body: ParallelFor

  init(_ body: @escaping ParallelFor) { self.body = body }

  /// The function and its context; `self` must outlive their use.
  func install(in options: inout cnnrt_session_options) {
    options.parallel_context = Unmanaged.passUnretained(self).toOpaque()
    options.parallel_for = { context, task, taskContext, count in
      let box = Unmanaged<ParallelForBox>.fromOpaque(context!).takeUnretainedValue()
      // The library's task may be run by any thread.
      nonisolated(unsafe) let (task, taskContext) = (task!, taskContext)
      box.body(Int(count)) { index in
        precondition((0..<Int(count)).contains(index), "a parallel-for calls its task with 0 ..< count")
        task(taskContext, Int32(index))
      }
    }
  }
}
