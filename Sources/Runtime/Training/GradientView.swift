import CKernels

typealias Floats = SIMD4<Float>

/// One image of a tensor in blocks, as vectors of four channels: four vectors to a pixel.
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

  /// `v`: four times the column, plus the vector in the pixel.
  func address(_ b: Int, _ y: Int, _ v: Int) -> UnsafeMutableRawPointer { data + (b &* block &+ y &* row &+ v &* 16) }

  subscript(b: Int, y: Int, v: Int) -> Floats {
    get { address(b, y, v).loadUnaligned(as: Floats.self) }
    nonmutating set { address(b, y, v).storeBytes(of: newValue, as: Floats.self) }
  }

  /// One channel of a pixel.
  func element(_ channel: Int, _ y: Int, _ x: Int) -> UnsafeMutableRawPointer {
    address(channel / 16, y, 4 &* x) + channel % 16 &* 4
  }

  @inline(__always) func forEach(_ body: (_ b: Int, _ y: Int, _ v: Int) -> Void) {
    for b in 0..<blocks {
      for y in 0..<height {
        for v in 0..<4 &* width { body(b, y, v) }
      }
    }
  }
}

extension Trainer {
  /// The first of the images.
  func view(_ buffer: Int, _ images: Images) -> GradientView {
    GradientView(plan.buffers[buffer].elements(images.first, images.share))
  }
}
