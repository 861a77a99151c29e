import CNNModel

extension AffineQuantization {
  /// For an input made from 8-bit pixels by `recipe`: it holds all that pixels can become. With one deviation for all
  /// channels the step is that from one pixel value to the next, and the zero point is the pixel value next to the mean:
  /// each pixel is stored as itself, and nothing is lost between the image and the first layer.
  public init(recipe: Recipe) {
    let ends = recipe.mean.indices.flatMap { channel in
      [0.0, 1].map { ($0 - Double(recipe.mean[channel])) / Double(recipe.deviation[channel]) }
    }
    let range = AffineQuantization(lower: ends.min()!, upper: ends.max()!)
    // A mean halfway between two pixel values makes every pixel a tie; a step that is a little wider makes none.
    let fraction = (ends.min()! / Double(range.scale)).magnitude.truncatingRemainder(dividingBy: 1)
    let isTie = abs(fraction - 0.5) < 1e-3
    self.init(scale: isTie ? range.scale * (1 + 0x1p-14) : range.scale, zeroPoint: range.zeroPoint)
  }
}
