import CVector

// The update of all parameters: one loop over arrays, written like PyTorch's.
extension Trainer {
  /// Adds up the shares' gradients, in their order, for elements start ..< end (multiples of 16).
  func reduce(_ start: Int, _ end: Int) {
    guard plan.shares > 1 else { return }
    forEachVector(start, end) { i in
      var sum = vector(partials, i)
      for share in 1..<plan.shares { sum += vector(partials + share * plan.parameters.elements, i) }
      set(gradients, i, sum)
    }
  }

  /// `clipping` is what the gradients are multiplied with.
  func update(_ start: Int, _ end: Int, learningRate: Float, clipping: Float) {
    switch options.optimizer {
    case .sgd: sgd(start, end, learningRate, clipping)
    case .adam: adam(start, end, learningRate, clipping, penalty: options.weightDecay, decay: 0)
    case .adamW: adam(start, end, learningRate, clipping, penalty: 0, decay: options.weightDecay)
    }
  }

  /// v = momentum · v + g; w −= rate · v
  private func sgd(_ start: Int, _ end: Int, _ learningRate: Float, _ clipping: Float) {
    forEachVector(start, end) { i in
      let w = vector(values, i)
      var g = clipping * vector(gradients, i) + options.weightDecay * w
      if let velocity = moment1 {
        g = options.momentum * vector(velocity, i) + g
        set(velocity, i, g)
      }
      set(values, i, w - learningRate * g)
    }
  }

  /// Kingma & Ba 2015, algorithm 1, with PyTorch's placing of ε:
  /// m += (1 − β₁)(g − m); v = β₂ v + (1 − β₂) g²; w −= rate / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
  /// Weight decay is a `penalty`, g += penalty · w, or apart from the gradient a `decay`, w −= rate · decay · w
  /// beforehand (Loshchilov & Hutter 2017).
  private func adam(
    _ start: Int, _ end: Int, _ learningRate: Float, _ clipping: Float, penalty: Float, decay: Float
  ) {
    guard let moment1, let moment2 else { return }
    let correction1 = 1 - power(options.beta1, updates + 1), correction2 = 1 - power(options.beta2, updates + 1)
    let rate = Float(Double(learningRate) / correction1), root = Float(cv_square_root(correction2))
    let toMean = Float(1 - options.beta1), beta2 = Float(options.beta2), toSquare = Float(1 - options.beta2)
    let kept = Float(1 - Double(learningRate) * Double(decay))
    forEachVector(start, end) { i in
      let w = vector(values, i)
      let g = clipping * vector(gradients, i) + penalty * w
      let m = vector(moment1, i) + toMean * (g - vector(moment1, i))
      let v = beta2 * vector(moment2, i) + toSquare * g * g
      set(moment1, i, m)
      set(moment2, i, v)
      set(values, i, kept * w - rate * m / (cv_square_roots(v) / root + options.epsilon))
    }
  }
}

@inline(__always) func forEachVector(_ start: Int, _ end: Int, _ body: (Int) -> Void) {
  var i = start
  while i < end {
    body(i)
    i &+= 8
  }
}

@inline(__always) func vector(_ array: UnsafeMutablePointer<Float>, _ i: Int) -> SIMD8<Float> {
  UnsafeRawPointer(array + i).loadUnaligned(as: SIMD8<Float>.self)
}

@inline(__always) func set(_ array: UnsafeMutablePointer<Float>, _ i: Int, _ value: SIMD8<Float>) {
  UnsafeMutableRawPointer(array + i).storeBytes(of: value, as: SIMD8<Float>.self)
}

/// x to the n-th power, n ≥ 0, by squaring.
private func power(_ x: Double, _ n: Int64) -> Double {
  var result = 1.0, square = x, rest = n
  while rest > 0 {
    if rest & 1 == 1 { result *= square }
    square *= square
    rest >>= 1
  }
  return result
}
