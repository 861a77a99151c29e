import CNNModel
import CNNSupport
import Foundation
import Testing

/// What cnn-train says of a finished run, against what follows from its own counts.
@Suite struct TrainReportTests {
  struct Report: Decodable {
    struct Images: Decodable {
      var images: Int
      var loss, top1_accuracy, top5_accuracy: Double
    }
    struct Class: Decodable {
      var name: String
      var precision, recall, f1: Double?
      var support: Int
    }
    var model: String
    var epochs, epoch: Int
    var stopped_early: Bool
    var validation: Images?
    var classes: [Class]?
    var confusion: [[Int]]?
  }

  private func report(_ bench: TrainToolTests.Bench, _ run: String) throws -> Report {
    try JSONDecoder().decode(Report.self, from: bench.bytes("\(run)/report.json"))
  }

  @Test func figuresFollowFromTheCounts() throws {
    let bench = try TrainToolTests.Bench()
    let result = try bench.train("run", "--epochs", "3", "--learning-rate", "0.01", "--validation", "25%")
    let report = try report(bench, "run"), last = try bench.metrics("run")[2]
    let validation = try #require(report.validation)
    #expect((report.model, report.epochs, report.epoch, report.stopped_early) == ("seed", 3, 3, false))
    #expect(validation.images == 60)
    #expect(abs(validation.loss - last["validation_loss"]!!) < 1e-12)
    #expect(abs(validation.top1_accuracy - last["validation_accuracy"]!!) < 1e-12)
    #expect(abs(validation.top5_accuracy - last["validation_top5_accuracy"]!!) < 1e-12)
    #expect(validation.top5_accuracy >= validation.top1_accuracy)

    let counts = try #require(report.confusion), classes = try #require(report.classes)
    #expect(counts.flatMap { $0 }.reduce(0, +) == 60)
    let right = (0..<10).reduce(0) { $0 + counts[$1][$1] }
    #expect(abs(validation.top1_accuracy - 100 * Double(right) / 60) < 1e-9)
    for c in 0..<10 {
      let row = counts[c].reduce(0, +), column = counts.reduce(0) { $0 + $1[c] }, own = Double(counts[c][c])
      #expect(classes[c].name == "\(c)" && classes[c].support == row)
      #expect(classes[c].precision == (column == 0 ? nil : 100 * own / Double(column)))
      #expect(classes[c].recall == (row == 0 ? nil : 100 * own / Double(row)))
      if row + column > 0 { #expect(abs(classes[c].f1! - 200 * own / Double(row + column)) < 1e-9) }
    }
    #expect(result.output.contains("precision") && result.output.contains("60 validation images: top-1"))

    let svg = String(decoding: try bench.bytes("run/confusion.svg"), as: UTF8.self)
    #expect(svg.contains("prefers-color-scheme: dark"))
    let cells = counts.flatMap { $0 }.filter { $0 > 0 }.count
    #expect(svg.components(separatedBy: "<title>").count == cells + 1)
  }

  @Test func withoutValidationImagesThereAreNoClasses() throws {
    let bench = try TrainToolTests.Bench(images: 40)
    try bench.train("run", "--epochs", "1", "--validation", "0")
    let report = try report(bench, "run")
    #expect(report.validation == nil && report.classes == nil && report.confusion == nil)
    #expect(!bench.exists("run/confusion.svg"))
  }

  /// The averages are what is validated and what model.cnn holds.
  @Test func averagesAreTheModel() throws {
    let bench = try TrainToolTests.Bench()
    try bench.train("with", "--epochs", "2", "--ema", "0.9")
    try bench.train("without", "--epochs", "2")
    let with = try bench.metrics("with")[1], without = try bench.metrics("without")[1]
    #expect(with["train_loss"] == without["train_loss"] && with["validation_loss"] != without["validation_loss"])
    #expect(try abs(report(bench, "with").validation!.loss - with["validation_loss"]!!) < 1e-12)
    func weights(_ run: String) throws -> [Float] {
      try #require(Graph(bundleAt: bench.path("\(run)/model.cnn")).tensors["linear1.weight"]?.data?.floats)
    }
    #expect(try weights("with") != weights("without"))
  }

  // MARK: Early stopping

  /// Labels that mean nothing are soon learnt by heart, and validation does not become better.
  private func meaningless() throws -> TrainToolTests.Bench {
    let bench = try TrainToolTests.Bench(images: 120)
    var random = Random(seed: 9)
    try bench.write("train-labels-idx1-ubyte", shape: [120], (0..<120).map { _ in UInt8(random.below(10)) })
    return bench
  }

  private let flags = ["--schedule", "constant", "--learning-rate", "0.01", "--validation", "40"]

  @Test func endsAfterPatienceWithTheBestNetwork() throws {
    let bench = try meaningless()
    func run(_ name: String, _ more: String...) throws {
      let result = try TrainToolTests.tool.run(bench.arguments(name, flags + more + ["--quiet"]))
      #expect(result.exitCode == 0, "\(result.error)")
    }
    try run("run", "--epochs", "60", "--early-stopping", "4")
    let metrics = try bench.metrics("run"), report = try report(bench, "run")
    func figures(_ epoch: Int) -> (Double, Double) {
      (metrics[epoch - 1]["validation_accuracy"]!!, -metrics[epoch - 1]["validation_loss"]!!)
    }
    let best = (1...metrics.count).reduce(1) { figures($1) > figures($0) ? $1 : $0 }
    #expect(metrics.count == best + 4 && metrics.count < 60)
    #expect(report.stopped_early && report.epoch == best && report.epochs == best + 4)
    #expect(abs(report.validation!.loss + figures(best).1) < 1e-12)
    // It is the network of a run that ends there.
    try run("short", "--epochs", "\(best)")
    let model = try Graph(bundleAt: bench.path("run/model.cnn"))
    let short = try Graph(bundleAt: bench.path("short/model.cnn"))
    for (name, tensor) in model.tensors where tensor.isConstant { #expect(tensor.data == short.tensors[name]?.data) }
    #expect(model.metadata["training.epoch"] == "\(best)")
  }

  @Test func killedRunsStopAtTheSameEpoch() throws {
    let bench = try meaningless()
    let flags = flags + ["--epochs", "60", "--early-stopping", "4", "--ema", "0.8"]
    #expect(try TrainToolTests.tool.run(bench.arguments("whole", flags + ["--quiet"])).exitCode == 0)
    try bench.trainThroughKills("killed", flags, milliseconds: 20, seed: 6)
    try bench.expectSameRuns("whole", "killed")
    #expect(try bench.bytes("whole/report.json") == bench.bytes("killed/report.json"))
    #expect(try bench.bytes("whole/confusion.svg") == bench.bytes("killed/confusion.svg"))
    // Resumed once more, it is the same: nothing is learnt any more.
    let before = try bench.bytes("killed/model.cnn")
    #expect(try TrainToolTests.tool.run(["--resume", "--out", bench.path("killed")]).exitCode == 0)
    #expect(try bench.bytes("killed/model.cnn") == before)
  }

  // MARK: Class weights

  @Test func classWeights() throws {
    let bench = try TrainToolTests.Bench(images: 60)
    func loss(_ run: String, _ more: String...) throws -> Double {
      let result = try TrainToolTests.tool.run(bench.arguments(run, ["--epochs", "1", "--validation", "0"] + more))
      #expect(result.exitCode == 0, "\(result.error)")
      return try bench.metrics(run)[0]["train_loss"]!!
    }
    let ones = Array(repeating: "1", count: 10).joined(separator: ",")
    let plain = try loss("plain")
    #expect(try loss("ones", "--class-weights", ones) == plain)
    #expect(try loss("balanced", "--class-weights", "balanced") != plain)
    let wrong = try bench.train("wrong", "--class-weights", "1,2", expecting: 1)
    #expect(wrong.error.contains("2 weights for 10 classes"))
  }
}

/// The chart's and the table's edges.
@Suite struct ConfusionTests {
  @Test func figuresThatWouldBeDividedByNothingAreNone() {
    var matrix = ConfusionMatrix(["a", "b", "c"])
    for _ in 0..<3 { matrix.add(label: 0, taken: 0) }
    matrix.add(label: 0, taken: 1)
    #expect(matrix.recall(0) == 75 && matrix.precision(0) == 100 && matrix.f1(0) == 100 * 6 / 7)
    #expect(matrix.recall(1) == nil && matrix.precision(1) == 0 && matrix.f1(1) == 0)
    #expect(matrix.recall(2) == nil && matrix.precision(2) == nil && matrix.f1(2) == nil)
    #expect(matrix.text.split(separator: "\n").last == "mean     50.00 %  75.00 %  42.86 %        4")
  }

  @Test(arguments: [1, 2, 10, 100]) func chartsHoldEachCountAndName(classes: Int) {
    let names = (0..<classes).map { "<class & \"\($0)\">" }
    var matrix = ConfusionMatrix(names)
    for c in 0..<classes { matrix.add(label: c, taken: (c + 1) % classes) }
    let svg = ConfusionChart("A & B", matrix).svg
    #expect(svg.contains("A &amp; B") && !svg.contains("class & "))
    #expect(svg.components(separatedBy: "<title>").count == classes + 1)
    // Beside the notes of the cells, each name stands at its row and at its column.
    #expect(svg.components(separatedBy: ">&lt;class &amp; &quot;0&quot;></text>").count == 3)
  }
}
