import CKernels

typealias Floats = SIMD16<Float>

/// One image of a tensor in blocks: a vector per block of channels and pixel.
struct GradientView {
  private let data: UnsafeMutableRawPointer
  private let block: Int, row: Int
  let blocks: Int, height: Int, width: Int

  init(_ view: cnn_view) {
    data = UnsafeMutableRawPointer(view.data)
    block = Int(view.block)
    row = Int(view.row)
    blocks = (Int(view.channels) + 15) / 16
    height = Int(view.height)
    width = Int(view.width)
  }

  func address(_ b: Int, _ y: Int, _ x: Int) -> UnsafeMutableRawPointer { data + (b &* block &+ y &* row &+ x &* 64) }

  subscript(b: Int, y: Int, x: Int) -> Floats {
    get { address(b, y, x).loadUnaligned(as: Floats.self) }
    nonmutating set { address(b, y, x).storeBytes(of: newValue, as: Floats.self) }
  }

  @inline(__always) func forEach(_ body: (_ b: Int, _ y: Int, _ x: Int) -> Void) {
    for b in 0..<blocks {
      for y in 0..<height {
        for x in 0..<width { body(b, y, x) }
      }
    }
  }
}
