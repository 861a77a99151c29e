import CNNSupport

/// [N,C,H,W] → [N, C·H·W]
public struct Flatten: OperatorLayer {
  public init() {}
  public var label: String { "flatten" }
  public func kind(for shape: [Int]) -> OperatorKind { .flatten }
}

/// Another shape of as many elements; the batch stays.
public struct Reshape: OperatorLayer {
  /// Without the batch. One may be −1: what is left.
  public var sizes: [Int]

  public init(_ sizes: Int...) { self.sizes = sizes }

  public var label: String { "reshape" }
  public func kind(for shape: [Int]) -> OperatorKind {
    let known = sizes.reduce(1) { $1 == -1 ? $0 : $0 * $1 }
    let rest = known > 0 ? shape.dropFirst().reduce(1, *) / known : 0
    return .reshape(shape.prefix(1) + sizes.map { $0 == -1 ? rest : $0 })
  }
}

/// The axes in another order: result axis i is input axis `order[i]`; the first is 0.
public struct Permute: OperatorLayer {
  public var order: [Int]

  public init(_ order: Int...) { self.order = order }

  public var label: String { "transpose" }
  public func kind(for shape: [Int]) -> OperatorKind { .transpose(order) }
}

/// Rows and columns around an image; negative numbers cut off.
public struct Pad: OperatorLayer {
  public var top, left, bottom, right: Int
  public var mode: Padding.Mode

  public init(top: Int = 0, left: Int = 0, bottom: Int = 0, right: Int = 0, mode: Padding.Mode = .constant(0)) {
    (self.top, self.left, self.bottom, self.right) = (top, left, bottom, right)
    self.mode = mode
  }

  /// The same on all sides.
  public init(_ size: Int, mode: Padding.Mode = .constant(0)) {
    self.init(top: size, left: size, bottom: size, right: size, mode: mode)
  }

  public var label: String { "pad" }
  public func kind(for shape: [Int]) -> OperatorKind {
    .pad(Padding(begins: [0, 0, top, left], ends: [0, 0, bottom, right], mode: mode))
  }
}

/// An image `scale` times as high and as wide.
public struct Upsample: OperatorLayer {
  public var scale: Int
  public var mode: Resize.Mode

  /// PyTorch's Upsample: nearest, or .linear for bilinear (align_corners false).
  public init(_ scale: Int, mode: Resize.Mode = .nearest(.floor)) {
    self.scale = scale
    self.mode = mode
  }

  public var label: String { "resize" }
  public func kind(for shape: [Int]) throws(CNNError) -> OperatorKind {
    guard shape.count == 4 else { throw CNNError("Upsample needs an image, not \(text(shape))") }
    return .resize(
      Resize(
        mode: mode, coordinates: mode == .linear ? .halfPixel : .asymmetric, height: shape[2] * scale,
        width: shape[3] * scale, scaleY: Float(scale), scaleX: Float(scale)))
  }
}

/// An image of a size.
public struct ResizeTo: OperatorLayer {
  public var height, width: Int
  public var mode: Resize.Mode
  public var coordinates: Resize.Coordinates

  public init(height: Int, width: Int, mode: Resize.Mode = .linear, coordinates: Resize.Coordinates = .halfPixel) {
    (self.height, self.width) = (height, width)
    self.mode = mode
    self.coordinates = coordinates
  }

  public var label: String { "resize" }
  public func kind(for shape: [Int]) throws(CNNError) -> OperatorKind {
    guard shape.count == 4 else { throw CNNError("ResizeTo needs an image, not \(text(shape))") }
    return .resize(
      Resize(
        mode: mode, coordinates: coordinates, height: height, width: width,
        scaleY: Float(height) / Float(shape[2]), scaleX: Float(width) / Float(shape[3])))
  }
}

/// [N, C·r², H, W] → [N, C, H·r, W·r] (Shi et al. 2016)
public struct PixelShuffle: OperatorLayer {
  public var factor: Int
  public init(_ factor: Int) { self.factor = factor }
  public var label: String { "pixelshuffle" }
  public func kind(for shape: [Int]) -> OperatorKind { .depthToSpace(blockSize: factor, mode: .crd) }
}

/// [N, C, H·r, W·r] → [N, C·r², H, W], ONNX's order
public struct SpaceToDepth: OperatorLayer {
  public var factor: Int
  public init(_ factor: Int) { self.factor = factor }
  public var label: String { "spacetodepth" }
  public func kind(for shape: [Int]) -> OperatorKind { .spaceToDepth(blockSize: factor) }
}
