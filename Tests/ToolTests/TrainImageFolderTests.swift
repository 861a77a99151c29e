import CNNModel
import CNNSupport
import Foundation
import Testing

/// cnn-train on a folder of image files.
@Suite struct TrainImageFolderTests {
  /// Two classes of PNGs, bright above and bright below, of many sizes; one file is cut short.
  private func withFolder(_ body: (_ data: URL, _ run: String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      var random = Random(seed: 31)
      for name in ["above", "below"] {
        let kind = folder.appending(path: "data/\(name)")
        try FileManager.default.createDirectory(at: kind, withIntermediateDirectories: true)
        for number in 0..<30 {
          let (width, height) = (16 + random.below(9), 16 + random.below(9))
          let png = PNGFile(width: width, height: height, depth: 8, colourType: .grey) { _, y, _ in
            random.below(100) + ((y < height / 2) == (name == "above") ? 150 : 0)
          }
          let bytes = name == "below" && number == 7 ? png.data.dropLast(20) : png.data
          try bytes.write(to: kind.appending(path: "\(number).png"))
        }
      }
      try body(folder.appending(path: "data"), folder.appending(path: "run").path)
    }
  }

  private func train(_ data: URL, _ run: String, _ more: String..., expecting status: Int32 = 0) throws -> Tool.Result {
    let result = try TrainToolTests.tool.run(
      ["--model", "seed", "--data", data.path, "--out", run, "--threads", "1", "--batch", "8", "--epochs", "6"] + more)
    #expect(result.exitCode == status && !result.crashed, "\(result.error)")
    return result
  }

  @Test func learnsFromFilesOfAnySize() throws {
    try withFolder { data, run in
      let result = try train(data, run, "--size", "12x16", "--validation", "25%", "--learning-rate", "0.01")
      #expect(result.error.contains("1 files cannot be decoded") && result.error.contains("below/7.png"))
      let model = try Graph(bundleAt: run + "/model.cnn")
      #expect(model.labels == ["above", "below"])
      let recipe = try #require(model.recipe)
      #expect((recipe.height, recipe.width, recipe.channelOrder, recipe.resize) == (12, 16, .grey, .stretch))
      let report = try JSONDecoder().decode(
        TrainReportTests.Report.self, from: Data(contentsOf: URL(filePath: run + "/report.json")))
      // 59 files are whole.
      #expect(report.validation?.images == 15)
      #expect(report.validation!.top1_accuracy > 90)
      // The same files, the same run.
      #expect(try TrainToolTests.tool.run(["--resume", "--out", run]).exitCode == 0)
    }
  }

  @Test func theRecipeSaysHowImagesGetTheirSize() throws {
    try withFolder { data, run in
      _ = try train(data, run, "--size", "12x12", "--resize", "crop:14", "--channels", "3", "--epochs", "1")
      let recipe = try #require(Graph(bundleAt: run + "/model.cnn").recipe)
      #expect((recipe.channelOrder, recipe.resize) == (.rgb, .crop(shorter: 14)))
    }
  }

  @Test func strictRunsEndAtABrokenFile() throws {
    try withFolder { data, run in
      let result = try train(data, run, "--size", "12x12", "--strict", expecting: 1)
      #expect(result.error.contains("below/7.png"))
    }
  }

  @Test func sizesThatDifferNeedASize() throws {
    try withFolder { data, run in
      let result = try train(data, run, expecting: 1)
      #expect(result.error.contains("--size"))
    }
  }

  @Test func flagsForImageFilesAreForImageFiles() throws {
    let bench = try TrainToolTests.Bench(images: 24)
    for flags in [["--size", "12x12"], ["--strict"], ["--channels", "3"]] {
      let result = try TrainToolTests.tool.run(bench.arguments("run", flags))
      #expect(result.exitCode == 1 && result.error.contains("folders of PNG and JPEG files"))
    }
  }
}
