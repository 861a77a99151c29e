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
}

extension Network {
  /// The view of a storage (a tensor's own number, or that of an operator's copy) that holds a tensor.
  func view(_ place: Int, _ tensor: Int, _ batch: Int, _ activations: UnsafeMutableRawPointer) -> cnn_view {
    let s = storage![storage![place].root]
    let t = model.tensor(tensor)
    let elementBytes = t.elementBytes
    let pixel = (s.isPixels ? t.channels : 16) * elementBytes
    let row = (t.width + 2 * s.halo) * pixel
    return cnn_view(
      // Wrapping: a size that is only counted may be too large for any memory.
      data: (activations + (s.offset &* batch &+ s.halo * (row + pixel))).assumingMemoryBound(to: UInt8.self),
      image: Int64(s.bytes), block: s.isPixels ? 0 : Int64(row * (t.height + 2 * s.halo)), row: Int64(row),
      pixel: Int32(pixel), batch: Int32(batch), channels: Int32(t.channels), height: Int32(t.height),
      width: Int32(t.width), halo: Int32(s.halo), halo_value: model.zeroPoint(tensor))
  }
}
