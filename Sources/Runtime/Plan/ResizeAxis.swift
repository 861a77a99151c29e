import Bundle
import CBundle
import CKernels
import CPlatform

/// Where the outputs along an axis of Resize lie in its input: ARITHMETIC.md, "Resize".
struct ResizeAxis {
  let input, output: Int
  let scale: Float
  let coordinates, nearest: Int

  static func vertical(_ model: Model, _ i: Int) -> ResizeAxis {
    ResizeAxis(
      model.operation(i), model.tensor(model.input(i, 0)!).height, model.tensor(model.output(i)).height,
      model.operation(i).values.0)
  }

  static func horizontal(_ model: Model, _ i: Int) -> ResizeAxis {
    ResizeAxis(
      model.operation(i), model.tensor(model.input(i, 0)!).width, model.tensor(model.output(i)).width,
      model.operation(i).values.1)
  }

  private init(_ o: cnnb_operator, _ input: Int, _ output: Int, _ scale: Float) {
    (self.input, self.output, self.scale) = (input, output, scale)
    (coordinates, nearest) = (Int(o.integers.1), Int(o.integers.2))
  }

  private func position(_ i: Int) -> Float {
    switch coordinates {
    case CNNB_ASYMMETRIC: Float(i) / scale
    case CNNB_ALIGN_CORNERS: output == 1 ? 0 : Float(i) * Float(input - 1) / Float(output - 1)
    case CNNB_PYTORCH_HALF_PIXEL where output == 1: 0
    default: (Float(i) + 0.5) / scale - 0.5
    }
  }

  /// The largest integer that is not larger, for any number.
  private func floor(_ x: Float) -> Int {
    let limit: Float = 1_048_576
    let kept = x > -limit ? (x < limit ? x : limit) : -limit
    let whole = Int(kept)
    return Float(whole) > kept ? whole - 1 : whole
  }

  private func inside(_ i: Int) -> Int { min(max(i, 0), input - 1) }

  func nearest(_ i: Int) -> Int {
    let p = position(i)
    switch nearest {
    case CNNB_ROUND_PREFER_FLOOR: return inside(-floor(-(p - 0.5)))
    case CNNB_ROUND_PREFER_CEIL: return inside(floor(p + 0.5))
    case CNNB_FLOOR: return inside(floor(p))
    default: return inside(-floor(-p))
    }
  }

  func tap(_ i: Int) -> cnn_tap {
    let (p, end) = (position(i), Float(input - 1))
    let kept = p > 0 ? (p < end ? p : end) : 0
    let first = floor(kept)
    let weight = kept - Float(first)
    return cnn_tap(
      first: Int32(first), second: Int32(min(first + 1, input - 1)), weight: weight, fixed: cp_round(weight * 2048))
  }

  func taps(_ arena: inout Arena) -> UnsafePointer<cnn_tap>? {
    guard let taps = arena.take(cnn_tap.self, output) else { return nil }
    for i in 0..<output { (taps + i).initialize(to: tap(i)) }
    return UnsafePointer(taps)
  }
}
