import CNNSupport

/// The largest value of each window.
public struct MaxPool: OperatorLayer {
  public var window: Window
  public var ceilMode: Bool

  /// A square window; it moves by its own size unless `stride` says otherwise.
  public init(_ kernel: Int, stride: Int? = nil, padding: Int = 0, ceilMode: Bool = false) {
    window = Window(kernel, stride: stride ?? kernel, padding: padding)
    self.ceilMode = ceilMode
  }

  public var label: String { "maxpool" }
  public func kind(for shape: [Int]) -> OperatorKind { .maxPool(window, ceilMode: ceilMode) }
}

/// The mean of each window.
public struct AveragePool: OperatorLayer {
  public var window: Window
  public var countIncludePad: Bool
  public var ceilMode: Bool

  /// A square window; it moves by its own size unless `stride` says otherwise. `countIncludePad` counts the padding's
  /// zeros as values.
  public init(
    _ kernel: Int, stride: Int? = nil, padding: Int = 0, countIncludePad: Bool = true, ceilMode: Bool = false
  ) {
    window = Window(kernel, stride: stride ?? kernel, padding: padding)
    self.countIncludePad = countIncludePad
    self.ceilMode = ceilMode
  }

  public var label: String { "avgpool" }
  public func kind(for shape: [Int]) -> OperatorKind {
    .averagePool(window, countIncludePad: countIncludePad, ceilMode: ceilMode)
  }
}

/// The mean of each channel: [N,C,H,W] → [N,C,1,1].
public struct GlobalAveragePool: OperatorLayer {
  public init() {}
  public var label: String { "globalavgpool" }
  public func kind(for shape: [Int]) -> OperatorKind { .globalAveragePool }
}

/// The largest value of each channel: [N,C,H,W] → [N,C,1,1].
public struct GlobalMaxPool: OperatorLayer {
  public init() {}
  public var label: String { "globalmaxpool" }
  public func kind(for shape: [Int]) -> OperatorKind { .globalMaxPool }
}

/// The mean, sum, largest or smallest value along axes (the first, the batch, is none of them).
public struct Reduce: OperatorLayer {
  public var reduction: Reduction
  public var axes: [Int]
  public var keepDims: Bool

  public init(_ reduction: Reduction, axes: [Int], keepDims: Bool = true) {
    self.reduction = reduction
    self.axes = axes.sorted()
    self.keepDims = keepDims
  }

  public var label: String { reduction.name.lowercased() }
  public func kind(for shape: [Int]) -> OperatorKind { .reduce(reduction, axes: axes, keepDims: keepDims) }
}
