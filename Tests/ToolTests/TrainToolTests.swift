import CNNModel
import CNNSupport
import Foundation
import Testing

/// cnn-train on small made-up data, as a user runs it.
@Suite struct TrainToolTests {
  static let tool = Tool(name: "cnn-train")

  /// A folder with data, and room for runs.
  final class Bench {
    let folder: URL
    var data: String { folder.appending(path: "data").path }

    /// Images of `size`×`size` in which the class says which of ten spots is bright, and noise.
    init(images: Int = 240, size: Int = 12, seed: UInt64 = 1) throws {
      folder = FileManager.default.temporaryDirectory.appending(path: "cnn-train-\(UUID().uuidString)")
      try FileManager.default.createDirectory(
        at: folder.appending(path: "data"), withIntermediateDirectories: true)
      var random = Random(seed: seed)
      let labels = (0..<images).map { _ in UInt8(random.below(10)) }
      let pixels = labels.flatMap { label in
        (0..<size * size).map { pixel in
          let isSpot = pixel / size / 3 == Int(label) / 4 && pixel % size / 3 == Int(label) % 4
          return UInt8(random.below(100) + (isSpot ? 150 : 0))
        }
      }
      try write("train-images-idx3-ubyte", shape: [images, size, size], pixels)
      try write("train-labels-idx1-ubyte", shape: [images], labels)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func write(_ name: String, shape: [Int], _ bytes: [UInt8]) throws {
      let sizes = shape.flatMap { size in (0..<4).map { UInt8(size >> (24 - 8 * $0) & 255) } }
      try Data([0, 0, 8, UInt8(shape.count)] + sizes + bytes).write(to: URL(filePath: "\(data)/\(name)"))
    }

    func path(_ name: String) -> String { folder.appending(path: name).path }
    func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.appending(path: name)) }
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func arguments(_ run: String, _ more: [String] = []) -> [String] {
      ["--model", "seed", "--data", data, "--out", path(run), "--threads", "1", "--batch", "16"] + more
    }

    @discardableResult
    func train(_ run: String, _ more: String..., expecting status: Int32 = 0) throws -> Tool.Result {
      let result = try TrainToolTests.tool.run(arguments(run, more))
      #expect(result.exitCode == status && !result.crashed, "\(result.error)")
      return result
    }

    /// A process that goes on while the test does other things.
    func start(_ run: String, _ more: [String]) throws -> Process {
      let process = Process()
      process.executableURL = Tool.folder.appending(path: "cnn-train")
      process.arguments = arguments(run, more + ["--quiet"])
      process.standardError = FileHandle.nullDevice
      try process.run()
      return process
    }

    /// Kills a run at random moments and resumes it, until it comes to its end; it gets more time each time.
    func trainThroughKills(_ run: String, _ more: [String], milliseconds: Double, seed: UInt64) throws {
      var random = Random(seed: seed)
      var milliseconds = milliseconds
      while true {
        let process = try start(run, ["--resume"] + more)
        Thread.sleep(forTimeInterval: Double(random.uniform()) * milliseconds / 1000)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        if process.terminationReason == .exit {
          #expect(process.terminationStatus == 0)
          break
        }
        milliseconds *= 1.3
      }
    }

    /// metrics.jsonl without wall-clock times.
    func metrics(_ run: String) throws -> [[String: Double?]] {
      try String(decoding: bytes("\(run)/metrics.jsonl"), as: UTF8.self).split(separator: "\n").map { line in
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let times = ["seconds", "images_per_second"]
        return try #require(object).filter { !times.contains($0.key) }.mapValues { $0 as? Double }
      }
    }

