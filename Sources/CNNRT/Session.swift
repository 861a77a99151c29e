import CCNNRT

/// Runs a model. All its memory is taken when it is made; ``run()`` allocates nothing.
///
///     let session = try Session(Model(path: "model.cnn"))
///     try session.setImage(pixels.span, width: 28, height: 28, channels: 1)
///     try session.run()
///     for best in try session.topK(3) { print(best.label ?? "class \(best.index)", best.score) }
///
/// A session belongs to one thread at a time, so it is not `Sendable`; make one per thread from the same model. It may be
/// sent to another thread or task by whoever holds the only reference.
public final class Session {
  /// The model it runs, which stays open as long.
  public let model: Model
  /// Images per run.
  public let batch: Int
  /// The model's inputs: shapes of one image.
  public let inputs: [Model.Tensor]
  /// The model's outputs: shapes of one image.
  public let outputs: [Model.Tensor]
  let handle: OpaquePointer
  private let parallelFor: ParallelForBox?

  /// How a session runs.
  public struct Options: Sendable {
    /// 1: the calling thread alone. n: n − 1 workers of the library's pool help (at most 64), or `parallelFor` is given n
    /// tasks. The results are the same for every number.
    public var threads: Int
    /// Images per run.
    public var batch: Int
    /// Times every layer: ``Session/layerNanoseconds(_:)``.
    public var profile: Bool
    /// The caller's threads, instead of the library's pool.
    public var parallelFor: ParallelFor?

    /// The calling thread alone, one image per run, unless told otherwise.
    public init(threads: Int = 1, batch: Int = 1, profile: Bool = false, parallelFor: ParallelFor? = nil) {
      self.threads = threads
      self.batch = batch
      self.profile = profile
      self.parallelFor = parallelFor
    }

    fileprivate func c(_ parallelFor: ParallelForBox?) -> cnnrt_session_options {
      var options = cnnrt_session_options()
      options.size = MemoryLayout<cnnrt_session_options>.size
      options.flags = profile ? UInt32(CNNRT_SESSION_PROFILE) : 0
      options.threads = Int32(clamping: threads)
      options.batch = Int32(clamping: batch)
      parallelFor?.install(in: &options)
      return options
    }
  }

  /// Exactly how many bytes a session takes. The threads of the library's pool, which all sessions share, come on top:
  /// 256 KiB of stack for each, and 2 KiB.
  /// - Throws: `.invalidArgument`, `.limit`.
  public static func arenaBytes(_ model: Model, _ options: Options = Options()) throws(CNNRTError) -> Int {
    var bytes = 0
    let parallelFor = options.parallelFor.map(ParallelForBox.init)
    var c = options.c(parallelFor)
    try check { cnnrt_session_arena_size(model.handle, &c, &bytes, $0) }
    return bytes
  }

  /// Makes a session.
  /// - Parameters:
  ///   - model: kept open by the session.
  ///   - options: threads, batch, profile.
  ///   - arena: the session's memory, aligned to 64 bytes and at least ``arenaBytes(_:_:)`` long; the caller keeps it, and
  ///     uses it for nothing else, until the session and all that is mapped from it are gone. nil: the library allocates.
  /// - Throws: `.invalidArgument`, `.outOfMemory`, `.limit`, `.thread`.
  public init(
    _ model: Model, _ options: Options = Options(), arena: UnsafeMutableRawBufferPointer? = nil
  ) throws(CNNRTError) {
    let parallelFor = options.parallelFor.map(ParallelForBox.init)
    var c = options.c(parallelFor)
    if let arena {
      // An empty buffer has no address, and none would mean that the library allocates.
      guard let start = arena.baseAddress else { throw .wrongArgument("arena", "it is empty") }
      c.arena = start
      c.arena_bytes = arena.count
    }
    var handle: OpaquePointer?
    try check { cnnrt_session_create(model.handle, &c, &handle, $0) }
    self.handle = handle!
    self.model = model
    self.parallelFor = parallelFor
    batch = max(options.batch, 1)
    inputs = model.inputs
    outputs = model.outputs
  }

  deinit { cnnrt_session_destroy(handle) }

  /// Computes the outputs from the inputs. Allocates nothing and takes no lock that a caller can feel.
  public func run() throws(CNNRTError) { try check { cnnrt_session_run(handle, $0) } }

  /// Time of a layer in the last run, by its index in ``Model/layers``; nil without `profile`. 0 for a layer that is fused
  /// into another.
  public func layerNanoseconds(_ layer: Int) -> Int64? {
    guard let layer = UInt32(exactly: layer) else { return nil }
    let time = cnnrt_session_layer_nanoseconds(handle, layer)
    return time < 0 ? nil : time
  }

  /// Runs the bundle's own input and compares with its expected output: equal to the bit for quantized bundles, within the
  /// stated tolerance for float. Verifies the checksums first; overwrites inputs and outputs.
  /// - Throws: `.state` if the bundle has none, `.selfTest` if the outputs differ, `.format` if the file is damaged.
  public func selfTest() throws(CNNRTError) { try check { cnnrt_session_self_test(handle, $0) } }
}

/// A session belongs to one thread at a time.
@available(*, unavailable)
extension Session: Sendable {}
