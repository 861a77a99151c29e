/// The numbers below `count` in random order (Fisher–Yates). The standard library's `shuffled(using:)` may change with
/// its version; this one may not, since a seed stands for a run.
public func permutation(of count: Int, using generator: inout some RandomNumberGenerator) -> [Int] {
  var order = Array(0..<count)
  for last in stride(from: count - 1, to: 0, by: -1) {
    order.swapAt(last, number(upTo: last, using: &generator))
  }
  return order
}

/// One of 0 … last, each equally likely: the high word of a product (Lemire 2019); its bias, below 2⁻⁶⁴ · (last + 1),
/// is beneath notice.
private func number(upTo last: Int, using generator: inout some RandomNumberGenerator) -> Int {
  Int(generator.next().multipliedFullWidth(by: UInt64(last) + 1).high)
}

/// The numbers of a data set's images, parted into those that are learnt from and those that judge the learning.
public struct Split: Equatable, Sendable {
  /// Both ascending.
  public let training, validation: [Int]

  /// - Parameters:
  ///   - count: images in the data set.
  ///   - validation: how many of them are set aside; 0 for none.
  public init(
    count: Int, validation: Int, using generator: inout some RandomNumberGenerator
  ) throws(DataError) {
    guard 0..<count ~= validation else {
      throw DataError("\(validation) images for validation cannot be taken from \(count) and leave some to learn from")
    }
    let order = permutation(of: count, using: &generator)
    self.validation = order.prefix(validation).sorted()
    training = order.dropFirst(validation).sorted()
  }
}
