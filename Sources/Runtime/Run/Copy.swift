import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform
import Plan

/// Distances in bytes from one index to the next: N, C, H, W.
public typealias Strides = (Int64, Int64, Int64, Int64)

/// Row-major, without gaps.
public func plainStrides(_ t: cnnb_tensor, elementBytes: Int) -> Strides {
  let row = Int64(t.width) * Int64(elementBytes)
  let channel = row * Int64(t.height)
  return (channel * Int64(t.channels), channel, row, Int64(elementBytes))
}

/// Copies the first `batch` images of a tensor from the caller's memory. Float becomes uint8 where the tensor is.
public func importPlain(
  _ session: UnsafeMutablePointer<Session>, _ tensor: Int, _ plain: UnsafeRawPointer, _ strides: Strides, isFloat: Bool,
  batch: Int
) {
  copy(
    session, tensor, session.pointee.network.pointee.kernels.import_plain, UnsafeMutableRawPointer(mutating: plain),
    strides,
    isFloat, batch)
}

/// Copies a tensor to the caller's memory. uint8 becomes float where that is asked for.
public func exportPlain(
  _ session: UnsafeMutablePointer<Session>, _ tensor: Int, _ plain: UnsafeMutableRawPointer, _ strides: Strides,
  isFloat: Bool
) {
  copy(
    session, tensor, session.pointee.network.pointee.kernels.export_plain, plain, strides, isFloat,
    session.pointee.options.batch)
}

private func copy(
  _ session: UnsafeMutablePointer<Session>, _ tensor: Int, _ kernel: cnn_kernel, _ plain: UnsafeMutableRawPointer,
  _ strides: Strides, _ isFloat: Bool, _ batch: Int
) {
  let network = session.pointee.network
  var arguments = cnn_copy(
    view: session.pointee.view(tensor), plain: plain.assumingMemoryBound(to: UInt8.self), strides: strides,
    plain_is_f32: isFloat ? 1 : 0, view_is_f32: network.pointee.model.tensor(tensor).isFloat ? 1 : 0,
    scale: network.pointee.model.scale(tensor), zero_point: network.pointee.model.zeroPoint(tensor))
  arguments.view.batch = Int32(batch)
  let environment = cp_float_begin()
  kernel(&arguments, 0, 1)
  cp_float_end(environment)
}

/// Reads single elements of a tensor.
public struct ElementReader {
  let view: cnn_view
  let isFloat: Bool
  let scale: Float

  public init(_ session: UnsafeMutablePointer<Session>, _ tensor: Int) {
    view = session.pointee.view(tensor)
    isFloat = session.pointee.network.pointee.model.tensor(tensor).isFloat
    scale = session.pointee.network.pointee.model.scale(tensor)
  }

  /// Of one image.
  public var count: Int { Int(view.channels) * Int(view.height) * Int(view.width) }

  /// Where element `i` (C, H, W order) of an image lies.
  public func address(_ image: Int, _ i: Int) -> UnsafeRawPointer {
    let (height, width) = (Int(view.height), Int(view.width))
    let (c, y, x) = (i / width / height, i / width % height, i % width)
    let place = image * Int(view.image) + c / 16 * Int(view.block) + y * Int(view.row) + x * Int(view.pixel)
    return UnsafeRawPointer(view.data + (place + c % 16 * (isFloat ? 4 : 1)))
  }

  /// The real value.
  public func value(_ image: Int, _ i: Int) -> Float {
    let p = address(image, i)
    return isFloat ? p.load(as: Float.self) : Float(Int32(p.load(as: UInt8.self)) - view.halo_value) * scale
  }
}
