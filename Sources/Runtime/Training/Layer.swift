import Bundle
import CKernels

/// A layer as it is trained: an operator, with the ReLU behind it where one follows. Numbers of buffers and
/// parameters are -1 where there is none.
struct Layer {
  enum Kind { case conv, batchNormalization, relu, maxPool, averagePool, add, flatten }

  var kind = Kind.relu
  var relu = false
  /// Tensors: inputs and output.
  var x: Int, x2 = -1, y: Int
  /// Conv: weight and bias. BatchNormalization: scale and bias, running mean and variance.
  var weight = -1, bias = -1, mean = -1, variance = -1
  /// The window of a convolution or pool.
  var vertical: Window, horizontal: Window
  var countsPadding = false

  // Conv. A fully connected layer is one of 1×1 on one pixel.
  var forward = Segments()
  /// The gradient of x, one convolution for each of the stride's positions.
  var phases: UnsafeMutablePointer<Phase>?
  var phaseCount = 0

  var norm = BatchNorm()
}

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
  var segments = Segments()
  var weights: UnsafeMutablePointer<Float>?
}

/// What a batch normalisation sums up and derives from the sums. Arrays of one value per channel, padded to 16.
struct BatchNorm {
  var epsilon: Float = 0
  /// Of the batch (or, to evaluate, the running ones): y = x · scale + shift.
  var meanOfBatch: UnsafeMutablePointer<Float>?, scale: UnsafeMutablePointer<Float>?
  var shift: UnsafeMutablePointer<Float>?, inverseDeviation: UnsafeMutablePointer<Float>?
  var dyMean: UnsafeMutablePointer<Float>?, slope: UnsafeMutablePointer<Float>?
  /// A max pool behind it whose windows touch: their size.
  var windowHeight = 1, windowWidth = 1
  /// Sums of the batch, those of each share `share` elements apart; `count` has one element, of values seen.
  var mean: UnsafeMutablePointer<Double>?, m2: UnsafeMutablePointer<Double>?, count: UnsafeMutablePointer<Double>?
  var sum: UnsafeMutablePointer<Double>?, product: UnsafeMutablePointer<Double>?
  /// What a kernel sums up of one image: [3][channels], three times as many for each share.
  var ofImage: UnsafeMutablePointer<Float>?
  var share = 0
  /// Padded to 16.
  var channels = 0

  var isPooled: Bool { windowHeight * windowWidth > 1 }
}

/// A pass over the images, or one over all of a share's images at once, or something done once between them.
struct Step {
  enum Verb {
    // Forward
    case input, conv, statistics, finishStatistics, normalise, relu, maxPool, averagePool, add, flatten, loss
    // Backward; `target` is a buffer of gradients
    case mask, weightGradient, dataGradient, reduceNorm, finishNorm, applyNorm, reluGradient
    case maxPoolGradient, averagePoolGradient, copyGradient, addGradient, flattenGradient
  }

  var verb: Verb
  /// Number of the layer.
  var layer: Int
  /// Number of the buffer that is read (gradients) and the one that is written.
  var source = -1, target = -1
  /// Works on all images of a share at once.
  var isWhole = false

  /// Needs what all shares have summed up: done by one thread when all are here.
  var isSerial: Bool { verb == .finishStatistics || verb == .finishNorm }
  /// Only done to learn: evaluation uses the running statistics.
  var isLearning: Bool { isSerial || verb == .statistics }
}
