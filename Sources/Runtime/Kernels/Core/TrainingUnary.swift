import CBundle
import CTrainingKernels
import CVector

/// dx = dy · f′(x), sixteen elements at a time, of one image.
func unaryGradient(_ arguments: UnsafeRawPointer?, _ first: Int32, _ count: Int32, _ share: Int32) {
  let a = arguments.unsafelyUnwrapped.assumingMemoryBound(to: cnn_unary_gradient.self)
  let kind = Int(a.pointee.kind), alpha = all(a.pointee.alpha), beta = all(a.pointee.beta)
  let dx = a.pointee.dx
  for block in 0..<dx.blocks {
    for row in 0..<Int(dx.height) {
      let x = UnsafeRawPointer(a.pointee.x.address(0, block, row))
      let dy = UnsafeRawPointer(a.pointee.dy.address(0, block, row)), target = dx.address(0, block, row)
      for i in 0..<Int(dx.width) {
        let offset = i &* blockBytes
        target.put(dy.floats(offset) * slope(kind, x.floats(offset), alpha, beta), offset)
      }
    }
  }
}

/// The derivative of an element-wise function.
@inline(never) private func slope(_ kind: Int, _ x: Floats, _ alpha: Floats, _ beta: Floats) -> Floats {
  let zero = all(Float(0)), one = all(Float(1))
  switch kind {
  case CNNB_OP_LEAKY_RELU: return one.replacing(with: alpha, where: x .< zero)
  case CNNB_OP_ELU: return (alpha * Power(x).value).replacing(with: one, where: x .>= zero)
  case CNNB_OP_SIGMOID: return sigmoid(x) * sigmoid(zero - x)
  case CNNB_OP_TANH:
    let double = x + x
    return all(4) * sigmoid(double) * sigmoid(zero - double)
  case CNNB_OP_SWISH:
    let s = sigmoid(alpha * x)
    return s + alpha * x * s * sigmoid(zero - alpha * x)
  case CNNB_OP_HARD_SIGMOID:
    let v = alpha * x + beta
    return alpha.replacing(with: 0, where: v .<= zero .| v .>= one)
  case CNNB_OP_HARD_SWISH:
    let inner = x * all(1 / 3) + all(0.5)
    return inner.replacing(with: 0, where: x .<= all(-3)).replacing(with: 1, where: x .>= all(3))
  case CNNB_OP_ERF: return all(1.12837917) * Power(zero - x * x).value
  default:
    if alpha[0] == 1 {
      // y = x · sigmoid(2u), u = √(2/π) · (x + 0.044715 · x³).
      let square = x * x
      let double = all(1.59576912) * x * (one + all(0.044715) * square)
      let s = sigmoid(double), inner = all(1.59576912) * (one + all(0.134145) * square)
      return s + x * s * sigmoid(zero - double) * inner
    }
    // Φ(x) + x · φ(x).
    let tail = all(0.5) * errorComplement(magnitude(x) * all(0.707106781))
    let bell = all(0.398942280) * Power(all(-0.5) * x * x).value
    return tail.replacing(with: one - tail, where: x .> zero) + x * bell
  }
}
