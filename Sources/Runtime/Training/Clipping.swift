import CVector

// Clipping of gradients by their norm, as torch.nn.utils.clip_grad_norm_ does it.
extension Trainer {
  /// Of a range of the gradients; the lanes behind a tensor's last channel are 0. In double precision and in one order.
  func squares(_ elements: Range<Int>) -> Double {
    var sum = 0.0
    for i in elements {
      let g = Double(gradients[i])
      sum += g * g
    }
    return sum
  }

  /// What the gradients are to be multiplied with. (The 10⁻⁶ is PyTorch's.)
  func clipping(gradientNorm: Double) -> Float {
    guard options.maxGradientNorm > 0 else { return 1 }
    let factor = options.maxGradientNorm / (gradientNorm + 1e-6)
    // What is not a number stays one, to be seen.
    return factor >= 1 ? 1 : Float(factor)
  }
}
