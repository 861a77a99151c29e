import CCheck
import CKernels

/// A piece of memory whose end is the end of what may be touched: reading or writing past it ends the program.
struct Piece {
  let base: UnsafeMutableRawPointer, bytes: Int
  private let end: UnsafeMutableRawPointer, capacity: Int

  init(capacity pages: Int) {
    base = check_map(pages)
    capacity = pages * Int(CHECK_PAGE)
    bytes = capacity
    end = base + capacity
  }
  private init(_ end: UnsafeMutableRawPointer, _ bytes: Int, _ capacity: Int) {
    self.end = end
    self.bytes = bytes
    self.capacity = capacity
    base = end - bytes
  }
  /// The last `bytes` bytes before the end, which is aligned to 64.
  func last(_ bytes: Int) -> Piece {
    if bytes > capacity { check_stop("a case is too large", "", 2) }
    return Piece(end, bytes, capacity)
  }
  func fill(_ byte: UInt8) { memset(base, Int32(byte), bytes) }
}

/// A tensor in a piece of memory, with bytes of no meaning between its rows, images and blocks, before and behind it.
struct Tensor {
  let view: cnn_view, piece: Piece, elementBytes: Int
  /// From the piece's base to the first byte of the halo of the first image.
  private let front: Int

  /// Lies 64 bytes before what may not be touched.
  init(_ like: cnn_view, in memory: Piece, elementBytes: Int) {
    let bytes = Int(like.image) * Int(like.batch) + 64
    piece = memory.last((bytes + 127) / 64 * 64)
    front = piece.bytes - bytes
    self.elementBytes = elementBytes
    var view = like
    let data = piece.base + (front + Int(view.halo) * (Int(view.row) + Int(view.pixel)))
    view.data = data.assumingMemoryBound(to: UInt8.self)
    self.view = view
  }

  /// Whether a byte of the piece belongs to a channel, to the halo, to a lane behind the last channel, or to nothing.
  enum Place { case channel, halo, lane, none }
  func place(_ byte: Int) -> Place {
    let isPixels = view.block == 0, halo = Int(view.halo), offset = byte - front
    if offset < 0 || offset >= Int(view.image) * Int(view.batch) { return .none }
    let block = Int(isPixels ? view.image : view.block), blocks = isPixels ? 1 : (Int(view.channels) + 15) / 16
    let inImage = offset % Int(view.image), inPlane = inImage % block, inRow = inPlane % Int(view.row)
    let y = inPlane / Int(view.row) - halo, x = inRow / Int(view.pixel) - halo
    if inImage / block >= blocks || y >= Int(view.height) + halo || x >= Int(view.width) + halo { return .none }
    if y < 0 || y >= Int(view.height) || x < 0 || x >= Int(view.width) { return .halo }
    let channel = inImage / block * 16 + inRow % Int(view.pixel) / elementBytes
    return channel < Int(view.channels) ? .channel : .lane
  }

  func address(_ n: Int, _ c: Int, _ y: Int, _ x: Int) -> UnsafeMutableRawPointer {
    let place = Int(view.image) * n + Int(view.block) * (c / 16) + Int(view.row) * y + Int(view.pixel) * x
    return UnsafeMutableRawPointer(view.data) + (place + c % 16 * elementBytes)
  }
  /// Calls `body` with the address of every element of every channel.
  func forEachElement(_ body: (UnsafeMutableRawPointer) -> Void) {
    for n in 0..<Int(view.batch) {
      for c in 0..<Int(view.channels) {
        for y in 0..<Int(view.height) {
          for x in 0..<Int(view.width) { body(address(n, c, y, x)) }
        }
      }
    }
  }
  /// Real elements, and a halo as its writer owes it; everything else is 0xFF, which as float is not a number.
  func fill(_ random: inout Random, _ element: (inout Random, UnsafeMutableRawPointer) -> Void) {
    piece.fill(0xFF)
    let halo = Int(view.halo), width = (Int(view.width) + 2 * halo) * Int(view.pixel)
    for n in 0..<Int(view.batch) {
      for c in stride(from: 0, to: view.block == 0 ? 1 : Int(view.channels), by: 16) {
        for y in -halo..<Int(view.height) + halo {
          memset(address(n, c, y, -halo), elementBytes == 4 ? 0 : view.halo_value, width)
        }
      }
    }
    // The lanes behind the last channel, inside the image.
    if view.block != 0 && view.channels % 16 != 0 {
      let last = Int(view.channels) / 16 * 16, lanes = Int(view.channels) - last
      for n in 0..<Int(view.batch) {
        for y in 0..<Int(view.height) {
          for x in 0..<Int(view.width) {
            memset(address(n, last, y, x) + lanes * elementBytes, 0xFF, (16 - lanes) * elementBytes)
          }
        }
      }
    }
    forEachElement { element(&random, $0) }
  }

  /// The first byte in which two tensors of one shape differ, lanes behind the last channel apart; nil: none.
  func difference(from other: Tensor) -> Int? {
    if memcmp(piece.base, other.piece.base, piece.bytes) == 0 { return nil }
    for byte in 0..<piece.bytes
    where piece.base.load(fromByteOffset: byte, as: UInt8.self)
      != other.piece.base.load(fromByteOffset: byte, as: UInt8.self) && place(byte) != .lane
    {
      return byte
    }
    return nil
  }
}

/// A shape with random gaps; `halo` on all sides.
func randomView(
  _ random: inout Random, batch: Int, channels: Int, height: Int, width: Int, elementBytes: Int, halo: Int,
  haloValue: Int = 0, isPixels: Bool = false
) -> cnn_view {
  let pixel = isPixels ? channels * elementBytes : 16 * elementBytes
  let gap = isPixels ? elementBytes : 64
  let row = (width + 2 * halo) * pixel + gap * (random.once(in: 3) ? random.int(0...3) : 0)
  let plane = (height + 2 * halo) * row + gap * (random.once(in: 3) ? random.int(0...3) : 0)
  let blocks = isPixels ? 1 : (channels + 15) / 16
  let image = blocks * plane + gap * (random.once(in: 3) ? random.int(0...3) : 0)
  return cnn_view(
    data: nil, image: Int64(image), block: isPixels ? 0 : Int64(plane), row: Int64(row), pixel: Int32(pixel),
    batch: Int32(batch), channels: Int32(channels), height: Int32(height), width: Int32(width), halo: Int32(halo),
    halo_value: Int32(haloValue))
}
