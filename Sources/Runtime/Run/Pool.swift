import Bundle
import CCNNRT
import CKernels
import CPlatform
import Plan

/// The threads that help sessions, one pool per process: made when the first session needs it, ended with the last one.
///
/// One session at a time has it; another that finds it busy does its work alone. Worker k does share k + 1 of each
/// job; shares that a worker has not begun when the caller is done with its own are done by the caller, so that it never waits for
/// a thread to wake up. After fork the child has no workers: it sees that the pool is another process's and works alone.
struct Pool {
  var process: Int32
  var users = 0
  var workerCount = 0
  /// 1 while a session runs on it.
  var busy: UInt32 = 0
  var stop: UInt32 = 0
  var sleepers: UInt32 = 0
  /// What sleepers wait for to change.
  var wake: UInt32 = 0
  /// Shares that workers have finished.
  var done: UInt32 = 0
  /// Number of the job · 256 + its shares. Written last; a share of a job can only be claimed while the job is not over,
  /// and only then may `kernel` and `arguments` be read.
  var job: UInt64 = 0
  var kernel: cnn_kernel?
  var arguments: UnsafeRawPointer?
  /// Workers that have begun; each takes its number from here.
  var begun: UInt32 = 0
  /// Per share, the last job that somebody claimed it for. [SessionOptions.maxThreads]
  let claims: UnsafeMutablePointer<UInt64>
  /// [SessionOptions.maxThreads]
  let threads: UnsafeMutablePointer<UInt64>

  static func make() -> PoolPointer? {
    let count = SessionOptions.maxThreads
    guard let memory = cp_allocate(MemoryLayout<Pool>.stride + 16 * count) else { return nil }
    let numbers = (memory + MemoryLayout<Pool>.stride).bindMemory(to: UInt64.self, capacity: 2 * count)
    numbers.initialize(repeating: 0, count: 2 * count)
    let pool = memory.bindMemory(to: Pool.self, capacity: 1)
    pool.initialize(to: Pool(process: cp_process(), claims: numbers, threads: numbers + count))
    return pool
  }
}

typealias PoolPointer = UnsafeMutablePointer<Pool>

nonisolated(unsafe) private var current: PoolPointer?
/// Guards `current` and the lists of threads: 0, or the process whose thread holds it. A child of fork takes it from a thread of its parent,
/// which it does not have.
nonisolated(unsafe) private var owner: UInt32 = 0

private func lock() {
  let me = UInt32(bitPattern: cp_process())
  while true {
    let seen = cp_load(&owner)
    if seen != me, cp_exchange_if(&owner, seen, me) != 0 { return }
    cp_yield()
  }
}

private func unlock() { cp_store(&owner, 0) }

/// The pool with at least that many workers; `releasePool` gives it back.
func acquirePool(workers: Int) throws(Failure) -> PoolPointer {
  lock()
  defer { unlock() }
  if let pool = current, pool.pointee.process != cp_process() { current = nil }  // the parent's
  if current == nil {
    current = Pool.make()
  }
  guard let pool = current else {
    throw Failure(CNNRT_ERROR_OUT_OF_MEMORY, "no memory for the threads' pool. Close other models or programs.")
  }
  pool.pointee.users += 1
  while pool.pointee.workerCount < workers {
    let k = pool.pointee.workerCount
    let code = cp_thread_start(pool.pointee.threads + k, work, pool)
    guard code == 0 else {
      release(pool)
      var failure = Failure(CNNRT_ERROR_THREAD, "thread % cannot be started. Use fewer threads.", k + 1)
      failure.systemError = code
      throw failure
    }
    pool.pointee.workerCount = k + 1
  }
  return pool
}

func releasePool(_ pool: PoolPointer) {
  guard pool.pointee.process == cp_process() else { return }
  lock()
  release(pool)
  unlock()
}

private func release(_ pool: PoolPointer) {
  pool.pointee.users -= 1
  guard pool.pointee.users == 0 else { return }
  cp_store(&pool.pointee.stop, 1)
  wakeSleepers(pool)
  for k in 0..<pool.pointee.workerCount { cp_thread_join(pool.pointee.threads[k]) }
  cp_free(pool)
  current = nil
}

// MARK: - Workers

/// Rounds of waiting before a thread sleeps or yields: some 50 µs.
private let spins = 1000

private func work(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  let pool = context!.assumingMemoryBound(to: Pool.self)
  let share = Int(cp_add(&pool.pointee.begun, 1)) + 1
  _ = cp_float_begin()
  var seen: UInt64 = 0
  while cp_load(&pool.pointee.stop) == 0 {
    let job = cp_load64(&pool.pointee.job)
    guard job != seen else {
      rest(pool, seen)
      continue
    }
    seen = job
    if share < Int(job & 255), claim(pool, share, job) {
      pool.pointee.kernel!(pool.pointee.arguments, Int32(share), Int32(job & 255))
      _ = cp_add(&pool.pointee.done, 1)
    }
  }
  return nil
}

/// Waits for a job other than `seen`, first awake, then asleep.
private func rest(_ pool: PoolPointer, _ seen: UInt64) {
  for _ in 0..<spins {
    if cp_load64(&pool.pointee.job) != seen || cp_load(&pool.pointee.stop) != 0 { return }
    cp_pause()
  }
  let wake = cp_load(&pool.pointee.wake)
  _ = cp_add(&pool.pointee.sleepers, 1)
  if cp_load64(&pool.pointee.job) == seen, cp_load(&pool.pointee.stop) == 0 { cp_futex_wait(&pool.pointee.wake, wake) }
  _ = cp_add(&pool.pointee.sleepers, UInt32.max)
}

private func wakeSleepers(_ pool: PoolPointer) {
  guard cp_load(&pool.pointee.sleepers) > 0 else { return }
  _ = cp_add(&pool.pointee.wake, 1)
  cp_futex_wake_all(&pool.pointee.wake)
}

/// Whether this thread is the one to do a share of the job. It is not where the job is over: then each of its shares was claimed for it.
private func claim(_ pool: PoolPointer, _ share: Int, _ job: UInt64) -> Bool {
  let last = cp_load64(pool.pointee.claims + share)
  return last < job && cp_exchange_if64(pool.pointee.claims + share, last, job) != 0
}

// MARK: - Callers

/// Takes the pool for a run; false where it is busy or another process's.
func enter(_ pool: PoolPointer) -> Bool {
  pool.pointee.process == cp_process() && cp_exchange_if(&pool.pointee.busy, 0, 1) != 0
}

func leave(_ pool: PoolPointer) { cp_store(&pool.pointee.busy, 0) }

/// Does all parts of a call, with the workers' help.
func run(_ kernel: cnn_kernel, _ arguments: UnsafeRawPointer, parts: Int, on pool: PoolPointer) {
  pool.pointee.kernel = kernel
  pool.pointee.arguments = arguments
  cp_store(&pool.pointee.done, 0)
  let job = (pool.pointee.job & ~255) + 256 + UInt64(parts)
  cp_store64(&pool.pointee.job, job)
  wakeSleepers(pool)
  kernel(arguments, 0, Int32(parts))
  var others: UInt32 = 0
  for share in 1..<parts {
    if claim(pool, share, job) {
      kernel(arguments, Int32(share), Int32(parts))
    } else {
      others += 1
    }
  }
  var rounds = 0
  while cp_load(&pool.pointee.done) != others {
    rounds += 1
    if rounds < spins { cp_pause() } else { cp_yield() }
  }
}
