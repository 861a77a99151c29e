import CBundle
import CKernels
import CVector

/// Sixteen elements of two tensors of one shape and layout, or fewer at the end of a row in which they do not come out even.
@inline(__always) func forEachVector(
  _ x: cnn_view, _ y: cnn_view, elementBytes: Int, _ share: Share,
  _ body: (_ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int) -> Void
) {
  let elements = Int(y.width) &* Int(y.pixel) / elementBytes, vectors = (elements &+ 15) >> 4
  let height = Int(y.height), blocks = y.block == 0 ? 1 : y.blocks
  let units = share.range(of: Int(y.batch) &* blocks &* height &* vectors)
  var unit = units.lowerBound
  while unit < units.upperBound {
    let row = unit / vectors, plane = row / height
    var first = unit % vectors
    let end = min(vectors, first &+ (units.upperBound &- unit))
    unit &+= end &- first
    let from = UnsafeRawPointer(x.address(plane / blocks, plane % blocks, row % height))
    let to = y.address(plane / blocks, plane % blocks, row % height)
    while first < end {
      let offset = first &* 16 &* elementBytes
      body(from + offset, to + offset, min(16, elements &- first &* 16))
      first &+= 1
    }
  }
}

func unaryF32(_ a: UnsafePointer<cnn_unary>, _ share: Share) {
  let kind = Int(a.pointee.kind), alpha = all(a.pointee.alpha), beta = all(a.pointee.beta)
  forEachVector(a.pointee.x, a.pointee.y, elementBytes: 4, share) { x, y, count in
    if count == 16 {
      y.put(activation(kind, x.floats(), alpha, beta))
    } else {
      var v = all(0.0)
      cv_copy(&v, x, count &* 4)
      v = activation(kind, v, alpha, beta)
      cv_copy(y, &v, count &* 4)
    }
  }
  a.pointee.y.fillHalo(isFloat: true, share)
}

func unaryU8(_ a: UnsafePointer<cnn_unary>, _ share: Share) {
  let table = a.pointee.table!
  forEachVector(a.pointee.x, a.pointee.y, elementBytes: 1, share) { x, y, count in
    for i in 0..<count { y.put(table[Int(x.byte(i))], i) }
  }
  a.pointee.y.fillHalo(isFloat: false, share)
}

/// One of the element-wise functions, to a few units in the last place. The error is stated and measured in kernel-check.
@inline(never) private func activation(_ kind: Int, _ x: Floats, _ alpha: Floats, _ beta: Floats) -> Floats {
  switch kind {
  case CNNB_OP_LEAKY_RELU: return x.replacing(with: x * alpha, where: x .< all(0.0))
  case CNNB_OP_ELU: return x.replacing(with: alpha * Power(x).minusOne, where: x .< all(0.0))
  case CNNB_OP_SIGMOID: return sigmoid(x)
  case CNNB_OP_TANH:
    // With m = exp(−2|x|) − 1: −m / (m + 2).
    let m = Power(all(-2.0) * magnitude(x)).minusOne
    let y = m / (m + all(2.0))
    return y.replacing(with: all(0.0) - y, where: x .> all(0.0))
  case CNNB_OP_SWISH: return x * sigmoid(alpha * x)
  case CNNB_OP_HARD_SIGMOID: return cv_clamp(alpha * x + beta, all(0.0), all(1.0))
  case CNNB_OP_HARD_SWISH: return x * (cv_clamp(x + all(3.0), all(0.0), all(6.0)) * all(0.166666667))
  case CNNB_OP_ERF: return error(x)
  default:
    if alpha[0] == 1 {
      // x · (1 + tanh(u)) / 2 = x · sigmoid(2u), u = √(2/π) · (x + 0.044715 · x³).
      return x * sigmoid(all(1.59576912) * cv_multiply_add_each(x, x * x * x, all(0.044715)))
    }
    let tail = all(0.5) * errorComplement(magnitude(x) * all(0.707106781))
    return x * tail.replacing(with: all(1.0) - tail, where: x .> all(0.0))
  }
}

@inline(__always) func magnitude(_ x: Floats) -> Floats {
  unsafeBitCast(unsafeBitCast(x, to: Ints.self) & all(Int32.max), to: Floats.self)
}

/// 1 / (1 + e⁻ˣ), without loss at either end.
@inline(__always) func sigmoid(_ x: Floats) -> Floats {
  let e = Power(all(0.0) - magnitude(x)).value
  return e.replacing(with: all(1.0), where: x .>= all(0.0)) / (all(1.0) + e)
}

@inline(__always) private func horner(_ p: Floats, _ x: Floats, _ c: Float) -> Floats {
  cv_multiply_add_each(all(c), p, x)
}

/// 1 − erf(z) for z ≥ 0: a Chebyshev fit whose fractional error is below 1.2e−7 (Press et al., Numerical Recipes, erfcc).
@inline(__always) func errorComplement(_ z: Floats) -> Floats {
  let t = all(1.0) / cv_multiply_add_each(all(1.0), z, all(0.5))
  var p = all(0.17087277)
  p = horner(p, t, -0.82215223)
  p = horner(p, t, 1.48851587)
  p = horner(p, t, -1.13520398)
  p = horner(p, t, 0.27886807)
  p = horner(p, t, -0.18628806)
  p = horner(p, t, 0.09678418)
  p = horner(p, t, 0.37409196)
  p = horner(p, t, 1.00002368)
  p = horner(p, t, -1.26551223)
  return t * Power(p - z * z).value
}

/// erf(x): by the complement, and where that would lose digits by the series 2 / √π · Σ (−1)ᵏ x²ᵏ⁺¹ / (k! (2k + 1)).
@inline(__always) private func error(_ x: Floats) -> Floats {
  let z = magnitude(x), square = x * x, tail = errorComplement(z)
  var p = all(-8.54832702e-4)
  p = horner(p, square, 5.22397762e-3)
  p = horner(p, square, -2.68661706e-2)
  p = horner(p, square, 1.12837917e-1)
  p = horner(p, square, -3.76126389e-1)
  p = horner(p, square, 1.12837917)
  let y = (all(1.0) - tail).replacing(with: tail - all(1.0), where: x .< all(0.0))
  return y.replacing(with: x * p, where: z .< all(0.5))
}

/// eˣ for x ≤ 0 as scale + scale · rest, so that eˣ − 1 loses nothing near 0 either. As `exponential` of Softmax.swift, but with
/// fused operations where the processor has them; below −87 eˣ counts as 0.
struct Power {
  private let scale: Floats, rest: Floats

  @inline(__always) init(_ x: Floats) {
    let tiny = x .< all(-87)
    let x = x.replacing(with: 0, where: tiny)
    let whole = cv_round(x * all(1.44269504)), k = cv_to_float(whole)
    let r = cv_multiply_add_each(cv_multiply_add_each(x, k, all(-0.693359375)), k, all(2.12194440e-4))
    var p = all(1.98412698e-4)
    p = horner(p, r, 1.38888889e-3)
    p = horner(p, r, 8.33333333e-3)
    p = horner(p, r, 4.16666667e-2)
    p = horner(p, r, 1.66666667e-1)
    p = horner(p, r, 0.5)
    let power = unsafeBitCast((whole &+ all(Int32(127))) &<< all(Int32(23)), to: Floats.self)
    scale = power.replacing(with: 0, where: tiny)
    rest = cv_multiply_add_each(r, p, r * r)
  }
  @inline(__always) var value: Floats { cv_multiply_add_each(scale, scale, rest) }
  @inline(__always) var minusOne: Floats { cv_multiply_add_each(scale - all(1.0), scale, rest) }
}
