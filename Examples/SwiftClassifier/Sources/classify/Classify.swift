// classify: what is in a picture? A whole Swift program on CNNRT.
//
//   swift run -c release --package-path Examples/SwiftClassifier classify model.cnn picture.pgm…
//
// Pictures are binary PGM or PPM (P5, P6; "convert picture.jpg picture.ppm" makes one). A camera's frame would go into
// setImage in the same way.
import CNNRT
import Foundation

@main
struct Classify {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard let path = arguments.first, arguments.count > 1 else {
      complain("usage: classify MODEL.cnn PICTURE.pgm…")
      exit(2)
    }
    let session: Session
    do throws(CNNRTError) {
      session = try Session(Model(path: path))
    } catch {
      complain("classify: \(error)")
      exit(1)
    }
    var failed = false
    for path in arguments.dropFirst() {
      if arguments.count > 2 { print("\(path):") }
      do {
        for best in try classes(of: Picture(path: path), session) { print(line(best)) }
      } catch {
        complain("classify: \(path): \(error)")
        failed = true
      }
    }
    exit(failed ? 1 : 0)
  }

  static func classes(of picture: Picture, _ session: Session) throws(CNNRTError) -> [Session.Classification] {
    try session.setImage(
      picture.pixels.span, width: picture.width, height: picture.height, channels: picture.channels)
    try session.run()
    return try session.topK(3)
  }

  static func line(_ best: Session.Classification) -> String {
    let percent = String(format: "%6.2f", 100 * best.score)
    return "\(percent) %  \(best.label ?? "class \(best.index)")"
  }

  static func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
