import Bundle
import CKernels

/// The pool's threads, for work that is not a session's.
public struct Helpers {
  private let pool: PoolPointer

  /// At least that many threads beside the caller's; `release` gives them back.
  public init(_ workers: Int) throws(Failure) { pool = try acquirePool(workers: workers) }

  public func release() { releasePool(pool) }

  /// Does all parts of a job, alone where the pool is busy.
  public func run(_ kernel: cnn_kernel, _ arguments: UnsafeRawPointer, parts: Int) {
    guard enter(pool) else {
      for part in 0..<parts { kernel(arguments, Int32(part), Int32(parts)) }
      return
    }
    Run.run(kernel, arguments, parts: parts, on: pool)
    leave(pool)
  }
}
