import CNNSupport

/// How training images are changed at random, each time they are seen. In this order:
///
/// - `flip`: mirrored left to right, one time in two.
/// - `shift:PIXELS`: moved by up to so many pixels along each axis; the border pixels are repeated.
/// - `crop:PIXELS`: black pixels, so many, are put around; then an image of the old size is cut out somewhere (He et al.
///   2016, for CIFAR).
/// - `cutout:SIZE`: a square of this side is set to the mean; its centre is anywhere in the image, so that it may reach
///   over the border (DeVries and Taylor 2017).
/// - `mixup:ALPHA`: each image of a batch is mixed with another of the same batch, share · image + (1 − share) · other,
///   with one share per batch from the distribution Beta(α, α) (Zhang et al. 2018). The targets are mixed likewise.
///
/// What happens to an image depends on the run's seed, the epoch and its position there alone.
public struct Augmentation: Equatable, Sendable {
  public var flip = false
  /// Pixels; 0: none.
  public var shift = 0
  /// Pixels; 0: none.
  public var crop = 0
  /// Pixels; 0: none.
  public var cutout = 0
  /// α; 0: none.
  public var mixup = 0.0

  /// None.
  public init() {}

  /// - Parameter text: "flip,shift:2,cutout:8,mixup:0.2", in any order; "" or "none" for none.
  /// - Throws: `CNNError` that says what is allowed.
  public init(_ text: String) throws(CNNError) {
    if text.isEmpty || text == "none" { return }
    var seen: Set<Substring> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard seen.insert(halves[0]).inserted else { throw Self.error("“\(halves[0])” is there twice", text) }
      try set(halves[0], halves.count > 1 ? halves[1] : nil, text)
    }
  }

  private mutating func set(_ name: Substring, _ value: Substring?, _ text: String) throws(CNNError) {
    switch name {
    case "flip":
      guard value == nil else { throw Self.error("“flip” takes no value", text) }
      flip = true
    case "shift": shift = try Self.pixels(name, value, text)
    case "crop": crop = try Self.pixels(name, value, text)
    case "cutout": cutout = try Self.pixels(name, value, text)
    case "mixup":
      guard let alpha = value.flatMap({ Double($0) }), alpha > 0, alpha <= Self.largestAlpha else {
        throw Self.error("“mixup” needs a number above 0, at most \(Int(Self.largestAlpha))", text)
      }
      mixup = alpha
    default: throw Self.error("“\(name)” is unknown", text)
    }
  }

  private static let largestPixels = 1024
  private static let largestAlpha = 100.0

  private static func pixels(_ name: Substring, _ value: Substring?, _ text: String) throws(CNNError) -> Int {
    guard let pixels = value.flatMap({ Int($0) }), 1...largestPixels ~= pixels else {
      throw error("“\(name)” needs a number of pixels, 1 to \(largestPixels)", text)
    }
    return pixels
  }

  private static func error(_ what: String, _ text: String) -> CNNError {
    CNNError(
      what, at: "augmentation “\(text)”",
      advice: "allowed are flip, shift:PIXELS, crop:PIXELS, cutout:SIZE and mixup:ALPHA, with commas between")
  }

  /// - Throws: `CNNError` if images of this size could be moved out of sight.
  public func check(height: Int, width: Int) throws(CNNError) {
    for (name, pixels) in [("shift", shift), ("crop", crop), ("cutout", cutout)] where pixels >= min(height, width) {
      throw CNNError(
        "\(pixels) pixels are as much as the images have, which are \(width)×\(height)",
        at: "augmentation “\(name):\(pixels)”", advice: "take fewer")
    }
  }
}

extension Augmentation: CustomStringConvertible {
  /// As it is parsed; "none" for none.
  public var description: String {
    let sizes = [("shift", shift), ("crop", crop), ("cutout", cutout)].filter { $0.1 > 0 }.map { "\($0):\($1)" }
    let parts = (flip ? ["flip"] : []) + sizes + (mixup > 0 ? ["mixup:\(mixup)"] : [])
    return parts.isEmpty ? "none" : parts.joined(separator: ",")
  }
}
