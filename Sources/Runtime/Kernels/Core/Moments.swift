import CKernels
import CVector

/// Mean and factor of what is normalised: y = ((x − mean) · factor) · scale + bias.
struct Moments {
  let mean: Float, factor: Float

  /// From the mean and the sum of the squared deviations from it, in real numbers.
  @inline(__always) init(mean: Double, squares: Double, count: Int, epsilon: Float) {
    self.mean = cv_narrowed(mean)
    factor = cv_narrowed(1 / cv_square_root(squares / cv_double(Int64(count)) + cv_widened(epsilon)))
  }
  /// From exact sums of q − zero point and of their squares: ARITHMETIC.md. The mean is in steps of x.
  @inline(__always) init(sum: Int64, squares: Int64, count: Int, scale: Float, epsilon: Float) {
    let n = cv_double(Int64(count)), s = cv_widened(scale)
    let mean = cv_double(sum) / n
    let variance = cv_double(squares) / n - mean * mean
    self.mean = cv_narrowed(mean)
    factor = cv_narrowed(s / cv_square_root((variance < 0 ? 0 : variance) * s * s + cv_widened(epsilon)))
  }
}

/// The steps of x and y in a normalisation of bytes.
struct NormScales {
  let xScale: Float, xZero: Int32
  private let yScale: Floats, quantize: Quantizer

  @inline(__always) init(x: (Float, Int32), y: (Float, Int32)) {
    (xScale, xZero) = x
    yScale = all(y.0)
    quantize = Quantizer(cv_float(0 &- y.1), cv_float(255 &- y.1), y.1)
  }
  @inline(__always) func steps(_ q: Bytes) -> Ints { cv_widen(q) &- all(xZero) }
  @inline(__always) func stored(_ v: Floats) -> Bytes { quantize(v / yScale) }
}
