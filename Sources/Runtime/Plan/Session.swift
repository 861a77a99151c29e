import Bundle
import CCNNRT
import CKernels

/// A kernel with its arguments, ready to be called.
public struct Call {
  public let kernel: cnn_kernel
  public let arguments: UnsafeRawPointer
  public let layer: Int
  /// Shares it is worth cutting into.
  public let parts: Int
}

/// What a session is made for.
public struct SessionOptions {
  public static var maxThreads: Int { 65 }

  public var batch = 1
  /// At most `maxThreads`: the caller's and 64 workers.
  public var threads = 1
  public var profile = false
  public var parallelFor: cnnrt_parallel_for?
  public var parallelContext: UnsafeMutableRawPointer?

  public init() {}
}

/// A prepared network (`cnnrt_session`), at the beginning of its own arena.
public struct Session {
  public let network: UnsafePointer<Network>
  public let options: SessionOptions
  public let calls: UnsafeMutablePointer<Call>
  public let callCount: Int
  /// Per layer, of the last run; nil without profiling.
  public let nanoseconds: UnsafeMutablePointer<Int64>?
  /// For `set_image`; nil without a recipe.
  public let image: UnsafeMutablePointer<ImageTables>?
  let activations: UnsafeMutableRawPointer
  public var hasRun = false
  /// The arena is freed with the session.
  public var ownsArena = false
  /// The library's pool, held by this session; nil where nothing is cut into shares or the caller does it.
  public var pool: UnsafeMutableRawPointer?

  /// A tensor in this session's memory.
  public func view(_ tensor: Int) -> cnn_view { network.pointee.view(tensor, tensor, options.batch, activations) }

  /// Whether a tensor lies row-major, without gaps.
  public func isPlain(_ tensor: Int) -> Bool { network.pointee.layout(tensor) == .plain }

  /// Bytes from an index to the next along an axis but the first; nil where it is not the same everywhere.
  public func step(_ tensor: Int, axis: Int) -> Int? {
    let t = network.pointee.model.tensor(tensor)
    let line = Place(view(tensor), t, network.pointee.layout(tensor)).line(axis)
    return line.isEven || t.dim(axis) <= 16 ? line.step : nil
  }
}

extension Network {
  /// Of a tensor, or of an operator's copy.
  func layout(_ place: Int) -> Layout { storage![storage![place].root].layout }

  /// The view of a storage (a tensor's own number, or that of an operator's copy) that holds a tensor.
  func view(_ place: Int, _ tensor: Int, _ batch: Int, _ activations: UnsafeMutableRawPointer) -> cnn_view {
    let s = storage![storage![place].root]
    let t = model.tensor(tensor)
    let elementBytes = t.elementBytes
    // Wrapping: a size that is only counted may be too large for any memory.
    var v = cnn_view()
    v.image = Int64(s.image)
    v.batch = Int32(batch)
    v.halo_value = model.zeroPoint(tensor)
    var start = s.offset &* batch
    if s.layout == .plain {
      (v.channels, v.height, v.width) = (1, 1, Int32(t.elementCount!))
      (v.pixel, v.row) = (Int32(elementBytes), v.image)
    } else {
      let pixel = (s.layout == .pixels ? t.channels : 16) * elementBytes
      let row = (t.rowPixels + 2 * s.halo) * pixel
      (v.channels, v.height, v.width) = (Int32(t.channels), Int32(t.height), Int32(t.rowPixels))
      (v.pixel, v.row, v.halo) = (Int32(pixel), Int64(row), Int32(s.halo))
      v.block = s.layout == .pixels ? 0 : Int64(row * (t.height + 2 * s.halo))
      start = start &+ s.halo * (row + pixel)
    }
    v.data = (activations + start).assumingMemoryBound(to: UInt8.self)
    return v
  }
}
