import CKernels
import CTrainingKernels

// Softmax cross-entropy, the mean over the batch: loss = log Σ exp(z) − z[label], in double precision.
extension Trainer {
  func loss(learning: Bool, _ first: Int, _ count: Int, _ share: Int) {
    let logits = plan.buffers[plan.logits], gradient = plan.buffers[plan.gradient(plan.logits)]
    let classes = logits.shape.channels
    for image in first..<first + count {
      let z = UnsafePointer(UnsafeRawPointer(logits.slot.view(image, share).data!).assumingMemoryBound(to: Float.self))
      let label = Int(batch.labels![image])
      var best = 0
      for c in 1..<max(1, classes) where z[c] > z[best] { best = c }
      var sum = 0.0
      for c in 0..<classes { sum += exponential(Double(z[c] - z[best])) }
      scores[share].loss += logarithm(sum) - Double(z[label] - z[best])
      scores[share].correct += best == label ? 1 : 0
      guard learning else { continue }
      let target = UnsafeMutableRawPointer(gradient.slot.view(image, share).data!).assumingMemoryBound(to: Float.self)
      for c in 0..<classes {
        let probability = exponential(Double(z[c] - z[best])) / sum
        target[c] = Float((probability - (c == label ? 1 : 0)) / Double(batch.count))
      }
    }
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
