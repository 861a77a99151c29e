import Bundle
import CBundle
import CCNNRT
import CKernels
import CPlatform
import Plan

/// Distances in bytes from one index to the next, by axis.
public typealias Strides = InlineArray<6, Int64>

/// Row-major, without gaps.
public func plainStrides(_ t: cnnb_tensor, elementBytes: Int) -> Strides {
  let shape = TensorShape(t)
  var strides = Strides(repeating: 0)
  for axis in 0..<shape.rank { strides[axis] = Int64(shape.product(axis + 1..<6) * elementBytes) }
  return strides
}

/// Copies the first `batch` images of a tensor from the caller's memory. Float becomes uint8 where the tensor is.
public func importPlain(
  _ session: UnsafeMutablePointer<Session>, _ tensor: Int, _ plain: UnsafeRawPointer, _ strides: Strides, isFloat: Bool,
  batch: Int
) {
  let kernel = session.pointee.network.pointee.kernels.import_plain
  Copy(session, tensor, UnsafeMutableRawPointer(mutating: plain), strides, isFloat, batch).run(kernel!)
}

/// Copies a tensor to the caller's memory. uint8 becomes float where that is asked for.
public func exportPlain(
  _ session: UnsafeMutablePointer<Session>, _ tensor: Int, _ plain: UnsafeMutableRawPointer, _ strides: Strides,
  isFloat: Bool
) {
  let kernel = session.pointee.network.pointee.kernels.export_plain
  Copy(session, tensor, plain, strides, isFloat, session.pointee.options.batch).run(kernel!)
}

/// Between the caller's strides and a tensor of any rank and layout. The kernels know images, channels, rows and columns: they are given
/// one place after another of the axes that are left.
private struct Copy {
  let session: UnsafeMutablePointer<Session>
  let tensor: Int
  let strides: Strides
  let shape: TensorShape
  var arguments: cnn_copy

  init(
    _ session: UnsafeMutablePointer<Session>, _ tensor: Int, _ plain: UnsafeMutableRawPointer, _ strides: Strides,
    _ isFloat: Bool, _ batch: Int
  ) {
    let model = session.pointee.network.pointee.model
    (self.session, self.tensor, self.strides) = (session, tensor, strides)
    shape = TensorShape(model.tensor(tensor))
    arguments = cnn_copy(
      view: session.pointee.view(tensor), plain: plain.assumingMemoryBound(to: UInt8.self),
      strides: (strides[0], 0, 0, 0), plain_is_f32: isFloat ? 1 : 0,
      view_is_f32: model.tensor(tensor).isFloat ? 1 : 0, scale: model.scale(tensor),
      zero_point: model.zeroPoint(tensor), is_alike: 0)
    arguments.view.batch = Int32(batch)
  }

  func run(_ kernel: cnn_kernel) {
    let environment = cp_float_begin()
    defer { cp_float_end(environment) }
    var piece = arguments
    let last = shape.rank - 1
    if session.pointee.isPlain(tensor) {
      let size: Int64 = arguments.plain_is_f32 != 0 ? 4 : 1
      if isRowMajor(size) {
        piece.strides.3 = size
        return kernel(&piece, 0, 1)
      }
      // Two axes are rows and columns of a single channel.
      (piece.view.height, piece.view.width) = (last > 1 ? Int32(shape[last - 1]) : 1, last > 0 ? Int32(shape[last]) : 1)
      piece.view.row = Int64(piece.view.width) * Int64(piece.view.pixel)
      (piece.strides.2, piece.strides.3) = (last > 1 ? strides[last - 1] : 0, last > 0 ? strides[last] : 0)
      forEachPlace(1..<max(last - 1, 1), &piece, kernel)
    } else {
      (piece.strides.1, piece.strides.2, piece.strides.3) = (strides[1], strides[2], strides[max(last, 3)])
      piece.view.width = Int32(shape[max(last, 3)])
      forEachPlace(3..<max(last, 3), &piece, kernel)
    }
  }

  private func isRowMajor(_ elementBytes: Int64) -> Bool {
    for axis in 1..<max(shape.rank, 1) where shape[axis] > 1 {
      guard strides[axis] == Int64(shape.product(axis + 1..<6)) * elementBytes else { return false }
    }
    return true
  }

  private func forEachPlace(_ axes: Range<Int>, _ piece: inout cnn_copy, _ kernel: cnn_kernel) {
    let (view, plain) = (piece.view.data!, piece.plain!)
    for place in 0..<shape.product(axes) {
      var (rest, inside, outside) = (place, 0, 0)
      for axis in axes.reversed() {
        let i = rest % shape[axis]
        rest /= shape[axis]
        inside += i * session.pointee.step(tensor, axis: axis)!
        outside &+= i &* Int(strides[axis])
      }
      (piece.view.data, piece.plain) = (view + inside, plain + outside)
      kernel(&piece, 0, 1)
    }
  }
}

/// Reads single elements of a tensor.
public struct ElementReader {
  let view: cnn_view
  let isPlain: Bool
  let isFloat: Bool
  let scale: Float
  /// Of one image.
  public let count: Int

  public init(_ session: UnsafeMutablePointer<Session>, _ tensor: Int) {
    let model = session.pointee.network.pointee.model
    view = session.pointee.view(tensor)
    isPlain = session.pointee.isPlain(tensor)
    isFloat = model.tensor(tensor).isFloat
    scale = model.scale(tensor)
    count = model.tensor(tensor).elementCount!
  }

  /// Where element `i`, in row-major order, of an image lies.
  public func address(_ image: Int, _ i: Int) -> UnsafeRawPointer {
    if isPlain { return UnsafeRawPointer(view.data + (image * Int(view.image) + i * Int(view.pixel))) }
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
