import CBundle
import CKernels
import CVector

/// The element-wise functions, as ONNX defines them, in binary64; uint8: y = table[x].
func unaryF32(_ a: cnn_unary) {
  let kind = Int(a.kind), alpha = Double(a.alpha), beta = Double(a.beta)
  a.y.forEachElement { n, c, y, x in
    a.y.set(n, c, y, x, Float(function(kind, Double(a.x.f32(n, c, y, x)), alpha, beta)))
  }
  a.y.fillAround(bytes: 4)
}

func unaryU8(_ a: cnn_unary) {
  a.y.forEachElement { n, c, y, x in a.y.set(n, c, y, x, a.table[Int(a.x.u8(n, c, y, x))]) }
  a.y.fillAround(bytes: 1)
}

private func function(_ kind: Int, _ x: Double, _ alpha: Double, _ beta: Double) -> Double {
  func sigmoid(_ x: Double) -> Double { 1 / (1 + cv_exponential_double(-x)) }
  func between0And1(_ x: Double) -> Double { x < 0 ? 0 : x > 1 ? 1 : x }
  switch kind {
  case CNNB_OP_LEAKY_RELU: return x < 0 ? alpha * x : x
  case CNNB_OP_ELU: return x < 0 ? alpha * cv_exponential_minus_one_double(x) : x
  case CNNB_OP_SIGMOID: return sigmoid(x)
  case CNNB_OP_TANH: return cv_tangent_double(x)
  case CNNB_OP_SWISH: return x * sigmoid(alpha * x)
  case CNNB_OP_HARD_SIGMOID: return between0And1(alpha * x + beta)
  case CNNB_OP_HARD_SWISH: return x * between0And1(x / 6 + 0.5)
  // 1 − erfc(x), which for small x the series replaces: there it would lose digits.
  case CNNB_OP_ERF:
    return x.magnitude > 0.01
      ? 1 - cv_error_complement_double(x) : 2 / Double.pi.squareRoot() * (x - x * x * x / 3 + x * x * x * x * x / 10)
  default:
    // erfc(−z) = 1 + erf(z).
    if alpha == 0 { return 0.5 * x * cv_error_complement_double(-x * 0.5.squareRoot()) }
    // (1 + tanh(u)) / 2 = sigmoid(2u).
    return x * sigmoid(2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))
  }
}
