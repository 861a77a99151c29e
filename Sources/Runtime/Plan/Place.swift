import Bundle
import CBundle
import CKernels

/// Where a tensor's elements are: the address of an element is the sum of one distance for each of its axes.
struct Place {
  var data: UnsafeMutablePointer<UInt8>
  /// Bytes from an image to the next.
  var image: Int
  let shape: TensorShape
  let elementBytes: Int
  let isPlain: Bool
  /// Bytes from an index of an axis to the next.
  private var steps = InlineArray<6, Int>(repeating: 0)
  /// From a block of 16 channels to the next.
  private let block: Int

  @inline(never)
  init(_ view: cnn_view, _ t: cnnb_tensor, _ layout: Layout) {
    data = view.data
    image = Int(view.image)
    shape = TensorShape(t)
    elementBytes = t.elementBytes
    isPlain = layout == .plain
    if layout == .plain {
      for axis in 0..<6 { steps[axis] = shape.product(axis + 1..<6) * elementBytes }
    } else {
      (steps[1], steps[2]) = (elementBytes, Int(view.row))
      for axis in 3..<6 { steps[axis] = shape.product(axis + 1..<6) * Int(view.pixel) }
    }
    block = layout == .blocks ? Int(view.block) : 16 * steps[1]
  }

  @inline(never)
  func line(_ axis: Int) -> Line { Line(step: steps[axis], block: axis == 1 ? block : 16 * steps[axis]) }
}

/// The distances along an axis.
struct Line {
  var step: Int
  /// From an index to the sixteenth after it, both multiples of 16.
  var block: Int

  init(step: Int, block: Int) { (self.step, self.block) = (step, block) }
  init(step: Int) { self.init(step: step, block: 16 * step) }

  var isEven: Bool { block == 16 * step }
  func offset(_ i: Int) -> Int { i / 16 * block + i % 16 * step }
}
