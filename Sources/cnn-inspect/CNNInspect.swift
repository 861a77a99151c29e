import ArgumentParser
import CNNSupport

@main
struct CNNInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cnn-inspect",
    abstract: "Shows what is in a bundle: graph, shapes, sections, sizes, quantization, recipe, labels, metadata.",
    discussion: "Every checksum is verified. A bundle that is damaged is named so, and the exit status is 1.")

  @Argument(help: "The bundle.", completion: .file(extensions: ["cnn"]))
  var bundle: String

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Show instead what each pass of an export would do to the network, a float bundle.")
  var passes = false

  func run() throws {
    if passes {
      let inspection = try PassInspection(path: bundle)
      print(json ? inspection.json.text : inspection.text)
      return
    }
    let inspection = try Inspection(path: bundle)
    print(json ? inspection.json.text : inspection.text)
    if let error = inspection.error { throw error }
  }
}
