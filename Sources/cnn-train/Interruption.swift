import Glibc

/// Ctrl-C and SIGTERM end a run between two steps, with a checkpoint. A second one ends it at once.
enum Interruption {
  /// The signal that came, or 0.
  nonisolated(unsafe) static private(set) var signal: sig_atomic_t = 0

  static func listen() {
    signal = 0
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { Interruption.signal = sig_atomic_t($0) }
    action.sa_flags = SA_RESTART | Int32(bitPattern: UInt32(SA_RESETHAND))
    // A parent may have blocked them, as threads of Swift's concurrency do.
    var both = sigset_t()
    sigemptyset(&both)
    for number in [SIGINT, SIGTERM] {
      sigaction(number, &action, nil)
      sigaddset(&both, number)
    }
    pthread_sigmask(SIG_UNBLOCK, &both, nil)
  }
}
