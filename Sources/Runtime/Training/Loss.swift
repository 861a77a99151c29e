import CKernels
import CTrainingKernels

// Softmax cross-entropy in double precision: Σ over classes of q · (log Σ exp(z) − z), q being what an image shows. To
// learn, q is smoothed and weighted by class, as PyTorch's CrossEntropyLoss does it (cnnrt_train.h has the formula).
extension Trainer {
  func loss(learning: Bool, _ first: Int, _ count: Int, _ share: Int) {
    let logits = plan.buffers[plan.logits], gradient = plan.buffers[plan.gradient(plan.logits)]
    let divisor = lossDivisor(learning: learning)
    for image in first..<first + count {
      let z = UnsafePointer(UnsafeRawPointer(logits.slot.view(image, share).data!).assumingMemoryBound(to: Float.self))
      (outputs + image * classes).update(from: z, count: classes)
      let best = largest(z)
      rank(z, best, label: batch.labels.map { Int($0[image]) } ?? largest(batch.targets! + image * classes), share)
      var sum = 0.0
      for c in 0..<classes { sum += exponential(Double(z[c] - z[best])) }
      let logSum = logarithm(sum)
      var mass = 0.0
      for c in 0..<classes {
        let q = target(image, c, learning: learning)
        // Not 0 · ∞.
        if q == 0 { continue }
        mass += q
        scores[share].loss += q * (logSum - Double(z[c] - z[best]))
      }
      guard learning else { continue }
      let dz = UnsafeMutableRawPointer(gradient.slot.view(image, share).data!).assumingMemoryBound(to: Float.self)
      for c in 0..<classes {
        let probability = exponential(Double(z[c] - z[best])) / sum
        dz[c] = Float((probability * mass - target(image, c, learning: true)) / divisor)
      }
    }
  }

  /// The first of the largest values, one for each class.
  private func largest(_ x: UnsafePointer<Float>) -> Int {
    var best = 0
    for c in 1..<max(1, classes) where x[c] > x[best] { best = c }
    return best
  }

  private func rank(_ z: UnsafePointer<Float>, _ best: Int, label: Int, _ share: Int) {
    var better = 0
    for c in 0..<classes where z[c] > z[label] || (z[c] == z[label] && c < label) { better += 1 }
    scores[share].correct += best == label ? 1 : 0
    scores[share].correctTop5 += better < 5 ? 1 : 0
  }

  /// q of a class.
  private func target(_ image: Int, _ c: Int, learning: Bool) -> Double {
    let q = batch.targets.map { Double($0[image * classes + c]) } ?? (c == Int(batch.labels![image]) ? 1 : 0)
    guard learning else { return q }
    let smooth = (1 - options.labelSmoothing) * q + options.labelSmoothing / Double(classes)
    return options.classWeights.map { Double($0[c]) * smooth } ?? smooth
  }

  /// What the images' losses are divided by: their number, or the sum of their labels' weights.
  func lossDivisor(learning: Bool) -> Double {
    guard learning, batch.targets == nil, let weights = options.classWeights, let labels = batch.labels else {
      return Double(batch.count)
    }
    var sum = 0.0
    for image in 0..<batch.count { sum += Double(weights[Int(labels[image])]) }
    // Where no image counts, nothing is learnt.
    return sum > 0 ? sum : .infinity
  }
}

/// exp(x) for x ≤ 0, within 1e-15: x = k · log 2 + r, and Taylor's series for r. The same bits everywhere, which the
/// C library's need not be.
func exponential(_ x: Double) -> Double {
  guard x > -708 else { return x.isNaN ? x : 0 }
  // To the nearest integer: no fraction fits beside 1.5 · 2⁵².
  let k = (x * 1.4426950408889634 + 0x1.8p52) - 0x1.8p52
  // log 2 in two parts, the first with so few digits that k times it is exact.
  let r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10
  var sum = 1.0, n = 13.0
  while n > 0 {
    sum = 1 + sum * r / n
    n -= 1
  }
  return sum * Double(sign: .plus, exponent: Int(k), significand: 1)
}

/// log(x) for x ≥ 1, by Newton's method on exp from the exponent on.
func logarithm(_ x: Double) -> Double {
  guard x.isFinite && x >= 1 else { return x }
  var y = Double(x.exponent) * 0.6931471805599453 + (x.significand - 1) * 0.69
  for _ in 0..<5 { y += x * exponential(-y) - 1 }
  return y
}
