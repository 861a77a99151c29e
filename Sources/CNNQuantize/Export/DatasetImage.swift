import CNNData
import CNNRT

extension Session {
  /// Sets an image of a data set by the bundle's recipe.
  func setImage(_ dataset: Dataset, _ number: Int, batchIndex: Int = 0) throws {
    let plane = dataset.height * dataset.width
    let channels = dataset.channels
    let pixels = try dataset.withImage(number) { planes in
      // The library takes pixels with their channels side by side.
      [UInt8](unsafeUninitializedCapacity: planes.count) { pixels, count in
        for channel in 0..<channels {
          for index in 0..<plane { pixels[index * channels + channel] = planes[channel * plane + index] }
        }
        count = planes.count
      }
    }
    try setImage(
      pixels.span, width: dataset.width, height: dataset.height, channels: channels, batchIndex: batchIndex)
  }
}
