import CBundle

// Dropout (Srivastava et al. 2014): an element is 0 with the probability `ratio`, else divided by 1 − ratio; to evaluate,
// itself. What is dropped is a function of the seed, the number of the step, the layer, the image's place in the batch
// and the element's in the image: so the way back finds the same, nothing is stored, and threads do not matter.

extension Trainer {
  func dropout(_ layer: Layer, learning: Bool, _ images: Images) {
    images.forEach { image in
      let one = Images(first: image, share: images.share)
      drop(layer, ratio: learning ? layer.op.values.0 : 0, view(layer.x, one), view(layer.y, one), image)
    }
  }

  func dropoutGradient(_ layer: Layer, target: Int, _ images: Images) {
    let dy = view(plan.gradient(layer.y), images)
    drop(layer, ratio: layer.op.values.0, dy, view(target, images), images.first)
  }

  private func drop(_ layer: Layer, ratio: Float, _ from: GradientView, _ to: GradientView, _ image: Int) {
    let random = ElementRandom(
      seed: options.seed, step: UInt64(bitPattern: updates), layer: UInt64(layer.number), image: UInt64(image))
    // Dropped is what lies below.
    let threshold = SIMD4<UInt32>(repeating: UInt32(Double(ratio) * 0x1p32))
    let scale = Floats(repeating: 1 / (1 - ratio))
    var index: UInt32 = 0
    to.forEach { b, y, v in
      to[b, y, v] = (from[b, y, v] * scale).replacing(with: 0, where: random[index] .< threshold)
      index &+= 4
    }
  }
}

/// Random bits for each element, by its number: a hash (Wellons' lowbias32) of the number and of a key, twice.
struct ElementRandom {
  private let first: UInt32, second: UInt32

  init(seed: UInt64, step: UInt64, layer: UInt64, image: UInt64) {
    var key = seed
    key = Self.mix(key ^ Self.mix(step))
    key = Self.mix(key ^ Self.mix(layer))
    key = Self.mix(key ^ Self.mix(image))
    first = UInt32(truncatingIfNeeded: key)
    second = UInt32(truncatingIfNeeded: key >> 32)
  }

  /// Steele, Lea & Flood 2014 (SplitMix64).
  private static func mix(_ x: UInt64) -> UInt64 {
    var z = x &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Of elements `index` … `index` + 3.
  subscript(index: UInt32) -> SIMD4<UInt32> {
    let elements = SIMD4<UInt32>(repeating: index) &+ SIMD4(0, 1, 2, 3)
    return hash(hash(elements ^ SIMD4(repeating: first)) ^ SIMD4(repeating: second))
  }

  private func hash(_ x: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var x = x
    x ^= x &>> SIMD4(repeating: 16)
    x &*= SIMD4(repeating: 0x7FEB_352D)
    x ^= x &>> SIMD4(repeating: 15)
    x &*= SIMD4(repeating: 0x846C_A68B)
    x ^= x &>> SIMD4(repeating: 16)
    return x
  }
}
