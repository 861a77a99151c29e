import Bundle
import CBundle
import CKernels

// The list of the layers that can be trained: which operators they are, and who does what for them.

extension TrainingPlan {
  /// Reads an operator.
  mutating func addLayer(_ model: Model, _ i: Int) throws(Failure) {
    guard let x = model.input(i, 0), !model.isConstant(x) else {
      throw .unsupported("a layer without an input cannot be trained")
    }
    func layer(_ kind: Layer.Kind) throws(Failure) -> Layer { try Layer(kind, model, i, x: x) }
    switch Int(model.operation(i).kind) {
    case CNNB_OP_CONV: try addConvolution(model, layer(.convolution))
    case CNNB_OP_GEMM: try addFullyConnected(model, layer(.convolution))
    case CNNB_OP_BATCH_NORMALIZATION: try addBatchNormalization(model, layer(.batchNormalization))
    case CNNB_OP_RELU, CNNB_OP_CLIP: try addClamp(layer(.clamp))
    case CNNB_OP_MAX_POOL: try addPool(layer(.maxPool))
    case CNNB_OP_AVERAGE_POOL: try addPool(layer(.averagePool))
    case CNNB_OP_GLOBAL_MAX_POOL: try addGlobalPool(layer(.maxPool))
    case CNNB_OP_GLOBAL_AVERAGE_POOL: try addGlobalPool(layer(.averagePool))
    case CNNB_OP_ADD: try addSum(model, layer(.add))
    case CNNB_OP_FLATTEN: try append(layer(.flatten))
    case CNNB_OP_DROPOUT: try append(layer(.dropout))
    case CNNB_OP_SOFTMAX:
      guard model.output(i) == model.networkOutput(0) else {
        throw .unsupported("a Softmax can be trained only as the last operator, where the loss takes its place")
      }
      logits = x
    default: throw .unsupported("operator number % cannot be trained", Int(model.operation(i).kind))
    }
  }

  /// The steps of a layer on the way forward …
  mutating func addForwardSteps(_ i: Int) {
    switch layers[i].kind {
    case .convolution: convolutionForward(i)
    case .batchNormalization: batchNormalizationForward(i)
    case .add: emit(.forward, i, source: layers[i].x, target: layers[i].y, layers[i].x2)
    case .depthwise, .clamp, .maxPool, .averagePool, .flatten, .dropout:
      emit(.forward, i, source: layers[i].x, target: layers[i].y)
    }
  }

  /// … and back.
  mutating func addBackwardSteps(_ i: Int) {
    let layer = layers[i]
    switch layer.kind {
    case .convolution: convolutionBackward(i)
    case .depthwise: depthwiseBackward(i)
    case .batchNormalization: batchNormalizationBackward(i)
    case .add: sumBackward(i)
    case .clamp: emitGradient(i, of: layer.x, uses: value(layer.y))
    case .maxPool: emitGradient(i, of: layer.x, uses: value(layer.x))
    case .averagePool, .flatten, .dropout: emitGradient(i, of: layer.x)
    }
  }

  /// Memory and tables, when the buffers have their places.
  mutating func place(_ i: Int, _ arena: inout Arena) {
    switch layers[i].kind {
    case .convolution: placeConvolution(i, &arena)
    case .depthwise: placeDepthwise(i, &arena)
    case .batchNormalization: placeBatchNormalization(i, &arena)
    case .clamp, .maxPool, .averagePool, .add, .flatten, .dropout: break
    }
  }
}

extension Trainer {
  /// Once for each batch to learn from, before its first step.
  func begin(_ layer: Layer, share: Int) {
    switch layer.kind {
    case .convolution: turnWeights(layer, share: share)
    case .batchNormalization: clear(layer.norm, share: share)
    default: break
    }
  }

  func forward(_ layer: Layer, _ mode: Mode, _ images: Images) {
    switch layer.kind {
    case .convolution: convolution(layer, images)
    case .depthwise: depthwise(layer, images)
    case .batchNormalization: normalise(layer, images)
    case .clamp: clamp(layer, images)
    case .maxPool: pool(kernels.max_pool_f32, layer, images)
    case .averagePool: pool(kernels.average_pool_f32, layer, images)
    case .add: add(layer, images)
    case .flatten: flatten(layer, images)
    case .dropout: dropout(layer, learning: mode != .evaluate, images)
    }
  }

  func parameterGradient(_ layer: Layer, _ images: Images) {
    switch layer.kind {
    case .convolution: convolutionWeights(layer, images)
    case .depthwise: depthwiseWeights(layer, images)
    case .batchNormalization: reduceNorm(layer, images)
    default: break
    }
  }

  /// Writes `step.target`, the gradient of the layer's input.
  func inputGradient(_ layer: Layer, _ step: Step, _ images: Images) {
    switch layer.kind {
    case .convolution: convolutionData(layer, target: step.target, images)
    case .depthwise: depthwiseData(layer, target: step.target, images)
    case .batchNormalization: applyNorm(layer, target: step.target, images)
    case .clamp: mask(step, layer, images)
    case .maxPool: maxPoolGradient(layer, target: step.target, images)
    case .averagePool: averagePoolGradient(layer, target: step.target, images)
    case .flatten: flattenGradient(layer, target: step.target, images)
    case .dropout: dropoutGradient(layer, target: step.target, images)
    case .add: break
    }
  }
}
