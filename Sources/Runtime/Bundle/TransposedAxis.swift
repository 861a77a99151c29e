import CBundle

/// One axis of a transposed convolution, by phases: the outputs o with (o + padBefore) mod stride = p are a convolution, of stride 1,
/// with those places k of the kernel for which k · dilation mod stride = p (FORMAT.md, "Transposed").
public struct TransposedAxis {
  public let window: Window
  public let input, output: Int

  public init(window: Window, input: Int, output: Int) {
    (self.window, self.input, self.output) = (window, input, output)
  }

  public static func vertical(_ model: Model, _ i: Int) -> TransposedAxis {
    TransposedAxis(
      window: .vertical(model.operation(i)), input: model.tensor(model.input(i, 0)!).height,
      output: model.tensor(model.output(i)).height)
  }

  public static func horizontal(_ model: Model, _ i: Int) -> TransposedAxis {
    TransposedAxis(
      window: .horizontal(model.operation(i)), input: model.tensor(model.input(i, 0)!).width,
      output: model.tensor(model.output(i)).width)
  }

  /// Whether the kernel's place k belongs to a phase.
  public func meets(_ k: Int, _ phase: Int) -> Bool { k * window.dilation % window.stride == phase }

  /// Places of the kernel in a phase.
  public func taps(_ phase: Int) -> Int {
    var count = 0
    for k in 0..<window.kernel where meets(k, phase) { count += 1 }
    return count
  }

  /// The first output of a phase; the others follow at the stride's distance.
  public func first(_ phase: Int) -> Int {
    (phase - window.padBefore % window.stride + window.stride) % window.stride
  }
  /// Outputs of a phase.
  public func count(_ phase: Int) -> Int {
    let first = first(phase)
    return first < output ? (output - first - 1) / window.stride + 1 : 0
  }
  /// The input that the first output of a phase takes by the kernel's place k; the next output takes the next.
  public func source(_ phase: Int, _ k: Int) -> Int {
    (first(phase) + window.padBefore - k * window.dilation) / window.stride
  }

  /// The inputs of the first output of a phase by the phase's places of the kernel: their number, the first, and from one to the
  /// next, which is always as far.
  public func sources(_ phase: Int) -> (count: Int, first: Int, step: Int) {
    var sources = (count: 0, first: 0, step: 0)
    for k in 0..<window.kernel where meets(k, phase) {
      if sources.count == 0 { sources.first = source(phase, k) }
      if sources.count == 1 { sources.step = source(phase, k) - sources.first }
      sources.count += 1
    }
    return sources
  }

  /// How far outside the input that goes, on either side.
  public var reach: Int {
    var reach = 0
    for phase in 0..<window.stride where count(phase) > 0 {
      for k in 0..<window.kernel where meets(k, phase) {
        let first = source(phase, k)
        reach = max(reach, max(-first, first + count(phase) - input))
      }
    }
    return reach
  }

  /// The output's length without output padding.
  var naturalLength: Int {
    (input - 1) * window.stride - window.padBefore - window.padAfter + window.extent
  }
}
