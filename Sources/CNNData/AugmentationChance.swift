import CNNSupport
import Glibc

/// What is drawn for the images of an epoch. Each has random numbers of its own, so that no order of work and no
/// interruption changes them.
struct AugmentationChance: Sendable {
  private let augmentation: Augmentation
  private let key: UInt64

  init(_ augmentation: Augmentation, seed: UInt64, epoch: Int) {
    self.augmentation = augmentation
    key = Self.hash(Self.hash(seed ^ 0x6368_616e_6365) &+ UInt64(epoch))
  }

  private static func hash(_ number: UInt64) -> UInt64 {
    var random = Random(seed: number)
    return random.next()
  }

  /// For the image at a position of the epoch. As many numbers are drawn whatever is asked for, so that a flip is the same
  /// with and without a crop.
  func draw(_ position: Int, height: Int, width: Int) -> AugmentationDraw {
    var random = Random(seed: key &+ UInt64(position))
    func offset(_ most: Int) -> Int { random.below(2 * most + 1) - most }
    var draw = AugmentationDraw()
    draw.flips = random.next() >> 63 == 1 && augmentation.flip
    draw.shift = (offset(augmentation.shift), offset(augmentation.shift))
    draw.crop = (offset(augmentation.crop), offset(augmentation.crop))
    let (y, x) = (random.below(height) - augmentation.cutout / 2, random.below(width) - augmentation.cutout / 2)
    if augmentation.cutout > 0 {
      draw.hole = (
        max(y, 0)..<min(y + augmentation.cutout, height), max(x, 0)..<min(x + augmentation.cutout, width)
      )
    }
    return draw
  }

  /// For the batch of `count` images that begins at a position; nil where none are mixed.
  func mixture(_ position: Int, count: Int) -> Mixture? {
    guard augmentation.mixup > 0 else { return nil }
    var random = Random(seed: ~(key &+ UInt64(position)))
    return Mixture(share: Float(random.beta(augmentation.mixup)), partners: random.permutation(count))
  }
}

/// What happens to one image: flipped, then shifted, then cropped, then cut.
struct AugmentationDraw {
  typealias Hole = (rows: Range<Int>, columns: Range<Int>)

  var flips = false
  /// Where the pixel at the origin comes from.
  var shift = (y: 0, x: 0)
  var crop = (y: 0, x: 0)
  var hole: Hole?

  /// The row that row `y` of the result shows; nil: black.
  func sourceRow(_ y: Int, of height: Int) -> Int? {
    guard 0..<height ~= y + crop.y else { return nil }
    return min(max(y + crop.y + shift.y, 0), height - 1)
  }

  /// The column that column `x` of the result shows; nil: black.
  func sourceColumn(_ x: Int, of width: Int) -> Int? {
    guard 0..<width ~= x + crop.x else { return nil }
    let column = min(max(x + crop.x + shift.x, 0), width - 1)
    return flips ? width - 1 - column : column
  }
}

/// How the images of a batch are mixed.
struct Mixture {
  /// Of the image itself; the partner has the rest.
  var share: Float
  /// Of each image, its number in the batch.
  var partners: [Int]
}

extension Random {
  /// From the distribution Beta(α, α): X / (X + Y), X and Y from Gamma(α, 1). By way of their logarithms, as both may be
  /// too small for a number where α is small.
  mutating func beta(_ alpha: Double) -> Double {
    let (x, y) = (logGamma(alpha), logGamma(alpha))
    return 1 / (1 + exp(y - x))
  }

  /// The logarithm of a number from Gamma(α, 1): Marsaglia and Tsang (2000) for α + 1, times U^(1/α).
  private mutating func logGamma(_ alpha: Double) -> Double {
    let d = alpha + 1 - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      if v > 0, log(positive()) < 0.5 * x * x + d - d * v + d * log(v) {
        return log(d * v) + log(positive()) / alpha
      }
    }
  }

  /// Standard normal (Box and Muller 1958).
  private mutating func normal() -> Double { (-2 * log(positive())).squareRoot() * cos(2 * .pi * positive()) }

  /// Uniform in (0, 1], a multiple of 2⁻⁵³.
  private mutating func positive() -> Double { Double((next() >> 11) + 1) * 0x1p-53 }
}
