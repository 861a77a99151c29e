import CNNModel

extension AffineQuantization {
  /// For an input made from 8-bit pixels by `recipe`: the step is one pixel step (of the channel with the smallest deviation),
  /// the zero point is the pixel value that the mean is nearest to. So with one deviation each pixel is stored as itself, moved
  /// only if the range of the channels does not fit: nothing is lost between the image and the first layer.
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
