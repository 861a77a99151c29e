import CNNSupport

/// The numbers of a data set's images, parted into those that are learnt from and those that judge the learning. At
/// random, whatever their classes, as PyTorch's random_split and most scripts do it: a class's share of the images set
/// aside is its own up to chance.
public struct Split: Equatable, Sendable {
  /// Both ascending.
  public let training, validation: [Int]

  /// - Parameters:
  ///   - count: images in the data set.
  ///   - validation: how many of them are set aside, at random; 0 for none.
  public init(count: Int, validation: Int, using random: inout Random) throws(CNNError) {
    guard 0..<count ~= validation else {
      throw CNNError(
        "\(validation) of \(count) images cannot be set aside", at: "validation split",
        advice: "leave at least one to learn from")
    }
    let order = random.permutation(count)
    self.validation = order.prefix(validation).sorted()
    training = order.dropFirst(validation).sorted()
  }

  /// - Parameter share: of the images that are set aside, from 0 to below 1; their number is rounded to nearest.
  public init(count: Int, share: Double, using random: inout Random) throws(CNNError) {
    guard 0..<1 ~= share else {
      throw CNNError(
        "the share \(share) of the images cannot be set aside", at: "validation split", advice: "give 0 to below 1")
    }
    try self.init(count: count, validation: Int((Double(count) * share).rounded()), using: &random)
  }

  /// How many of `count` images are set aside where nobody says otherwise: one in twelve.
  public static func usualValidation(of count: Int) -> Int { count / 12 }
}

extension Random {
  /// What a training run with this seed draws about its images: their split first, then their order in each epoch. Not
  /// the stream that its first parameters come from.
  public init(imagesOfRun seed: UInt64) { self.init(seed: seed ^ 0x6461_7461) }
}
