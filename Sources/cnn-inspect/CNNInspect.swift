import ArgumentParser
import CNNModel
import CNNSupport

@main
struct CNNInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cnn-inspect",
    abstract: "Shows what is in a bundle: graph, shapes, sections, sizes, quantization, recipe, labels, metadata.",
    discussion: "Every checksum is verified. A bundle that is damaged is named so, and the exit status is 1.")

  @Argument(help: "The bundle; with --passes, an ONNX file too.", completion: .file(extensions: ["cnn", "onnx"]))
  var bundle: String

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Show instead what each pass does: those of an export to a float bundle, of an import to an ONNX file.")
  var passes = false

  @Option(
    help: ArgumentHelp("With --passes: the size of an ONNX file's image where it leaves it open.", valueName: "HxWxC"))
  var input: String?

  func validate() throws {
    let isONNX = bundle.hasSuffix(".onnx")
    guard passes || !isONNX else {
      throw ValidationError("an ONNX file is shown with --passes only; cnn-export makes a bundle of it")
    }
    guard passes && isONNX || input == nil else { throw ValidationError("--input is for the --passes of an ONNX file") }
  }

  func run() throws {
    if passes {
      let inspection = try PassInspection(path: bundle, input: try input.map { try ImageSize($0) })
      print(json ? inspection.json.text : inspection.text)
      return
    }
    let inspection = try Inspection(path: bundle)
    print(json ? inspection.json.text : inspection.text)
    if let error = inspection.error { throw error }
  }
}
