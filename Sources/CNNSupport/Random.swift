/// Pseudo-random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64 as its authors advise. The
/// same seed gives the same numbers on every machine and in every version; the state is 32 bytes and can be saved.
public struct Random: RandomNumberGenerator, Equatable, Codable, Sendable {
  /// The generator's whole state. Not all four may be 0.
  public private(set) var state: [UInt64]

  public init(seed: UInt64) {
    var splitMix = seed
    state = (0..<4).map { _ in
      splitMix &+= 0x9E37_79B9_7F4A_7C15
      var z = splitMix
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  /// A generator that goes on where one with this `state` stopped; nil if it is not four numbers with a bit set.
  public init?(state: [UInt64]) {
    guard state.count == 4, state.contains(where: { $0 != 0 }) else { return nil }
    self.state = state
  }

  public mutating func next() -> UInt64 {
    func rotated(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
    let result = rotated(state[1] &* 5, 7) &* 9
    let t = state[1] << 17
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= t
    state[3] = rotated(state[3], 45)
    return result
  }

  /// Uniform in [0, 1), a multiple of 2⁻²⁴.
  public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Uniform in [low, high) up to rounding.
  public mutating func uniform(_ low: Float, _ high: Float) -> Float { low + (high - low) * uniform() }

  /// Uniform in 0 ..< bound, without bias (Lemire 2019). `bound` must be positive.
  public mutating func below(_ bound: Int) -> Int {
    let bound = UInt64(bound)
    var (high, low) = next().multipliedFullWidth(by: bound)
    if low < bound {
      let threshold = (0 &- bound) % bound
      while low < threshold { (high, low) = next().multipliedFullWidth(by: bound) }
    }
    return Int(high)
  }

  /// 0 ..< count in random order (Fisher and Yates). Not the standard library's `shuffled`, whose use of the generator
  /// may change from version to version.
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, below(i + 1)) }
    return order
  }
}
