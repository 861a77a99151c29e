import CKernels
import CVector

/// GroupNormalization, InstanceNormalization and LayerNormalization of n elements:
///
/// - float: in binary64, μ = Σ x / n, σ² = Σ (x − μ)² / n, y = (x − μ) / sqrt(σ² + epsilon) · scale[c] + bias[c].
/// - uint8: S = Σ (q − zx), T = Σ (q − zx)², exact. In binary64: μ = S / n, σ² = T / n − μ · μ (0 if negative),
///   r = sx / sqrt(σ² · sx · sx + epsilon). In binary32, every operation rounded by itself:
///   v = ((Float(q − zx) − Float(μ)) · Float(r)) · scale[c] + bias[c], then quantized.
struct Normalization {
  let mean: Double, factor: Double

  /// Of n real numbers.
  init(count: Int, epsilon: Float, _ x: (Int) -> Float) {
    var sum = 0.0, squares = 0.0
    for i in 0..<count { sum += Double(x(i)) }
    mean = sum / Double(count)
    for i in 0..<count { squares += (Double(x(i)) - mean) * (Double(x(i)) - mean) }
    factor = 1 / (squares / Double(count) + Double(epsilon)).squareRoot()
  }
  /// Of n numbers q − zx.
  init(count: Int, scale: Float, epsilon: Float, _ steps: (Int) -> Int32) {
    var sum: Int64 = 0, squares: Int64 = 0
    for i in 0..<count {
      sum += Int64(steps(i))
      squares += Int64(steps(i)) * Int64(steps(i))
    }
    let s = Double(scale)
    mean = Double(sum) / Double(count)
    let variance = Double(squares) / Double(count) - mean * mean
    factor = s / (max(variance, 0) * s * s + Double(epsilon)).squareRoot()
  }

  func real(_ x: Float, _ scale: Float, _ bias: Float) -> Float {
    Float((Double(x) - mean) * factor * Double(scale) + Double(bias))
  }
  func rounded(_ steps: Int32, _ scale: Float, _ bias: Float) -> Float {
    ((Float(steps) - Float(mean)) * Float(factor)) * scale + bias
  }
}

extension cnn_group_norm {
  /// Calls `body` with each image and group, the number of its elements, and the place of each: channel, row, column.
  func forEachGroup(_ body: (_ n: Int, _ count: Int, _ place: (Int) -> (Int, Int, Int)) -> Void) {
    let each = Int(x.channels / groups), width = Int(x.width), pixels = Int(x.height) * width
    for n in 0..<Int(x.batch) {
      for g in 0..<Int(groups) {
        body(n, each * pixels) { i in (g * each + i / pixels, i % pixels / width, i % width) }
      }
    }
  }
}

func groupNormF32(_ a: cnn_group_norm) {
  a.forEachGroup { n, count, place in
    func x(_ i: Int) -> Float { a.x.f32(n, place(i).0, place(i).1, place(i).2) }
    let norm = Normalization(count: count, epsilon: a.epsilon, x)
    for i in 0..<count {
      let (c, y, column) = place(i)
      a.y.set(n, c, y, column, norm.real(x(i), a.scale[c], a.bias[c]))
    }
  }
  a.y.fillAround(bytes: 4)
}

func groupNormU8(_ a: cnn_group_norm) {
  a.forEachGroup { n, count, place in
    func steps(_ i: Int) -> Int32 { a.x.u8(n, place(i).0, place(i).1, place(i).2) - a.x_zero_point }
    let norm = Normalization(count: count, scale: a.x_scale, epsilon: a.epsilon, steps)
    for i in 0..<count {
      let (c, y, column) = place(i), v = norm.rounded(steps(i), a.scale[c], a.bias[c])
      a.y.set(n, c, y, column, quantized(v, a.y_scale, a.y_zero_point))
    }
  }
  a.y.fillAround(bytes: 1)
}

func layerNormF32(_ a: cnn_layer_norm) {
  for row in 0..<Int(a.rows) {
    let from = UnsafeRawPointer(a.x) + row * Int(a.x_row), to = UnsafeMutableRawPointer(a.y) + row * Int(a.y_row)
    func x(_ i: Int) -> Float { (from + i * 4).loadUnaligned(as: Float.self) }
    let norm = Normalization(count: Int(a.length), epsilon: a.epsilon, x)
    for i in 0..<Int(a.length) {
      let y = norm.real(x(i), a.scale.map { $0[i] } ?? 1, a.bias.map { $0[i] } ?? 0)
      to.storeBytes(of: y, toByteOffset: i * 4, as: Float.self)
    }
  }
}

func layerNormU8(_ a: cnn_layer_norm) {
  for row in 0..<Int(a.rows) {
    let from = UnsafeRawPointer(a.x) + row * Int(a.x_row), to = UnsafeMutableRawPointer(a.y) + row * Int(a.y_row)
    func steps(_ i: Int) -> Int32 { Int32(from.load(fromByteOffset: i, as: UInt8.self)) - a.x_zero_point }
    let norm = Normalization(count: Int(a.length), scale: a.x_scale, epsilon: a.epsilon, steps)
    for i in 0..<Int(a.length) {
      let v = norm.rounded(steps(i), a.scale.map { $0[i] } ?? 1, a.bias.map { $0[i] } ?? 0)
      to.storeBytes(of: quantized(v, a.y_scale, a.y_zero_point), toByteOffset: i, as: UInt8.self)
    }
  }
}
