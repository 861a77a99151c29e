import Bundle
import CCNNRT
import CKernels
import CTrainingKernels

/// Channels, height and width of a tensor; a tensor of rank 2 has one pixel.
struct Shape: Equatable {
  var channels = 0, height = 0, width = 0

  init() {}
  init(_ channels: Int, _ height: Int, _ width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }

  var pixels: Int { height * width }
}

/// Where the values or the gradients of a tensor lie. If they are made and used up while one image is in hand, a
/// share needs room for one image only, which then stays in its cache.
struct Buffer {
  var shape = Shape()
  /// Of the tensor; 0 where it is none's.
  var rank = 0
  /// Zeros around the image, as wide as the largest padding among the convolutions that read it.
  var halo = 0
  /// A network input of at most 4 channels: [N][H][W][C] rather than blocks of 16. A tensor of a rank other than 2 and 4
  /// lies plain: a row of pixels of one channel.
  var isPixelLayout = false
  /// The run of steps that uses it; -1 before the first.
  var run = -1
  var spansRuns = false
  var slot = cnn_slot()
  /// Where its memory begins in the arena.
  var start = 0

  var isUsed: Bool { run >= 0 }

  mutating func use(in run: Int) {
    if self.run >= 0 && self.run != run { spansRuns = true }
    self.run = run
  }

  /// Takes its memory: zeros, halo included.
  mutating func place(_ arena: inout Arena, batch: Int, shares: Int) throws(Failure) {
    let pixel = isPixelLayout ? 4 * shape.channels : 64
    let blocks = isPixelLayout ? 1 : (shape.channels + 15) / 16
    let images = spansRuns ? batch : shares
    // Kernels count the bytes of an image with 32 bits, and may read a line past its end.
    guard let row = product(shape.width + 2 * halo, pixel), let block = product(row, shape.height + 2 * halo),
      let image = product(block, blocks), image < Int(Int32.max)
    else { throw .tooLarge }
    let imageBytes = (image + 127) & ~63
    guard let bytes = product(imageBytes, images) else { throw .tooLarge }
    start = arena.used
    let memory = arena.take(bytes)
    guard arena.used < Int.max / 4 else { throw .tooLarge }
    memory?.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    let view = cnn_view(
      data: memory.map { ($0 + halo * (row + pixel)).assumingMemoryBound(to: UInt8.self) },
      image: spansRuns ? Int64(imageBytes) : 0, block: isPixelLayout ? 0 : Int64(block), row: Int64(row),
      pixel: Int32(pixel), batch: 1, channels: Int32(shape.channels), height: Int32(shape.height),
      width: Int32(shape.width), halo: Int32(halo), halo_value: 0)
    slot = cnn_slot(view: view, share: spansRuns ? 0 : Int64(imageBytes))
  }
}

extension Buffer {
  /// One image, for what works element by element. A plain tensor becomes a row of blocks; the last may reach into the
  /// room behind the image.
  func elements(_ image: Int, _ share: Int) -> cnn_view {
    var view = slot.view(image, share)
    if isPixelLayout {
      view.width = Int32((shape.channels * shape.pixels + 15) / 16)
      (view.channels, view.height, view.pixel) = (16, 1, 64)
    }
    return view
  }
}

extension cnn_slot {
  /// One image, for an inference kernel.
  func view(_ image: Int, _ share: Int) -> cnn_view {
    var one = view
    one.data += image &* Int(one.image) &+ share &* Int(self.share)
    return one
  }
}

/// a · b · c · d, or nil where it does not fit.
func product(_ a: Int, _ b: Int, _ c: Int = 1, _ d: Int = 1) -> Int? {
  let (ab, o1) = a.multipliedReportingOverflow(by: b)
  let (abc, o2) = ab.multipliedReportingOverflow(by: c)
  let (abcd, o3) = abc.multipliedReportingOverflow(by: d)
  return o1 || o2 || o3 ? nil : abcd
}

extension Failure {
  static var tooLarge: Failure {
    Failure(CNNRT_ERROR_LIMIT, "the network needs more memory than can be addressed. Use a smaller batch.")
  }
}
