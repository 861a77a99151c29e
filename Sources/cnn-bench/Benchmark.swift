import CNNRT
import CNNSupport
import Glibc

/// Measures a bundle on this machine.
struct Benchmark {
  struct Layer {
    var layer: Model.Layer
    /// Median over the runs, in milliseconds. 0 where it is fused into another layer.
    var milliseconds: Double

    /// Images per run.
    var batch: Int

    /// 10⁹ operations per second; a multiply-add is two. nil for layers without.
    var gops: Double? {
      let operations = 2 * Double(layer.multiplyAdds) * Double(batch)
      return operations == 0 || milliseconds == 0 ? nil : operations / (milliseconds * 1e6)
    }
  }

  let information: Model.Information
  let threads: Int
  /// Images per run.
  let batch: Int
  /// Of opening the bundle (from the page cache) and making a session, in milliseconds.
  let load: Latencies
  /// Of one batch; setting the input and reading the output not counted.
  let runs: Latencies
  let layers: [Layer]
  let arenaBytes: Int
  /// Of this process after the runs.
  let residentBytes: Int

  init(path: String, isa: String?, threads: Int, batch: Int, seconds: Double) throws(CNNRTError) {
    let options = Model.Options(isa: isa)
    let model = try Model(path: path, options: options)
    information = model.information
    self.threads = threads
    self.batch = batch
    let session = Session.Options(threads: threads, batch: batch)
    arenaBytes = try Session.arenaBytes(model, session)
    load = try Self.measure(seconds: seconds / 10, least: 3) { () throws(CNNRTError) in
      _ = try Session(Model(path: path, options: options), session)
    }
    let runner = try Session(model, session)
    try Self.fillInputs(of: runner)
    // Caches, page tables and the processor's clock settle first.
    _ = try Self.measure(seconds: seconds / 5, least: 3, runner.run)
    runs = try Self.measure(seconds: seconds, least: 10, runner.run)
    residentBytes = Self.residentBytes()
    layers = try Self.profile(model, session, seconds: seconds / 2)
  }

  /// Times `body` again and again, for so long and so often at least.
  private static func measure(
    seconds: Double, least: Int, _ body: () throws(CNNRTError) -> Void
  ) throws(CNNRTError) -> Latencies {
    var times: [Int64] = []
    let end = nanoseconds() + Int64(seconds * 1e9)
    var now = nanoseconds()
    // A bound on memory; so many runs are enough for any percentile.
    while (now < end || times.count < least) && times.count < 1_000_000 {
      let start = nanoseconds()
      try body()
      now = nanoseconds()
      times.append(now - start)
    }
    return Latencies(times)
  }

  private static func profile(
    _ model: Model, _ options: Session.Options, seconds: Double
  ) throws(CNNRTError) -> [Layer] {
    var options = options
    options.profile = true
    let session = try Session(model, options)
    try fillInputs(of: session)
    let layers = model.layers
    var times = [[Int64]](repeating: [], count: layers.count)
    _ = try measure(seconds: seconds, least: 5) { () throws(CNNRTError) in
      try session.run()
      for index in layers.indices { times[index].append(session.layerNanoseconds(index) ?? 0) }
    }
    return zip(layers, times).map { Layer(layer: $0, milliseconds: Latencies($1).median, batch: options.batch) }
  }

  /// Random values in the range of a normalised image: speed hardly depends on them, but zeros alone would be unfair.
  private static func fillInputs(of session: Session) throws(CNNRTError) {
    var random = Random(seed: 1)
    for (index, input) in session.inputs.enumerated() {
      let values = (0..<input.count * session.batch).map { _ in random.uniform(-1, 1) }
      try session.setInput(values.span, at: index)
    }
  }

  private static func nanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// 0 where /proc does not say.
  private static func residentBytes() -> Int {
    guard let bytes = try? readFile("/proc/self/statm") else { return 0 }
    let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE))
  }
}