    func expectSameRuns(_ a: String, _ b: String) throws {
      #expect(try bytes("\(a)/model.cnn") == bytes("\(b)/model.cnn"))
      #expect(try metrics(a) == metrics(b))
    }
  }

  // MARK: Results

  @Test func aRunLearnsAndLeavesItsResults() throws {
    let bench = try Bench()
    let result = try bench.train("run", "--epochs", "8", "--learning-rate", "0.01")
    #expect(result.output.contains("validation accuracy"))
    let metrics = try bench.metrics("run")
    #expect(metrics.map { $0["epoch"] } == (1...8).map { Double($0) })
    #expect(metrics[7]["validation_accuracy"]!! > 90)
    #expect(metrics[7]["train_loss"]!! < metrics[0]["train_loss"]!! / 2)
    for name in ["loss", "accuracy"] {
      let svg = String(decoding: try bench.bytes("run/\(name).svg"), as: UTF8.self)
      #expect(svg.hasPrefix("<svg") && svg.contains("training") && svg.contains("validation"))
    }

    let model = try Graph(bundleAt: bench.path("run/model.cnn"))
    #expect(model.labels == (0..<10).map(String.init))
    #expect(model.trainingState == nil)
    #expect(model.metadata["model"] == "seed")
    #expect(model.metadata["dataset"] == "data")
    #expect(model.metadata["training.epochs"] == "8")
    #expect(model.selfTest?.inputs[0].count == 144)
    let recipe = try #require(model.recipe)
    #expect((recipe.width, recipe.height, recipe.channelOrder, recipe.resize) == (12, 12, .grey, .stretch))
    // 9 of 144 pixels are 150 brighter, noise is uniform in 0 ..< 100.
    #expect(abs(recipe.mean[0] - (49.5 + 150.0 / 16) / 255) < 0.005)
  }

  @Test func optimizersHaveTheirUsualRates() throws {
    let bench = try Bench(images: 40)
    for (optimizer, rate) in [("adam", 0.001), ("adamw", 0.001), ("sgd", 0.01)] {
      try bench.train(optimizer, "--epochs", "2", "--schedule", "constant", "--optimizer", optimizer)
      #expect(try bench.metrics(optimizer).allSatisfy { abs($0["learning_rate"]!! - rate) < 1e-8 })
      #expect(try bench.metrics(optimizer).allSatisfy { $0["gradient_norm"] == .some(nil) })
    }
    // AdamW's usual decay is not 0.
    let decay = try Graph(bundleAt: bench.path("adamw/model.cnn")).metadata["training.weight_decay"]
    #expect(decay == "0.01")
    try bench.train("clipped", "--epochs", "1", "--clip-norm", "0.01")
    #expect(try bench.metrics("clipped")[0]["gradient_norm"]!! > 0.01)
  }

  @Test func augmentationChangesWhatIsLearnt() throws {
    let bench = try Bench(images: 60)
    try bench.train("plain", "--epochs", "1")
    for augmentation in ["flip", "shift:1", "crop:1", "cutout:4", "mixup:0.5"] {
      try bench.train(augmentation, "--epochs", "1", "--augment", augmentation)
      #expect(try bench.metrics(augmentation)[0]["train_loss"] != bench.metrics("plain")[0]["train_loss"])
    }
    // As it stands in the settings, whatever the order of the words.
    let result = try bench.train("order", "--epochs", "1", "--augment", "cutout:4,flip")
    #expect(result.exitCode == 0)
    try bench.train("order", "--epochs", "1", "--resume", "--augment", "flip,cutout:4")
    #expect(try bench.train("order", "--resume", "--augment", "none", expecting: 1).error.contains("--augment was"))
    #expect(try bench.train("large", "--augment", "shift:12", expecting: 1).error.contains("12×12"))
  }

  @Test func withoutValidationImagesAllAreLearntFrom() throws {
    let bench = try Bench(images: 40)
    let result = try bench.train("run", "--epochs", "1", "--validation", "0")
    #expect(result.output.contains("training accuracy"))
    let metrics = try bench.metrics("run")[0]
    #expect(metrics["validation_loss"] == .some(nil))
    #expect(metrics["train_loss"]! != nil)
  }

  // MARK: The same bits

  @Test func aSeedStandsForARun() throws {
    let bench = try Bench()
    try bench.train("one", "--epochs", "2", "--seed", "7")
    try bench.train("same", "--epochs", "2", "--seed", "7")
    try bench.train("other", "--epochs", "2", "--seed", "8")
    try bench.expectSameRuns("one", "same")
    #expect(try bench.bytes("one/model.cnn") != bench.bytes("other/model.cnn"))
  }

  /// kill -9 again and again, a little later each time, until a run comes to its end.
  @Test(arguments: [
    ["--optimizer", "adam"], ["--optimizer", "sgd"],
    [
      "--optimizer", "adamw", "--ema", "0.9", "--clip-norm", "0.5", "--label-smoothing", "0.1", "--class-weights",
      "balanced", "--schedule", "one-cycle", "--augment", "flip,shift:1,mixup:0.3",
    ],
  ])
  func killedRunsResumeToTheSameBits(flags: [String]) throws {
    let bench = try Bench()
    #expect(try Self.tool.run(bench.arguments("whole", ["--epochs", "6"] + flags)).exitCode == 0)
    try bench.trainThroughKills("killed", ["--epochs", "6"] + flags, milliseconds: 1, seed: 3)
    try bench.expectSameRuns("whole", "killed")
    let files = try FileManager.default.contentsOfDirectory(atPath: bench.path("killed")).sorted()
    #expect(
      files == [
        "accuracy.svg", "checkpoint", "confusion.svg", "loss.svg", "metrics.jsonl", "model.cnn", "report.json",
      ])
  }

  /// In the middle of an epoch too.
  @Test(arguments: [[], ["--augment", "flip,crop:2,cutout:3,mixup:0.3", "--ema", "0.99"]])
  func interruptedRunsResumeToTheSameBits(flags: [String]) throws {
    let bench = try Bench(images: 2000)
    #expect(try Self.tool.run(bench.arguments("whole", ["--epochs", "2"] + flags)).exitCode == 0)
    var random = Random(seed: 4)
    var milliseconds = 20.0
    var interruptions = 0
    while true {
      let process = try bench.start("interrupted", ["--resume", "--epochs", "2"] + flags)
      Thread.sleep(forTimeInterval: Double(random.uniform()) * milliseconds / 1000)
      kill(process.processIdentifier, SIGINT)
      process.waitUntilExit()
      if process.terminationReason == .exit && process.terminationStatus == 0 { break }
      // Before the signal is listened to, it kills.
      if process.terminationReason == .exit {
        #expect(process.terminationStatus == 130)
        interruptions += 1
      }
      milliseconds *= 1.2
    }
    #expect(interruptions > 0)
    try bench.expectSameRuns("whole", "interrupted")
  }

  @Test func aFinishedRunIsResumedToItself() throws {
    let bench = try Bench()
    try bench.train("run", "--epochs", "1")
    let before = try ["model.cnn", "metrics.jsonl", "checkpoint"].map { try bench.bytes("run/\($0)") }
    try FileManager.default.removeItem(atPath: bench.path("run/model.cnn"))
    try FileManager.default.removeItem(atPath: bench.path("run/metrics.jsonl"))
    // All settings come from the checkpoint.
    let result = try Self.tool.run(["--resume", "--out", bench.path("run")])
    #expect(result.exitCode == 0, "\(result.error)")
    #expect(try ["model.cnn", "metrics.jsonl", "checkpoint"].map { try bench.bytes("run/\($0)") } == before)
  }

  // MARK: Test images

  /// The kernel reports every opening of the test files: there must be none.
  @Test func testFilesAreNeverOpened() throws {
    let bench = try Bench()
    try bench.train("without", "--epochs", "1")
    let watch = inotify_init1(Int32(IN_NONBLOCK))
    defer { close(watch) }
    for name in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
      try Data("poison".utf8).write(to: URL(filePath: "\(bench.data)/\(name)"))
      #expect(inotify_add_watch(watch, "\(bench.data)/\(name)", UInt32(IN_OPEN | IN_ACCESS)) >= 0)
    }
    try bench.train("with", "--epochs", "1")
    #expect(try Self.tool.run(["--resume", "--out", bench.path("with")]).exitCode == 0)
    var events = [UInt8](repeating: 0, count: 4096)
    #expect(read(watch, &events, events.count) == -1 && errno == EAGAIN)
    try bench.expectSameRuns("without", "with")
    // The watch works: this opening is reported.
    _ = try bench.bytes("data/t10k-images-idx3-ubyte")
    #expect(read(watch, &events, events.count) > 0)
  }

  // MARK: Refusals

  @Test(arguments: [
    ["--epochs", "0"], ["--batch", "0"], ["--threads", "65"], ["--learning-rate", "-1"], ["--learning-rate", "nan"],
    ["--momentum", "1"], ["--optimizer", "adam", "--momentum", "0.5"], ["--schedule", "square"], ["--what"],
    ["--resume", "--overwrite"], ["--validation", "-5"], ["--validation", "1.5"], ["--validation", "100%"],
    ["--seed", "-1"], ["--optimizer", "adamw", "--momentum", "0.5"], ["--momentum", "0.5"], ["--label-smoothing", "1"],
    ["--clip-norm", "-1"], ["--ema", "1"], ["--ema", "x"], ["--class-weights", "1,-1"], ["--class-weights", "1,,2"],
    ["--class-weights", "equal"], ["--early-stopping", "0"], ["--early-stopping", "3", "--validation", "0"],
    ["--warmup", "-1"], ["--warmup", "10"], ["--warmup", "3 steps"], ["--warmup", "1", "--schedule", "one-cycle"],
    ["--size", "12"], ["--size", "0x4"], ["--resize", "crop"], ["--resize", "crop:12"], ["--channels", "2"],
    ["--size", "12x12", "--resize", "crop:8"], ["--width", "0"], ["--augment", "turn"], ["--augment", "mixup"],
    ["--step-epochs", "3"], ["--step-factor", "0.5"],
    ["--schedule", "step", "--step-factor", "0"],
  ])
  func badFlagsAreUsageErrors(flags: [String]) throws {
    let bench = try Bench(images: 12)
    let result = try Self.tool.run(bench.arguments("run", flags))
    #expect(result.exitCode == 64)
    #expect(!bench.exists("run"))
  }

  @Test func modelAndDataComeFromFlagsOrACheckpoint() throws {
    let bench = try Bench(images: 12)
    for flags in [["--model", "seed"], ["--data", bench.data], ["--resume"]] {
      let result = try Self.tool.run(flags + ["--out", bench.path("run")])
      #expect(result.exitCode == 64 && result.error.contains("is missing"))
    }
  }

  @Test func whatCannotBeTrainedIsSaid() throws {
    let bench = try Bench(images: 24)
    func error(_ arguments: [String]) throws -> String {
      let result = try Self.tool.run(arguments)
      #expect(result.exitCode == 1 && !result.crashed)
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      return result.error
    }
    #expect(try error(bench.arguments("a", ["--data", "/nowhere"])).contains("/nowhere: no such folder"))
    #expect(try error(bench.arguments("b", ["--model", "sed"])).contains("seed"))
    #expect(try error(bench.arguments("data/train-labels-idx1-ubyte/run")).contains("cannot make the folder"))
    #expect(try error(bench.arguments("e", ["--width", "0.5"])).contains("has no width to choose"))
    #expect(try error(bench.arguments("c", ["--validation", "24"])).contains("24 of 24 images"))
    #expect(
      try error(bench.arguments("d", ["--warmup", "20steps"])).contains("20 steps are not less than the run's 20"))
    let tiny = try Bench(images: 24, size: 3)
    #expect(try error(tiny.arguments("run")).contains("seed with input 3x3x1"))
  }

  @Test func aRunIsNotOverwrittenUnasked() throws {
    let bench = try Bench()
    try bench.train("run", "--epochs", "1")
    let model = try bench.bytes("run/model.cnn")
    let refused = try bench.train("run", "--epochs", "1", "--seed", "2", expecting: 1)
    #expect(refused.error.contains("holds a finished run") && refused.error.contains("--overwrite"))
    #expect(try bench.bytes("run/model.cnn") == model)
    try bench.train("run", "--epochs", "1", "--seed", "2", "--overwrite")
    #expect(try bench.bytes("run/model.cnn") != model)
  }

  @Test func otherSettingsAreRefused() throws {
    let bench = try Bench()
    try bench.train("run", "--epochs", "1")
    let result = try bench.train("run", "--resume", "--epochs", "2", "--seed", "5", expecting: 1)
    #expect(result.error.contains("--epochs was 1, is 2, --seed was 1, is 5"))
    let other = try Bench(seed: 2)
    let otherData = try bench.train("run", "--resume", "--epochs", "1", "--data", other.data, expecting: 1)
    #expect(otherData.error.contains("are not those that the run began with"))
    // The same data elsewhere are the same data.
    try FileManager.default.moveItem(atPath: bench.data, toPath: bench.path("moved"))
    try bench.train("run", "--resume", "--epochs", "1", "--data", bench.path("moved"))
  }

  @Test func damagedCheckpointsAreRefused() throws {
    let bench = try Bench()
    try bench.train("run", "--epochs", "1")
    let good = try bench.bytes("run/checkpoint")
    var random = Random(seed: 5)
    for _ in 0..<20 {
      var bad = good
      bad[random.below(bad.count)] ^= UInt8(1 << random.below(8))
      try bad.write(to: URL(filePath: bench.path("run/checkpoint")))
      let result = try Self.tool.run(["--resume", "--out", bench.path("run"), "--quiet"])
      // Padding between sections has no meaning; a bit there may flip.
      #expect(!result.crashed && (result.exitCode == 1) == (result.error != ""))
    }
    try bench.bytes("run/model.cnn").write(to: URL(filePath: bench.path("run/checkpoint")))
    #expect(try bench.train("run", "--resume", expecting: 1).error.contains("not a checkpoint"))
  }

  @Test func aLossThatIsNoNumberEndsTheRun() throws {
    let bench = try Bench()
    let result = try bench.train("run", "--learning-rate", "1e30", "--optimizer", "sgd", expecting: 1)
    #expect(result.error.contains("--learning-rate"))
    #expect(bench.exists("run/checkpoint") && !bench.exists("run/model.cnn"))
  }

  @Test func twoRunsInOneFolderAreRefused() throws {
    let bench = try Bench()
    let first = try bench.start("run", ["--epochs", "100000"])
    while !bench.exists("run/metrics.jsonl") { Thread.sleep(forTimeInterval: 0.01) }
    let second = try bench.train("run", "--resume", expecting: 1)
    #expect(second.error.contains("another cnn-train is at work"))
    first.interrupt()
    first.waitUntilExit()
    #expect(first.terminationStatus == 130)
  }
}
