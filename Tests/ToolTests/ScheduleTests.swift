import Foundation
import Testing

/// cnn-train's rates against PyTorch's schedulers, as Tools/vectors/schedules.py prints them: 24 steps, the largest rate
/// being 0.02. metrics.jsonl has the rate of each epoch's last step, so an epoch is one step here.
@Suite struct ScheduleTests {
  struct Case: CustomStringConvertible, Sendable {
    var flags: [String]
    var rates: [Double]
    var description: String { flags.joined(separator: " ") }
  }

  static let cases = [
    Case(
      flags: ["--schedule", "one-cycle"],
      rates: [
        0.0008, 0.00200627249, 0.0053219455, 0.00991376798, 0.0146277839, 0.018279329, 0.0199507455, 0.0198883087,
        0.0194388355, 0.0186602594, 0.0175797269, 0.0162349131, 0.0146727076, 0.01294758, 0.0111196803, 0.00925274205,
        0.0074118599, 0.00566121996, 0.0040618619, 0.0026695506, 0.00153283188, 0.000691339749, 0.00017441457, 8e-08,
      ]),
    Case(
      flags: ["--schedule", "step", "--step-epochs", "6", "--step-factor", "0.3"],
      rates: [
        0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.006, 0.006, 0.006, 0.006, 0.006, 0.006, 0.0018, 0.0018, 0.0018, 0.0018,
        0.0018, 0.0018, 0.00054, 0.00054, 0.00054, 0.00054, 0.00054, 0.00054,
      ]),
    Case(
      flags: ["--schedule", "step", "--step-epochs", "6", "--step-factor", "0.3", "--warmup", "5"],
      rates: [
        0.00333333333, 0.00666666667, 0.01, 0.0133333333, 0.0166666667, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.006,
        0.006, 0.006, 0.006, 0.006, 0.006, 0.0018, 0.0018, 0.0018, 0.0018, 0.0018, 0.0018, 0.00054,
      ]),
    Case(
      flags: ["--schedule", "cosine"],
      rates: [
        0.02, 0.0199144486, 0.0196592583, 0.0192387953, 0.018660254, 0.0179335334, 0.0170710678, 0.0160876143, 0.015,
        0.0138268343, 0.0125881905, 0.0113052619, 0.01, 0.00869473808, 0.00741180955, 0.00617316568, 0.005,
        0.00391238571, 0.00292893219, 0.0020664666, 0.00133974596, 0.000761204675, 0.000340741737, 8.55513863e-05,
      ]),
    Case(
      flags: ["--warmup", "4steps"],
      rates: [
        0.004, 0.008, 0.012, 0.016, 0.02, 0.0198768834, 0.0195105652, 0.0189100652, 0.0180901699, 0.0170710678,
        0.0158778525, 0.014539905, 0.0130901699, 0.0115643447, 0.01, 0.00843565535, 0.00690983006, 0.005460095,
        0.00412214748, 0.00292893219, 0.00190983006, 0.00108993476, 0.000489434837, 0.000123116594,
      ]),
    Case(
      flags: ["--schedule", "constant", "--warmup", "8"],
      rates: [
        0.00222222222, 0.00444444444, 0.00666666667, 0.00888888889, 0.0111111111, 0.0133333333, 0.0155555556,
        0.0177777778, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02,
      ]),
  ]

  @Test(arguments: cases) func ratesArePyTorchs(_ test: Case) throws {
    let bench = try TrainToolTests.Bench(images: 16)
    let arguments =
      bench.arguments("run", ["--epochs", "24", "--validation", "0", "--learning-rate", "0.02", "--quiet"])
      + test.flags
    let result = try TrainToolTests.tool.run(arguments)
    #expect(result.exitCode == 0, "\(result.error)")
    let rates = try bench.metrics("run").map { $0["learning_rate"]!! }
    #expect(rates.count == test.rates.count)
    for (rate, expected) in zip(rates, test.rates) { #expect(abs(rate - expected) < 2e-7 * expected) }
  }

  /// Within an epoch too: with one-cycle over 3 epochs of 8 steps, the epochs' last steps are the 8th, 16th and 24th.
  @Test func stepsAreCountedOverEpochs() throws {
    let bench = try TrainToolTests.Bench(images: 128)
    try bench.train(
      "run", "--epochs", "3", "--validation", "0", "--learning-rate", "0.02", "--schedule", "one-cycle", "--quiet")
    for (index, metrics) in try bench.metrics("run").enumerated() {
      let expected = Self.cases[0].rates[8 * index + 7]
      #expect(abs(metrics["learning_rate"]!! - expected) < 2e-7 * expected)
    }
  }
}
