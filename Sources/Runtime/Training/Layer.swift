import Bundle
import CBundle
import CKernels
import CTrainingKernels
import Plan

/// A layer as it is trained: an operator, with the clamp (ReLU, Clip) behind it where one follows. Numbers of buffers and
/// parameters are -1 where there is none.
struct Layer {
  /// Each has a file in Layers/, with the same functions in the same order: what it reads of the operator, its steps,
  /// its memory, forward, backward. The update is the optimizer's: one loop over all parameters. Layers.swift has the
  /// list.
  enum Kind {
    case convolution, depthwise, grouped, transposed
    case batchNormalization, groupNormalization, layerNormalization, localResponse
    case clamp, activation, prelu, dropout
    case maxPool, averagePool, reduce, softmax
    case add, arithmetic, matMul
    case copy, flatten, move, concat, resize
  }

  var kind: Kind
  /// The operator's number, and what it says.
  let number: Int
  let op: cnnb_operator
  var clamp = Clamp()
  /// Tensors: inputs and output.
  var x: Int, x2 = -1, y: Int
  /// Weight and bias, or scale and bias; running mean and variance.
  var weight = -1, bias = -1, mean = -1, variance = -1
  /// The window of a convolution or pool.
  var vertical: Window, horizontal: Window

  /// A convolution's; a fully connected layer is one of 1×1 on one pixel.
  var forward = Segments()
  /// The gradient of x, one convolution for each of the stride's positions.
  var phases: UnsafeMutablePointer<Phase>?
  var phaseCount = 0
  /// A depthwise convolution's taps, as they lie in x.
  var taps: UnsafeMutablePointer<cnn_tap_offset>?

  var packedForward = PackedCalls(), packedBackward = PackedCalls()

  var norm = BatchNorm()

  /// What module Plan has prepared for the first image of the first share, at the values' buffers.
  var calls: UnsafeMutablePointer<Call>?
  var callCount = 0
  /// A plain tensor between two moves.
  var scratch = -1
  /// Which operand of a Concat it is.
  var part = 0
  /// x is the operator's second operand, the first being a constant.
  var isSecond = false
  /// Room for sums of an image, `sumStride` elements for each share.
  var sums: UnsafeMutablePointer<Float>?
  var sumStride = 0

  init(_ kind: Kind, _ model: Model, _ number: Int, x: Int) throws(Failure) {
    self.kind = kind
    self.number = number
    self.x = x
    op = model.operation(number)
    y = model.output(number)
    vertical = .vertical(op)
    horizontal = .horizontal(op)
    switch Int(op.activation) {
    case CNNB_ACTIVATION_NONE: break
    case CNNB_ACTIVATION_RELU: clamp = .relu
    case CNNB_ACTIVATION_CLIP: clamp = Clamp(op.activation_values.0, op.activation_values.1)
    default: throw .unsupported("its activation (number %) cannot be trained", Int(op.activation))
    }
  }
}

/// Values below `low` or above `high` become these; the gradient passes strictly between them.
struct Clamp: Equatable {
  var low = -Float.infinity, high = Float.infinity

  static var relu: Clamp { Clamp(0, .infinity) }

  init() {}
  init(_ low: Float, _ high: Float) {
    self.low = low
    self.high = high
  }

  var isNone: Bool { low == -.infinity && high == .infinity }
}

/// A pass over the images, or one over all of a share's images at once, or something done once between them.
struct Step {
  enum Verb {
    // Forward
    case input, statistics, finishStatistics, forward, loss
    // Backward; `target` is a buffer of gradients
    case mask, parameterGradient, finishParameterGradient, inputGradient, copyGradient, addGradient
  }

  var verb: Verb
  /// Number of the layer.
  var layer: Int
  /// Number of the buffer that is read (gradients) and the one that is written.
  var source = -1, target = -1
  /// Whether it makes the gradient of the layer's second input.
  var operand = 0
  /// Works on all images of a share at once.
  var isWhole = false

  /// Needs what all shares have summed up: done by one thread when all are here.
  var isSerial: Bool { verb == .finishStatistics || verb == .finishParameterGradient }
  /// Only done to learn: evaluation uses the running statistics.
  var isLearning: Bool { isSerial || verb == .statistics }
}

/// Images of the batch, `count` from `first` on, as a share works on them.
struct Images {
  var first: Int, count = 1, share: Int

  @inline(__always) func forEach(_ body: (_ image: Int) -> Void) {
    for image in first..<first + count { body(image) }
  }
}
