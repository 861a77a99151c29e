import CImages
import CNNModel
import CNNRT
import CNNSupport

/// Makes images of one size out of PNG and JPEG files. libcnnrt itself resizes, lays alpha over black and makes grey of
/// colours: what is learnt from is what the board will see of the same file.
struct ImageDecoder: Sendable {
  let channels, height, width: Int
  /// Gives back the pixels that its recipe makes.
  private let model: Model

  /// - Parameter channels: 1 for grey, 3 for RGB.
  init(channels: Int, height: Int, width: Int, resize: Recipe.Resize) throws(CNNError) {
    (self.channels, self.height, self.width) = (channels, height, width)
    let zeros = [Float](repeating: 0, count: channels)
    var graph = Graph()
    for name in ["pixels", "same"] {
      graph.tensors[name] = Tensor(
        .uint8, shape: [1, channels, height, width], quantization: Quantization(scale: 1 / 255, zeroPoint: 0))
    }
    graph.operators = [Operator("same", .relu, inputs: ["pixels"], outputs: ["same"])]
    (graph.inputs, graph.outputs) = (["pixels"], ["same"])
    graph.recipe = Recipe(
      width: width, height: height, channelOrder: channels == 1 ? .grey : .rgb, resize: resize, mean: zeros,
      deviation: zeros.map { _ in 1 })
    let bytes = try BundleWriter(codec: .stored).bytes(of: graph)
    do { model = try Model(bytes: bytes) } catch { throw CNNError("\(error)", at: "\(width)×\(height)") }
  }

  /// Of an image that it makes.
  var imageBytes: Int { channels * height * width }

  struct Image {
    /// [channels, height, width]
    var pixels: [UInt8]
    /// In the file, upright.
    var sourceHeight, sourceWidth: Int
  }

  /// - Throws: `CNNError` with the path if the file cannot be read or decoded.
  func decode(_ path: String) throws(CNNError) -> Image {
    var image = images_pixels()
    var error = images_error()
    guard images_read(path, UInt64(images_max_pixels), &image, &error) == 0 else {
      let message = withUnsafeBytes(of: error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      throw CNNError(message, at: path)
    }
    defer { images_free(&image) }
    let (height, width, channels) = (Int(image.height), Int(image.width), Int(image.channels))
    let bytes = UnsafeBufferPointer(start: image.bytes, count: height * width * channels)
    do {
      let session = try Session(model)
      try session.setImage(bytes.span, width: width, height: height, channels: channels)
      try session.run()
      return Image(pixels: try session.output(as: UInt8.self), sourceHeight: height, sourceWidth: width)
    } catch {
      throw CNNError("\(error)", at: path)
    }
  }
}
