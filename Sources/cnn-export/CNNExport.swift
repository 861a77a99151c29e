import ArgumentParser
import CNNData
import CNNModel
import CNNQuantize
import CNNRT
import CNNSupport
import Foundation

enum ExportType: String, EnumerableFlag {
  case int8, float

  static func help(for value: ExportType) -> ArgumentHelp? {
    switch value {
    case .int8: "int8 weights and uint8 activations: a quarter of the size, and the same bits on every processor."
    case .float: "float32 throughout."
    }
  }
}

extension RangeRule: ExpressibleByArgument {}

@main
struct CNNExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cnn-export",
    abstract: "Makes a bundle for the board out of a trained one, or out of an ONNX file.",
    usage: """
      cnn-export RUN/model.cnn --int8 --data fashion-mnist --out model-int8.cnn [options]
      cnn-export RUN/model.cnn --float --out model-float.cnn [options]
      cnn-export NET.onnx --out model.cnn [--input 224x224x3] [options]
      cnn-export NET.onnx --int8 --data photos --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --out model-int8.cnn
      cnn-export model.cnn --onnx model.onnx
      """,
    discussion: """
      Folds batch normalisation, fuses activations, quantizes (--int8), compresses, and puts recipe, labels and a \
      self-test into the bundle. Prints each layer's signal-to-noise ratio of int8 against float, the accuracy of both \
      on the validation and the test images, file size and memory.

      Calibration uses training images that were not set aside for validation. The test images are read at the very \
      end, for the report alone. The same input and options give the same file to the bit.

      An ONNX file becomes a bundle as it is, float or int8 with its own scales. --mean, --std and --channels give it the \
      image recipe that it lacks; without them the network reads tensors. A float one with a recipe can be quantized \
      here (--int8).
      """)

  @Argument(
    help: "A float bundle, as cnn-train writes it, or an ONNX file.", completion: .file(extensions: ["cnn", "onnx"]))
  var model: String

  @Flag var type: ExportType?

  @OptionGroup(title: "ONNX files")
  var onnx: ONNXOptions

  @Option(help: ArgumentHelp(dataSourceHelp))
  var data: String?

  @Option(help: "The bundle to write. It is there whole or not at all.", completion: .file(extensions: ["cnn"]))
  var out = ""

  @Option(
    name: .customLong("onnx"),
    help: "Instead of a bundle, write the model as it is, float or int8, as an ONNX model of this name.",
    completion: .file(extensions: ["onnx"]))
  var onnxOutput: String?

  @Option(help: "Write the report as JSON, too.", completion: .file(extensions: ["json"]))
  var json: String?

  @Flag(help: "Do not compress: the board maps the file and uses the weights in place.")
  var stored = false

  @Option(help: "Training images that the ranges are learnt from.")
  var calibration = 1024

  @Option(
    help:
      "Ranges of int8: mse (least mean squared error) or min-max (all that was seen)."
  )
  var range = RangeRule.meanSquaredError

  @Option(
    help: ArgumentHelp(
      "Layers that stay in float in an int8 bundle, separated by commas; those that have no int8 form do anyhow.",
      valueName: "layer,…"))
  var floatLayers: String?

  @Option(help: "Chooses the calibration images.")
  var seed: UInt64 = 0

  @Option(help: "Threads that compute, 1 to 64; the results are the same. (default: one per processor)")
  var threads: Int?

  @Flag(help: "Do not read the test images: no test accuracy in the report.")
  var noTest = false

  @Flag(help: "Print nothing but errors.")
  var quiet = false

  func validate() throws {
    guard 1...1_000_000 ~= calibration else { throw ValidationError("--calibration must be 1 to 1000000") }
    guard 1...64 ~= threads ?? 1 else { throw ValidationError("--threads must be 1 to 64") }
    if onnxOutput != nil {
      guard type == nil, out.isEmpty, !isONNX, onnx.isEmpty else {
        throw ValidationError("--onnx writes a bundle as it is: make one with --out first")
      }
      return
    }
    guard !out.isEmpty else { throw ValidationError("Missing expected argument '--out <out>'") }
    guard type != .int8 || data != nil else {
      throw ValidationError("--int8 needs images to calibrate with: name a data set with --data")
    }
    guard isONNX || type != nil else { throw ValidationError("Missing one of: '--int8', '--float'") }
    guard isONNX || onnx.isEmpty else {
      throw ValidationError("--input, --mean, --std, --channels and --labels are for ONNX files: a bundle has its own")
    }
  }

  private var isONNX: Bool { model.hasSuffix(".onnx") }

  func run() throws {
    try refuseOverwriting()
    if let onnxOutput { return try writeONNX(to: onnxOutput) }
    guard isONNX else { return try export(try BundleReader(path: model)) }
    let network = try ONNXExport(model, onnx)
    if type != nil { return try export(try network.reader(model)) }
    let bytes = try network.bytes(tool: "cnn-export \(Library.version)", codec: stored ? .stored : .deflate)
    try AtomicFile.write(bytes, to: out)
    if !quiet { print(network.report(model, to: out, fileBytes: bytes.count)) }
  }

  private func export(_ source: BundleReader) throws {
    let data = try data.map { try dataSource($0, imageOptions(source)) }
    let result = try Exporter(tool: "cnn-export \(Library.version)", options: options)
      .export(source, name: model, as: out, data: data)
    try AtomicFile.write(result.bytes, to: out)
    if let json { try AtomicFile.write(result.report.json.text + "\n", to: json) }
    if !quiet { print(result.report.text) }
  }

  /// Image files become what the network's recipe makes of them.
  private func imageOptions(_ source: BundleReader) throws(CNNError) -> DataOptions {
    var options = try source.graph().recipe.map(DataOptions.init(for:)) ?? DataOptions()
    options.progress = !quiet
    return options
  }

  private var options: Exporter.Options {
    var options = Exporter.Options(int8: type == .int8)
    options.calibrationImages = calibration
    options.rangeRule = range
    options.floatLayers = floatLayers?.split(separator: ",").map(String.init) ?? []
    options.seed = seed
    options.threads = threads ?? min(64, ProcessInfo.processInfo.activeProcessorCount)
    options.codec = stored ? .stored : .deflate
    options.test = !noTest
    options.progress = !quiet
    return options
  }

  /// What training took hours for must not be lost to a slip of the pen.
  private func refuseOverwriting() throws(CNNError) {
    func file(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
    let (option, target) = onnxOutput.map { ("--onnx", $0) } ?? ("--out", out)
    guard file(model) != file(target) else {
      throw CNNError("is the model itself", at: "\(option) \(target)", advice: "give another file")
    }
  }
}
