import Bundle
import CKernels
import CTrainingKernels

/// The table of offsets that a convolution walks along (cnn_conv).
struct Segments {
  var offsets: UnsafeMutablePointer<Int32>?
  var fullSegments = 0, fullSteps = 16, lastSegments = 0, lastSteps = 0

  init() {}
  init(_ order: ConvOrder) {
    fullSegments = order.fullSegments
    fullSteps = order.fullSteps
    lastSegments = order.lastSegments
    lastSteps = order.lastSteps
  }
}

/// The pixels of x whose row is `firstRow`, `firstRow` + stride, … and column likewise: their gradient is a
/// convolution of stride 1 with those elements of the kernel that meet them, turned.
struct Phase {
  var firstRow = 0, firstColumn = 0, height = 0, width = 0
  var taps = 0
  /// Of a transposed convolution: its number along each axis.
  var py = 0, px = 0
  var segments = Segments()
  var weights: UnsafeMutablePointer<Float>?
  /// Of a depthwise convolution.
  var offsets: UnsafeMutablePointer<cnn_tap_offset>?
}

extension Layer {
  var isStrided: Bool { vertical.stride != 1 || horizontal.stride != 1 }

  /// One unpadded window of a given size.
  mutating func setWindow(_ height: Int, _ width: Int) {
    vertical.cover(height)
    horizontal.cover(width)
  }
}

extension Window {
  /// Each pixel lies in one window at most, and each window in the image but for its end.
  var touches: Bool { stride == kernel && padBefore == 0 && padAfter == 0 && dilation == 1 }

  fileprivate mutating func cover(_ length: Int) {
    (kernel, stride, padBefore, padAfter, dilation) = (length, 1, 0, 0, 1)
  }
}

/// Along one axis: the pixels of x at `first`, `first` + stride, … and those elements of the kernel that meet them.
struct Axis {
  let window: Window, input: Int, output: Int

  var phases: Int { min(window.stride, input) }
  func count(_ first: Int) -> Int { (input - first + window.stride - 1) / window.stride }
  func meets(_ first: Int, _ k: Int) -> Bool { (first + window.padBefore - k * window.dilation) % window.stride == 0 }
  /// The output that x's pixel `first` went to with kernel element k, counted from 0; outside of the output there are
  /// zeros.
  func output(_ first: Int, _ k: Int) -> Int { (first + window.padBefore - k * window.dilation) / window.stride }
  /// How far outside that may be.
  var reach: Int {
    let before = (window.extent - 1 - window.padBefore) / window.stride
    let behind = (input - 1 + window.padBefore) / window.stride - (output - 1)
    return max(0, max(before, behind))
  }
}

// The convolutions that training needs for a convolution: forward, and its gradient.
extension TrainingPlan {
  func rows(_ layer: Layer) -> Axis {
    Axis(window: layer.vertical, input: buffers[layer.x].shape.height, output: buffers[layer.y].shape.height)
  }

  func columns(_ layer: Layer) -> Axis {
    Axis(window: layer.horizontal, input: buffers[layer.x].shape.width, output: buffers[layer.y].shape.width)
  }

  /// The zeros around dy that the gradient of x reads.
  func shapeConvolutionGradient(_ number: Int) {
    let layer = layers[number]
    let dy = gradient(layer.y)
    buffers[dy].halo = max(buffers[dy].halo, max(rows(layer).reach, columns(layer).reach))
  }

  /// Forward: segments are (block of inputs, kernel row, kernel column), or kernel rows in the pixel layout.
  func makeForward(_ number: Int, _ arena: inout Arena) {
    let layer = layers[number], v = layer.vertical, h = layer.horizontal
    let x = buffers[value(layer.x)], view = x.slot.view
    let order = parameters.list[layer.weight].order
    // A network input of few channels that something else reads too lies in blocks, so its kernel rows are not in one
    // piece.
    let wholeRows = x.isPixelLayout && order.isPixels
    var s = Segments(order)
    if order.isPixels && !wholeRows {
      s.fullSegments = order.taps
      s.fullSteps = order.inputChannels
    }
    s.offsets = arena.take(Int32.self, s.fullSegments + s.lastSegments)
    if var out = s.offsets {
      for block in 0..<order.inputBlocks {
        for ky in 0..<v.kernel {
          for kx in 0..<(wholeRows ? 1 : h.kernel) {
            let y = ky * v.dilation - v.padBefore, x = kx * h.dilation - h.padBefore
            out.pointee = Int32(block * Int(view.block) + y * Int(view.row) + x * Int(view.pixel))
            out += 1
          }
        }
      }
    }
    layers[number].forward = s
  }

  func makePhases(_ number: Int, _ arena: inout Arena) {
    let layer = layers[number], rows = self.rows(layer), columns = self.columns(layer)
    guard marks[layer.x].needsGradient else { return }
    layers[number].phaseCount = rows.phases * columns.phases
    let phases = arena.take(Phase.self, layers[number].phaseCount)
    layers[number].phases = phases
    for i in 0..<layers[number].phaseCount {
      var phase = Phase(firstRow: i / columns.phases, firstColumn: i % columns.phases)
      phase.height = rows.count(phase.firstRow)
      phase.width = columns.count(phase.firstColumn)
      forEachTap(layer, phase) { _, _ in phase.taps += 1 }
      if layer.kind == .depthwise { makeTaps(layer, &phase, &arena) } else { makeSegments(layer, &phase, &arena) }
      if let phases { (phases + i).initialize(to: phase) }
    }
  }

  private func makeSegments(_ layer: Layer, _ phase: inout Phase, _ arena: inout Arena) {
    let rows = self.rows(layer), columns = self.columns(layer)
    let order = parameters.list[layer.weight].order, view = buffers[gradient(layer.y)].slot.view
    let rest = order.outputChannels % 16
    phase.segments.fullSegments = order.outputChannels / 16 * phase.taps
    phase.segments.lastSegments = rest == 0 ? 0 : phase.taps
    phase.segments.lastSteps = rest
    phase.segments.offsets = arena.take(Int32.self, order.blocks * phase.taps)
    // A block of 16 inputs of x to each step. (The count was checked with the constant's size.)
    phase.weights = arena.take(Float.self, order.inputBlocks * 16 * phase.taps * order.outputChannels)
    guard var out = phase.segments.offsets else { return }
    for block in 0..<order.blocks {
      forEachTap(layer, phase) { ky, kx in
        let y = rows.output(phase.firstRow, ky), x = columns.output(phase.firstColumn, kx)
        out.pointee = Int32(block * Int(view.block) + y * Int(view.row) + x * Int(view.pixel))
        out += 1
      }
    }
  }

  @inline(never) func forEachTap(_ layer: Layer, _ phase: Phase, _ body: (_ ky: Int, _ kx: Int) -> Void) {
    let rows = self.rows(layer), columns = self.columns(layer)
    for ky in 0..<rows.window.kernel where rows.meets(phase.firstRow, ky) {
      for kx in 0..<columns.window.kernel where columns.meets(phase.firstColumn, kx) { body(ky, kx) }
    }
  }
}
