import CNNModel

/// How images are made ready. What a format has no choice about is not asked for: sets of one size with their pixels in
/// one file (IDX, CIFAR, NumPy) are taken as they are.
public struct DataOptions: Sendable {
  /// Of the images; nil: their own, which must then be the same for all.
  public var size: (height: Int, width: Int)?
  /// How images get that size; the recipe of a network must say the same.
  public var resize = Recipe.Resize.stretch
  /// 1 for grey, 3 for RGB; nil: grey if all images are.
  public var channels: Int?
  /// A file that cannot be decoded is an error; otherwise it is left out and listed in `Dataset.skipped`.
  public var strict = false
  /// Pixels of images in files are kept decoded up to so many bytes; the rest is decoded each time.
  public var cacheBytes = 1 << 30
  /// Show on standard error how far decoding is.
  public var progress = false

  public init() {}
}

extension DataOptions {
  /// For images that go through this recipe afterwards: it then makes of them what it makes of the files. (Where it cuts
  /// out the middle, and both steps round, one pixel beside.)
  public init(for recipe: Recipe) {
    self.init()
    (size, resize, channels) = ((recipe.height, recipe.width), recipe.resize, recipe.channels)
    // The whole square that the cut is from: the recipe leaves it as it is, and cuts.
    if case .crop(let shorter) = recipe.resize { size = (shorter, shorter) }
  }
}
